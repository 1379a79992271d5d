"""
=================================
A search on a cluster, and a loss
=================================

The same search as ever, on the workers of a Dask cluster. After six fits one of them is
killed; the result is that of an undisturbed search.

The cluster here is two processes on one machine, one thread each; :doc:`/user_guide/cluster` says
how to start one on many. As a script all of this would stand below ``if __name__ == "__main__":``,
since every worker imports the script that starts it.
"""

# %%
# What is searched: dropout and learning rate of version 2, on nine hundred of the images that come
# with the package.

from sklearn.model_selection import GridSearchCV, StratifiedKFold

from skfashion import FashionCNN
from skfashion.datasets import load_fashion_mini

X, y = load_fashion_mini(return_X_y=True)
X, y = X[:900], y[:900]
folds = list(StratifiedKFold(3).split(X, y))
grid = {"dropout": [0.1, 0.4], "learning_rate": [5e-4, 1e-3, 2e-3, 4e-3]}
search = GridSearchCV(FashionCNN.v2(epochs=5, random_state=0), grid, cv=folds, refit=False)

# %%
# ``scatter`` gives every worker the rows and the folds before the search begins, and they keep them
# while Dask's active memory manager, which drops copies that it takes for superfluous, is stopped.
# What a single worker has is lost with it, and the search ends in an error. There will be two
# searches of the same rows, hence ``held``: without it the copies for the second could fall victim
# to the end of the first. The setting of ``MALLOC_TRIM_THRESHOLD_`` lets workers keep the memory
# that they free, for training needs it at once again; the other has the cluster wait for a worker
# that starts anew, instead of giving it up after fifteen seconds.

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
print(f"killed: {victim not in left}; workers now: {len(left)}")
print(search.best_params_)

# %%
# Who did what, and when? A bar for each fit, a row for each worker. The fit that was under way is
# done again by the other, and the cluster starts a new worker in the place of the lost one, which
# begins by starting TensorFlow.

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
# The same search again, undisturbed: equal scores, to the last bit.

from numpy.testing import assert_array_equal

scores = search.cv_results_["mean_test_score"]
with parallel_config(backend="dask", scatter=data):
    search.fit(X, y)
assert_array_equal(search.cv_results_["mean_test_score"], scores)
client.close()
