"""Training: the loop over epochs through SciKeras, early stopping, callbacks and checkpoints.

It takes checked arrays and returns arrays. It must not know the classifier or its labels.
"""
