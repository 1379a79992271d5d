"""
=============================
Grid search on a Dask cluster
=============================

In this example you run a grid search on the workers of a Dask cluster. After six fits one worker is
killed. The search still ends with the same result as without the failure.

The cluster here is two processes on one machine, with one thread each. To start one on many
machines, see :doc:`/user_guide/cluster`. In a script you put all of this below
``if __name__ == "__main__":``, because every worker imports the script that starts it.
"""

# %%
# Define a search over dropout and learning rate of version 2, on 900 of the images that come with
# the package.

from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:900], y[:900]
folds = list(StratifiedKFold(3).split(X, y))
grid = {"dropout": [0.1, 0.4], "learning_rate": [5e-4, 1e-3, 2e-3, 4e-3]}
search = GridSearchCV(FashionCNN.v2(epochs=5, random_state=0), grid, cv=folds, refit=False)

# %%
# Start the cluster and send the rows and the folds to every worker with ``scatter``:
#
# - Stop Dask's active memory manager. It drops copies that it considers superfluous. If the worker
#   with the only copy dies, your search ends in an error.
# - Keep a reference to the copies, here ``held``. You search the same rows twice, and without the
#   reference the end of the first search may drop the copies of the second.
# - The setting of ``MALLOC_TRIM_THRESHOLD_`` lets workers keep memory that they free, because
#   training soon needs it again.
# - With ``lost-worker-timeout`` the cluster waits for a worker that restarts, instead of giving it
#   up after 15 seconds.

import os
import signal
import threading
import time
from itertools import chain

import dask
from distributed import Client, get_task_stream
from joblib import parallel_config

dask.config.set(
    {
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
        "distributed.deploy.lost-worker-timeout": "1h",
    }
)
client = Client(n_workers=2, threads_per_worker=1, dashboard_address=":0")
client.amm.stop()
data = [X, y, *chain(*folds)]
held = client.scatter(data, broadcast=True)
victim = min(client.run(os.getpid).values())
moments = []


def kill_after(n_fits):
    while len(client.get_task_stream()) < n_fits:
        time.sleep(0.1)
    os.kill(victim, signal.SIGKILL)
    moments.append(time.time())


killer = threading.Thread(target=kill_after, args=[6], daemon=True)
killer.start()
with get_task_stream(client) as stream, parallel_config(backend="dask", scatter=data):
    search.fit(X, y)
killer.join()
left = set(client.run(os.getpid).values())
print(f"worker killed: {victim not in left}; workers now: {len(left)}")
print(search.best_params_)

# %%
# Plot which worker ran which fit, and when. Each row is a worker and each bar a fit. The dotted
# line marks the moment of the failure. You can see that the other worker repeats the interrupted
# fit. The cluster starts a new worker, which has to start TensorFlow first.

import matplotlib.pyplot as plt

fits = [
    (task["worker"], part["start"], part["stop"])
    for task in stream.data
    for part in task["startstops"]
    if part["action"] == "compute"
]
begin = min(start for _, start, _ in fits)
workers = sorted({worker for worker, _, _ in fits}, key=[worker for worker, _, _ in fits].index)
fig, ax = plt.subplots(figsize=(7, 2), layout="constrained")
for row, worker in enumerate(workers):
    bars = [(start - begin, stop - start) for name, start, stop in fits if name == worker]
    ax.broken_barh(bars, (row - 0.4, 0.8), edgecolor="white")
ax.axvline(moments[0] - begin, color="0.3", linestyle=":")
ax.set_yticks(range(len(workers)), [f"worker {row + 1}" for row in range(len(workers))])
ax.invert_yaxis()
ax.set_xlabel("seconds")
plt.show()

# %%
# Run the same search again without a failure. You get equal scores, bit for bit.

from numpy.testing import assert_array_equal

scores = search.cv_results_["mean_test_score"]
with parallel_config(backend="dask", scatter=data):
    search.fit(X, y)
assert_array_equal(search.cv_results_["mean_test_score"], scores)
client.close()
