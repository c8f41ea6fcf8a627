"""Weights in and out, in Hugging Face's form.

Installed as `keras_squeezebert.converters`; import it by that name.
"""

from keras_squeezebert.converters.checkpoint import (
    LoadReport,
    load_checkpoint,
    save_checkpoint,
)
from keras_squeezebert.converters.key_table import KeyMapping, key_table

__all__ = [
    "KeyMapping",
    "LoadReport",
    "key_table",
    "load_checkpoint",
    "save_checkpoint",
]
