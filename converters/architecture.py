"""trained_architecture: the class whose weights a checkpoint holds."""

import os
from collections.abc import Iterable
from pathlib import Path

from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.converters.key_table import HEADS
from keras_squeezebert.converters.official import official_checkpoint
from keras_squeezebert.files import read_json

BASE = "SqueezeBertModel"

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
    named = _named(folder)
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


def _named(folder):
    """What `architectures` of config.json says, a BERT's class taken for ours."""
    path = folder / CONFIG_FILE
    architectures = read_json(path).get("architectures") if path.is_file() else None
    if not isinstance(architectures, list) or len(architectures) != 1:
        return None
    name = str(architectures[0])
    if name == "BertForPreTraining":  # masked LM, and a head that no class has
        name = "BertForMaskedLM"
    if name.startswith("Bert"):
        name = f"Squeeze{name}"
    return name if name in HEADS else None
