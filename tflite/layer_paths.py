"""layer_path: which layer of the model a tensor of a .tflite is from."""

import re

HEADS = ("classifier", "predictions", "qa_outputs")

# The converter's names are scopes of layers, each with a number behind it, then the
# operation; and several of these joined with ";" where it has fused operations.
_NUMBERS = re.compile(r"(?<!encoder_layer)_\d+(?=/|$)")
_LAYER = re.compile(
    rf"""(?:^|/)(
      embeddings (?: / (?: (?:word|position|token_type)_embeddings | layer_norm ))?
    | attention_bias
    | encoder_layer_\d+ (?: /
        (?: attention (?: / (?: query | key | value ))?
        | post_attention (?: / (?: conv | layer_norm ))?
        | feed_forward (?: / (?: intermediate
                               | output (?: / (?: conv | layer_norm ))? ))?
        ))?
    | pooler (?: / dense )?
    | (?: {"|".join(HEADS)} ) (?: / (?: dense | layer_norm | decoder ))?
    )(?=/|$)""",
    re.VERBOSE,
)


def layer_path(name: str) -> str | None:
    """The path of a layer, from a tensor's name in a .tflite.

    Args:
        name: As the converter of TensorFlow writes it.

    Returns:
        E.g. "encoder_layer_0/attention/query"; None if there is no layer of this
        package in the name.

    Example:
        >>> layer_path("model_1/transformer_1/encoder_layer_11_1/attention_1/"
        ...            "query_1/add_1;convolution;model_1/transformer_1/add1")
        'encoder_layer_11/attention/query'
        >>> layer_path("StatefulPartitionedCall_1:0") is None
        True
    """
    for part in name.split(";"):
        found = _LAYER.search(_NUMBERS.sub("", part))
        if found:
            return found[1]
    return None
