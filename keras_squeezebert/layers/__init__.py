"""The layers of SqueezeBERT, one equation of the paper a file."""

from keras_squeezebert.layers.attention_bias import AttentionBias
from keras_squeezebert.layers.conv_dropout_layer_norm import ConvDropoutLayerNorm
from keras_squeezebert.layers.embeddings import SqueezeBertEmbeddings
from keras_squeezebert.layers.encoder_layer import SqueezeBertEncoderLayer
from keras_squeezebert.layers.feed_forward import SqueezeBertFeedForward
from keras_squeezebert.layers.grouped_conv import GroupedConv1D
from keras_squeezebert.layers.layer_norm import LayerNorm
from keras_squeezebert.layers.masked_lm_head import SqueezeBertMaskedLMHead
from keras_squeezebert.layers.pooler import SqueezeBertPooler
from keras_squeezebert.layers.self_attention import SqueezeBertSelfAttention

__all__ = [
    "AttentionBias",
    "ConvDropoutLayerNorm",
    "GroupedConv1D",
    "LayerNorm",
    "SqueezeBertEmbeddings",
    "SqueezeBertEncoderLayer",
    "SqueezeBertFeedForward",
    "SqueezeBertMaskedLMHead",
    "SqueezeBertPooler",
    "SqueezeBertSelfAttention",
]
