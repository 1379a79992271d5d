"""The network: its architecture, its Keras model and its forward pass in NumPy.

It must not know labels, scikit-learn, SciKeras, or how a training is stored.
"""
