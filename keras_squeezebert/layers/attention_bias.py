"""AttentionBias: what the attention mask adds to the scores."""

import keras
from keras import ops

from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.quantization.points import QuantizationPoints


@keras.saving.register_keras_serializable(PACKAGE)
class AttentionBias(QuantizationPoints, keras.layers.Layer):
    """Turns the attention mask into a term to add to the attention scores.

    Quantization point: `output`.

    Args:
        masked: The term of a masked token. The default leaves it a probability of
            exactly zero in float32 and is finite in float16; it is not -inf, which
            would give NaN in a row that is masked throughout.
        **kwargs: `name`, `dtype`, … of `keras.layers.Layer`.

    Call arguments:
        attention_mask: Int tensor (batch, seq); 0 where a token is padding.

    Returns:
        Float tensor (batch, 1, 1, seq), to broadcast over heads and queries.

    Example:
        >>> import numpy as np
        >>> np.asarray(AttentionBias()(np.array([[1, 1, 0]]))).ravel().tolist()
        [0.0, 0.0, -10000.0]

    Reference:
        Devlin et al.'s BERT code, `transformer_model`.
    """

    def __init__(self, masked=-1e4, **kwargs):
        super().__init__(**kwargs)
        self.masked = masked

    def build(self, attention_mask_shape):
        self.add_quantization_points("output")

    def call(self, attention_mask):
        attended = ops.not_equal(ops.expand_dims(attention_mask, (1, 2)), 0)
        zero = ops.zeros((), self.compute_dtype)
        bias = ops.where(attended, zero, ops.full_like(zero, self.masked))
        return self.quantized("output", bias)

    def compute_output_shape(self, attention_mask_shape):
        batch, seq = attention_mask_shape
        return (batch, 1, 1, seq)

    def compute_output_spec(self, attention_mask):
        shape = self.compute_output_shape(attention_mask.shape)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "masked": self.masked}
