"""convert: any checkpoint, as the folder that `save_pretrained` writes."""

import os
from dataclasses import dataclass

from keras_squeezebert.converters.architecture import trained_architecture
from keras_squeezebert.converters.key_table import HEADS
from keras_squeezebert.converters.legacy import modern_key
from keras_squeezebert.converters.load_report import LoadReport
from keras_squeezebert.converters.readers import read_weights
from keras_squeezebert.converters.verify import Difference, verify_conversion
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_folder
from keras_squeezebert.hub import pretrained_folder
from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.folder import (
    TOKENIZER_FILE,
    TOKENIZER_FILES,
    VOCABULARY_FILE,
)


@dataclass(frozen=True)
class Conversion:
    """What a conversion did.

    Args:
        architecture: Name of the class that the folder holds.
        report: What became of each weight.
        has_tokenizer: Whether the source had a tokenizer, which came along.
        differences: From `transformers`, for each output; empty if not asked for.
    """

    architecture: str
    report: LoadReport
    has_tokenizer: bool
    differences: dict[str, Difference]


def convert(
    source: str | os.PathLike,
    folder: str | os.PathLike,
    *,
    architecture: str | None = None,
    revision: str | None = None,
    verify: bool = False,
    dtype: str = "float32",
) -> Conversion:
    """Writes a checkpoint of any form and age as `save_pretrained` does.

    Args:
        source: A folder or an id on the Hugging Face Hub, of a SqueezeBERT or a BERT.
        folder: Where config, weights and tokenizer are written to, if all went well.
        architecture: Name of the class to load, e.g. "SqueezeBertForMaskedLM".
            Default: the one whose weights the checkpoint holds.
        revision: Branch, tag or commit on the Hub.
        verify: Whether to run `transformers` on the source and on the result, and
            compare. Needs the extra `torch`.
        dtype: Of the weights that are written, "float32" or "float16".

    Raises:
        InputError: The source cannot be loaded, its class cannot be told, or it lacks
            the head of `architecture`.
        VerificationError: The outputs differ from those of `transformers`.

    Example:
        >>> import os, tempfile
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertForMaskedLM
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> source, folder = tempfile.mkdtemp(), tempfile.mkdtemp()
        >>> SqueezeBertForMaskedLM(config).save_pretrained(source)
        >>> convert(source, folder, architecture="SqueezeBertModel").architecture
        'SqueezeBertModel'
        >>> sorted(os.listdir(folder))
        ['config.json', 'model.safetensors']
    """
    from keras_squeezebert import models  # which themselves load by this package

    local, tensors = read_weights(source, revision)
    if architecture is None:
        keys = [modern_key(key) for key in tensors]
        architecture = trained_architecture(source, local, keys)
    if architecture not in HEADS:
        raise InputError(
            f"The config of {source} does not tell which class's head it holds. Give "
            f"it, one of: {', '.join(HEADS)}. Received: architecture={architecture!r}"
        )
    model = getattr(models, architecture).from_pretrained(source, revision=revision)
    check_head(model, source)
    tokenizer = _tokenizer(source, revision)
    obsolete = [QUANTIZATION_FILE, *([TOKENIZER_FILE] if tokenizer else [])]
    with atomic_folder(folder, obsolete) as draft:
        model.save_pretrained(draft, dtype=dtype)
        if tokenizer:
            tokenizer.save_pretrained(draft)
        differences = verify_conversion(model, local, draft) if verify else {}
    return Conversion(architecture, model.load_report, bool(tokenizer), differences)


def check_head(model, source):
    """Refuses to write a head of random weights as if it were trained."""
    head = {variable for variable, *_ in HEADS[type(model).__name__]}
    missing = sorted(head.intersection(model.load_report.initialized))
    if missing:
        raise InputError(
            f"{source} has no trained head of a {type(model).__name__}: it lacks "
            f"{', '.join(missing)}. Convert it as SqueezeBertModel, or train a head"
        )


def _tokenizer(source, revision):
    folder = pretrained_folder(source, TOKENIZER_FILES, revision)
    if any((folder / name).is_file() for name in (VOCABULARY_FILE, TOKENIZER_FILE)):
        return SqueezeBertTokenizerFast.from_pretrained(folder)
    return None
