"""FashionCNN: the scikit-learn classifier, the checks of its input, and model files.

It converts parameters and data for `_training` and `_network`. It must not import TensorFlow, Keras
or SciKeras.
"""

from skfashion._classifier.fashion_cnn import FashionCNN

__all__ = ["FashionCNN"]
