"""Training through SciKeras: progress, early stopping, callbacks and checkpoints.

It takes validated arrays and returns arrays. It must not import `_classifier`.
"""
