"""The Keras optimizer of the network."""

from typing import Any

from skfashion._network.tensorflow import keras, tf


# Keras saves optimizers under the names of their modules and classes. With this name it loads
# without skfashion.
class Adam(keras.optimizers.Adam):
    """Keras' Adam, with one TensorFlow operation per weight array.

    This saves 8 % of a training step of version 1. The learning rate has the dtype of the network
    instead of the user's global `floatx`.

    Parameters
    ----------
    learning_rate : float, default=0.001
    dtype : {"float32", "float64"} or None, default=None
        Dtype of the learning rate. If None, the user's `floatx`, as in Keras.
    **kwargs
        Further arguments of `keras.optimizers.Adam`.
    """

    __module__ = "keras.optimizers"
    _learning_rate: keras.Variable

    def __init__(
        self,
        learning_rate: float = 0.001,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        # For a number Keras would make a variable in the user's `floatx`.
        super().__init__(lambda: learning_rate, **kwargs)
        self._learning_rate = keras.Variable(
            learning_rate, dtype=dtype, trainable=False, name="learning_rate"
        )
        with tf.init_scope():
            self._warmup_steps = tf.Variable(1, dtype=self._learning_rate.dtype, trainable=False)

    def set_warmup_steps(self, steps: int) -> None:
        """Set the number of steps over which the learning rate rises linearly."""
        self._warmup_steps.assign(max(steps, 1))

    def _backend_update_step(
        self, grads: list[tf.Tensor], trainable_variables: list[Any], learning_rate: tf.Tensor
    ) -> None:
        """Update all variables and their moments.

        Keras would do this through `tf.distribute`, which keeps every graph that was traced, and
        its weights and optimizer, until the process ends.
        """
        dtype = self._learning_rate.dtype
        beta_1, beta_2 = tf.constant(self.beta_1, dtype), tf.constant(self.beta_2, dtype)
        step, one = tf.cast(self.iterations.value + 1, dtype), tf.constant(1, dtype)
        settings = {
            "beta1_power": tf.pow(beta_1, step),
            "beta2_power": tf.pow(beta_2, step),
            "lr": tf.cast(learning_rate, dtype) * tf.minimum(one, step / self._warmup_steps),
            "beta1": beta_1,
            "beta2": beta_2,
            "epsilon": tf.constant(self.epsilon, dtype),
        }
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            number = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=getattr(variable, "value", variable).handle,
                m=self._momentums[number].value.handle,
                v=self._velocities[number].value.handle,
                grad=gradient,
                **settings,
            )
