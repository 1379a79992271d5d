"""The hyperparameters of a training that may differ between trainings of one compiled network."""

from dataclasses import dataclass

from skfashion._utils.types import ImageShape


@dataclass(frozen=True)
class TrainingSettings:
    """Hyperparameters of a training, without those of the architecture.

    Parameters
    ----------
    batch_size : int
    learning_rate : float
    warmup_steps : int
        Number of steps over which the learning rate rises to `learning_rate`.
    averaging : float
        If above 0, the result is an average of the weights. See `update_average`.
    dropout : float
        The rate of the dropout layers, if there are any.
    flip : bool
    shift : int
        How images are changed. See `draw_changes`.
    image_shape : tuple of two int
        Rows and columns of the images before padding, which flips and shifts leave in its place.
    pixel_max : float
        The value that bytes are divided by. Floats have been divided already.
    seed : int
        Determines the order of the rows, the changes of images and the dropout masks in each epoch.
    """

    batch_size: int
    learning_rate: float
    warmup_steps: int
    averaging: float
    dropout: float
    flip: bool
    shift: int
    image_shape: ImageShape
    pixel_max: float
    seed: int
