"""named_architecture: the class that the config.json of a model names."""

import os
from pathlib import Path

from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.files import read_json

BASE = "SqueezeBertModel"
ARCHITECTURES = (
    BASE,
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
)


def named_architecture(folder: str | os.PathLike) -> str | None:
    """The class in a folder's `architectures`, a BERT's taken for ours.

    Args:
        folder: Where the config.json is, if there is one.

    Returns:
        Its name; None if there is none, or none that this package has.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import SqueezeBertConfig
        >>> folder = tempfile.mkdtemp()
        >>> SqueezeBertConfig().save(folder, architecture="BertForMaskedLM")
        >>> named_architecture(folder)
        'SqueezeBertForMaskedLM'
    """
    path = Path(folder, CONFIG_FILE)
    architectures = read_json(path).get("architectures") if path.is_file() else None
    if not isinstance(architectures, list) or len(architectures) != 1:
        return None
    name = str(architectures[0])
    if name == "BertForPreTraining":  # masked LM, and a head that no class has
        name = "BertForMaskedLM"
    if name.startswith("Bert"):
        name = f"Squeeze{name}"
    return name if name in ARCHITECTURES else None
