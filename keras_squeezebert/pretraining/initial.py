"""draw_kernels: random weights that are the same by one seed on every backend."""

from collections.abc import Iterable

import keras
import numpy as np


def draw_kernels(
    variables: Iterable[keras.Variable], deviation: float, seed: int
) -> None:
    """Gives kernels and embeddings new normally distributed values.

    Keras draws initial weights with the generator of its backend, each of which has
    others by the same seed; these are NumPy's. Biases and LayerNorms, which begin
    with zeros and ones, stay.

    Args:
        variables: Of a model, in any order.
        deviation: Standard deviation, a config's `initializer_range`.
        seed: 0 or more.

    Example:
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 3))
        >>> draw_kernels(layer.variables, 0.02, seed=1)
        >>> print(keras.ops.convert_to_numpy(layer.kernel[0]).round(4))
        [0.0069 0.0164]
    """
    rng = np.random.default_rng(seed)
    for variable in sorted(variables, key=lambda variable: variable.path):
        if len(variable.shape) > 1:
            variable.assign(rng.normal(0, deviation, variable.shape))
