"""trained_architecture: the class whose weights a checkpoint holds."""

import os
from collections.abc import Iterable
from pathlib import Path

from keras_squeezebert.architectures import BASE, named_architecture
from keras_squeezebert.converters.legacy import modern_key
from keras_squeezebert.converters.official import official_checkpoint
from keras_squeezebert.converters.readers import read_weights

# In the order in which they decide; a classifier can belong to three classes.
HEAD_KEYS = {
    "qa_outputs.": "SqueezeBertForQuestionAnswering",
    "cls.predictions.transform.": "SqueezeBertForMaskedLM",
    "classifier.": None,
}


def trained_architecture(
    source: str | os.PathLike, folder: Path, keys: Iterable[str]
) -> str | None:
    """The name of our class for what a folder holds; None if that cannot be told.

    Args:
        source: What the user named, perhaps an official checkpoint's id.
        folder: Where it is; its config.json may tell the class.
        keys: Its tensors, by their modern names; else these tell the head.
    """
    named = named_architecture(folder)
    if named:
        return named
    official = official_checkpoint(source)
    if official:
        return official.architecture
    keys = tuple(keys)
    for prefix, architecture in HEAD_KEYS.items():
        if any(key.startswith(prefix) for key in keys):
            return architecture
    return BASE


def checkpoint_architecture(source: str | os.PathLike) -> str | None:
    """The same of a folder or an id on the Hub, of which nothing is read yet."""
    folder, tensors = read_weights(source)
    return trained_architecture(source, folder, map(modern_key, tensors))
