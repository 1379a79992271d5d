"""FashionCNN: the scikit-learn classifier, its checks of input, and its model files.

It turns parameters and data into what `_training` and `_network` take. It must not know TensorFlow,
Keras or SciKeras.
"""

from skfashion._classifier.fashion_cnn import FashionCNN

__all__ = ["FashionCNN"]
