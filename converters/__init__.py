"""Weights in and out, in Hugging Face's form.

Installed as `keras_squeezebert.converters`; import it by that name.
"""

from keras_squeezebert.converters.checkpoint import load_checkpoint, save_checkpoint
from keras_squeezebert.converters.convert import Conversion, convert
from keras_squeezebert.converters.key_table import KeyMapping, key_table
from keras_squeezebert.converters.load_report import LoadReport
from keras_squeezebert.converters.official import (
    OFFICIAL_CHECKPOINTS,
    OfficialCheckpoint,
)
from keras_squeezebert.converters.verify import Difference, VerificationError

__all__ = [
    "OFFICIAL_CHECKPOINTS",
    "Conversion",
    "Difference",
    "KeyMapping",
    "LoadReport",
    "OfficialCheckpoint",
    "VerificationError",
    "convert",
    "key_table",
    "load_checkpoint",
    "save_checkpoint",
]
