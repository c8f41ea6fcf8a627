"""Scheme: what is quantized, and how, as data."""

import dataclasses
import fnmatch
from dataclasses import dataclass
from typing import Any

from keras_squeezebert.errors import InputError

QUANTIZATION_FILE = "quantization.json"

KINDS = ("weight", "activation", "fixed")


@dataclass(frozen=True)
class Quantizer:
    """How one tensor becomes int8.

    Args:
        kind: "weight", whose range is that of its values in every training step;
            "activation", whose range is found by calibration; or "fixed".
        symmetric: Whether zero is in the middle of the range, at code 0.
        per_channel: Whether each output channel has a range of its own.
        low: Lower end of a fixed range.
        high: Upper end of a fixed range.
    """

    kind: str
    symmetric: bool = False
    per_channel: bool = False
    low: float = 0.0
    high: float = 0.0


KERNEL = Quantizer("weight", symmetric=True, per_channel=True)
TABLE = Quantizer("weight", symmetric=True)
ACTIVATION = Quantizer("activation")
# XNNPACK multiplies int8 matrices only if the second has its zero at code 0.
SYMMETRIC = Quantizer("activation", symmetric=True)
# The ranges that TFLite gives the int8 results of softmax and tanh.
PROBABILITY = Quantizer("fixed", low=0.0, high=255 / 256)
TANH = Quantizer("fixed", low=-1.0, high=127 / 128)


@dataclass(frozen=True)
class Scheme:
    """Which points of the model are quantized, and how.

    A point is a place in a layer, named by the layer's path and a word, such as
    "encoder_layer_3/attention/scores". Its quantizer is that of the first pattern that
    matches; where none does, it stays float.

    Args:
        name: What it is called.
        points: Pairs of a pattern, as in `fnmatch`, and a `Quantizer`.

    Example:
        >>> mixed = SCHEMES["mixed"]
        >>> mixed.at("encoder_layer_0/attention/key/output").symmetric
        True
        >>> mixed.at("encoder_layer_0/feed_forward/intermediate/kernel").per_channel
        True
    """

    name: str
    points: tuple[tuple[str, Quantizer], ...]

    def at(self, point: str) -> Quantizer | None:
        """The quantizer of a point; None where it stays float."""
        for pattern, quantizer in self.points:
            if fnmatch.fnmatchcase(point, pattern):
                return quantizer
        return None

    def to_dict(self) -> dict[str, Any]:
        """The scheme as JSON values."""
        points = [[pattern, dataclasses.asdict(q)] for pattern, q in self.points]
        return {"name": self.name, "points": points}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Scheme":
        """The scheme that :meth:`to_dict` gave."""
        try:
            points = tuple((str(p), Quantizer(**q)) for p, q in values["points"])
            scheme = cls(str(values["name"]), points)
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"This is no quantization scheme. Received: {str(values)[:200]}"
            ) from None
        for pattern, quantizer in points:
            if quantizer.kind not in KINDS:
                raise InputError(
                    f"A quantizer's kind is one of {', '.join(KINDS)}. Received: "
                    f"kind={quantizer.kind!r} at {pattern!r}"
                )
        return scheme


# Everything that multiplies matrices, and the embedding tables, in int8. What lies
# between them is float: the mask, softmax, residuals, LayerNorm and GELU.
MIXED = Scheme(
    "mixed",
    (
        ("embeddings/*_embeddings", TABLE),
        ("predictions/decoder", TABLE),
        ("*/kernel", KERNEL),
        ("*/attention/key/output", SYMMETRIC),
        ("*/attention/value/output", SYMMETRIC),
        ("*/attention/probabilities", PROBABILITY),
        ("pooler/output", TANH),
        ("*", ACTIVATION),
    ),
)

SCHEMES = {scheme.name: scheme for scheme in (MIXED,)}


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
