"""Scheme: what is quantized, and how, as data."""

import dataclasses
import fnmatch
from dataclasses import dataclass
from typing import Any

from keras_squeezebert.errors import InputError

QUANTIZATION_FILE = "quantization.json"

KINDS = ("weight", "activation", "run_time", "fixed", "extended")


@dataclass(frozen=True)
class Quantizer:
    """How one tensor becomes int8.

    Args:
        kind: "weight", whose range is that of its values in every training step;
            "activation", whose range is found by calibration; "run_time",
            whose range is found in every run, for each example, or for each position
            where a convolution has one group; "fixed"; or "extended", the range of
            another point of the layer and `margin` more below it.
        symmetric: Whether zero is in the middle of the range, at code 0.
        per_channel: Whether each output channel has a range of its own.
        equalized: Whether the channels of a grouped convolution's output are rounded in
            units of their largest weight or bias, by which floats are multiplied after.
            One that is far larger than the others does not take their steps then.
        low: Lower end of a fixed range.
        high: Upper end of a fixed range.
        of: The point whose range is extended.
        margin: By how much.
        moving: Whether the range of an activation follows it in training: a mean over
            a thousand steps or so. If not, it stays as calibration found it.
        static: Whether the range stands in the .tflite. If not, TFLite finds it by
            itself: that of a weight when the file is made, the same; that of an
            activation while it runs.
    """

    kind: str
    symmetric: bool = False
    per_channel: bool = False
    equalized: bool = False
    low: float = 0.0
    high: float = 0.0
    of: str = ""
    margin: float = 0.0
    moving: bool = False
    static: bool = True


KERNEL = Quantizer("weight", symmetric=True, per_channel=True)
TABLE = Quantizer("weight", symmetric=True)
ACTIVATION = Quantizer("activation")
EQUALIZED = Quantizer("activation", equalized=True)
# XNNPACK multiplies int8 matrices only if the second has its zero at code 0.
SYMMETRIC = Quantizer("activation", symmetric=True)
# The ranges that TFLite gives the int8 results of softmax and tanh.
PROBABILITY = Quantizer("fixed", low=0.0, high=255 / 256)
TANH = Quantizer("fixed", low=-1.0, high=127 / 128)
RUN_TIME_KERNEL = dataclasses.replace(KERNEL, static=False)
RUN_TIME_TABLE = dataclasses.replace(TABLE, static=False)
RUN_TIME_INPUT = Quantizer("run_time", static=False)
# Far below any score: the mask then is the lowest code of the masked scores, which are
# given so much more range than the scores that it makes a probability of 0 in int8.
# Steps of 4 do, for the mask is either 0 or this.
MASK = Quantizer("fixed", low=-1020.0)
MASKED = Quantizer("extended", of="scores", margin=10.0)


@dataclass(frozen=True)
class Scheme:
    """Which points of the model are quantized, and how.

    A point is a place in a layer, named by the layer's path and a word, such as
    "encoder_layer_3/attention/scores". Its quantizer is that of the first pattern that
    matches; where none does, it stays float.

    Args:
        name: What it is called.
        points: Pairs of a pattern, as in `fnmatch`, and a `Quantizer`, or None where
            it stays float.
        float_ops: Whether there may be operations on floats in the .tflite.

    Example:
        >>> mixed = SCHEMES["mixed"]
        >>> mixed.at("encoder_layer_0/attention/key/output").symmetric
        True
        >>> mixed.at("encoder_layer_0/feed_forward/intermediate/kernel").per_channel
        True
    """

    name: str
    points: tuple[tuple[str, Quantizer | None], ...]
    float_ops: bool = True

    def at(self, point: str) -> Quantizer | None:
        """The quantizer of a point; None where it stays float."""
        for pattern, quantizer in self.points:
            if fnmatch.fnmatchcase(point, pattern):
                return quantizer
        return None

    def with_moving_ranges(self) -> "Scheme":
        """The scheme, but that the ranges of activations follow them in training.

        Example:
            >>> moving = SCHEMES["mixed"].with_moving_ranges()
            >>> moving.at("encoder_layer_0/attention/scores").moving
            True
        """
        return dataclasses.replace(
            self,
            points=tuple(
                (
                    pattern,
                    dataclasses.replace(quantizer, moving=True)
                    if quantizer and quantizer.kind == "activation"
                    else quantizer,
                )
                for pattern, quantizer in self.points
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The scheme as JSON values."""
        points = [[pattern, q and dataclasses.asdict(q)] for pattern, q in self.points]
        return {"name": self.name, "points": points, "float_ops": self.float_ops}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Scheme":
        """The scheme that :meth:`to_dict` gave."""
        try:
            points = tuple(
                (str(pattern), None if quantizer is None else Quantizer(**quantizer))
                for pattern, quantizer in values["points"]
            )
            scheme = cls(
                str(values["name"]), points, bool(values.get("float_ops", True))
            )
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"This is no quantization scheme. Received: {str(values)[:200]}"
            ) from None
        for pattern, quantizer in points:
            if quantizer and quantizer.kind not in KINDS:
                raise InputError(
                    f"A quantizer's kind is one of {', '.join(KINDS)}. Received: "
                    f"kind={quantizer.kind!r} at {pattern!r}"
                )
        return scheme


# In 8 bits the two largest logits of a text are equal now and then, and it is chance
# which of them is the answer. These kernels are small.
FLOAT_HEADS = (("classifier/*", None), ("qa_outputs/*", None))

# Everything that multiplies matrices, and the embedding tables, in int8. What lies
# between them is float: the mask, softmax, residuals, LayerNorm and GELU.
MIXED = Scheme(
    "mixed",
    (
        *FLOAT_HEADS,
        ("*/layer_norm/*", None),
        ("encoder_layer_*/*/*/input", None),  # several share one of theirs
        ("*/hidden", None),
        ("*/partial_sum", None),
        ("*/sum", None),
        ("attention_bias/output", None),
        ("*/masked_scores", None),
        ("predictions/activation", None),
        ("embeddings/*_embeddings", TABLE),
        ("predictions/decoder", KERNEL),
        ("*/kernel", KERNEL),
        # Pretrained models have one channel there that is a hundred times the others.
        ("*/feed_forward/output/conv/output", EQUALIZED),
        ("*/attention/key/output", SYMMETRIC),
        ("*/attention/value/output", SYMMETRIC),
        ("*/attention/probabilities", PROBABILITY),
        ("pooler/dense/input", None),  # it is quantized as "pooler/input"
        ("pooler/output", TANH),
        ("*", ACTIVATION),
    ),
)

# The weights; and what is multiplied by them, with a range for each text, which is
# found while the model runs.
DYNAMIC = Scheme(
    "dynamic",
    (
        ("embeddings/word_embeddings", RUN_TIME_TABLE),
        ("predictions/decoder", RUN_TIME_KERNEL),
        ("*/kernel", RUN_TIME_KERNEL),
        ("encoder_layer_*/attention/input", None),
        ("encoder_layer_*/feed_forward/input", None),
        ("pooler/input", None),
        ("*/input", RUN_TIME_INPUT),
        ("*/decoder_input", RUN_TIME_INPUT),
    ),
)

# Everything, for NPUs and DSPs that have no float at all.
INT8 = Scheme(
    "int8",
    (
        ("embeddings/*_embeddings", TABLE),
        ("predictions/decoder", KERNEL),
        ("*/kernel", KERNEL),
        ("*/layer_norm/gamma", KERNEL),
        ("encoder_layer_*/input", None),  # it is quantized as "hidden", and others
        ("*/attention/key/output", SYMMETRIC),
        ("*/attention/value/output", SYMMETRIC),
        ("attention_bias/output", MASK),
        ("*/attention/masked_scores", MASKED),
        ("*/attention/probabilities", PROBABILITY),
        ("pooler/dense/input", None),
        ("pooler/output", TANH),
        ("*", ACTIVATION),
    ),
    float_ops=False,
)

SCHEMES = {scheme.name: scheme for scheme in (MIXED, INT8, DYNAMIC)}


def as_scheme(scheme: "str | Scheme") -> Scheme:
    """The scheme of a name, or the one given.

    Raises:
        InputError: There is none of that name.
    """
    if isinstance(scheme, Scheme):
        return scheme
    if scheme not in SCHEMES:
        raise InputError(
            f"`scheme` must be one of {', '.join(SCHEMES)}, or a Scheme. Received: "
            f"scheme={scheme!r}"
        )
    return SCHEMES[scheme]
