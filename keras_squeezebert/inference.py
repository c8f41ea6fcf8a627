"""One way to load a model that runs on text: a folder, a .tflite or a SavedModel."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_squeezebert.architectures import BASE, named_architecture
from keras_squeezebert.config import CONFIG_FILE, SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import problem_type
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model, and what its inputs are made with.

    Args:
        architecture: The name of its class, "SqueezeBertForQuestionAnswering" and so
            on, which tells the head.
        config: Its `SqueezeBertConfig`.
        tokenizer: Its `SqueezeBertTokenizerFast`.
        model: A Keras model, a `LiteRTModel` or a `SavedModel`, which
            `model_outputs` runs; or a `LiteRTTextModel`, which takes texts.
        max_length: Most tokens that it takes.
    """

    architecture: str
    config: SqueezeBertConfig
    tokenizer: SqueezeBertTokenizerFast
    model: Any
    max_length: int


def load_model(source: str | os.PathLike) -> LoadedModel:
    """The model that a user names, of any head and in any form.

    Args:
        source: A model's folder or its id on the Hugging Face Hub, for Keras; a
            `.tflite` file; or the folder of a SavedModel, in which, or in its
            `assets.extra`, `config.json` and `vocab.txt` lie, or that of its versions,
            of which the newest is taken.

    Raises:
        InputError: There is no such model, a file of it is missing or damaged, or it
            has no trained head.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import SqueezeBertForTokenClassification
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> folder = tempfile.mkdtemp()
        >>> SqueezeBertForTokenClassification(config).save_pretrained(folder)
        >>> SqueezeBertTokenizerFast().save_pretrained(folder)
        >>> loaded = load_model(folder)
        >>> loaded.architecture, loaded.max_length
        ('SqueezeBertForTokenClassification', 512)
    """
    from keras_squeezebert.saved_model import SAVED_MODEL_FILE, find_saved_model

    if os.path.isfile(source) or str(source).endswith(".tflite"):
        return _load_tflite(source)
    if os.path.isfile(os.path.join(source, SAVED_MODEL_FILE)):
        return _load_saved_model(source)
    # Versions may have been exported to the very folder of the Keras model.
    if os.path.isdir(source) and not os.path.isfile(os.path.join(source, CONFIG_FILE)):
        newest = find_saved_model(source)
        if newest is not None:
            return _load_saved_model(newest)
    return load_keras_model(source)


def load_keras_model(source: str | os.PathLike) -> LoadedModel:
    """The Keras model in a folder, or of an id on the Hub, of the head that it has.

    Args:
        source: The folder or the id.

    Raises:
        InputError: As of :func:`load_model`.
    """
    from keras_squeezebert import models
    from keras_squeezebert.converters.architecture import checkpoint_architecture

    architecture = checkpoint_architecture(source)
    if architecture is None:
        raise _nameless(source)
    model = getattr(models, architecture).from_pretrained(source)
    missing = model.load_report.initialized
    if missing:
        raise InputError(
            f"{source} holds no trained {architecture}: it lacks {', '.join(missing)}. "
            "Train one with `squeezebert finetune`"
        )
    return LoadedModel(
        architecture,
        model.config,
        SqueezeBertTokenizerFast.from_pretrained(source),
        model,
        model.config.max_position_embeddings,
    )


def _load_tflite(path):
    from keras_squeezebert.tflite import LiteRTModel, LiteRTTextModel
    from keras_squeezebert.tflite.companions import companion_folder
    from keras_squeezebert.tflite.text_interpreter import takes_text

    if takes_text(path):
        model = LiteRTTextModel(path)
        length = model.sequence_length
    else:
        model = LiteRTModel(path)
        length = model.input_shape[-1]
    with companion_folder(path) as folder:
        architecture, config, tokenizer = _companions(folder, path)
    length = min(length, config.max_position_embeddings)
    return LoadedModel(architecture, config, tokenizer, model, length)


def _load_saved_model(source):
    from keras_squeezebert.saved_model import EXTRA, SavedModel

    folder = Path(source)
    if not (folder / CONFIG_FILE).is_file():
        folder = folder / EXTRA
    architecture, config, tokenizer = _companions(folder, source)
    return LoadedModel(
        architecture,
        config,
        tokenizer,
        SavedModel(source),
        config.max_position_embeddings,
    )


def _companions(folder, source):
    """Class, config and tokenizer, of files beside a graph that does not tell them."""
    if not (folder / CONFIG_FILE).is_file():
        raise InputError(
            f"A model needs its {CONFIG_FILE} and vocab.txt, which `model.config.save` "
            "and `tokenizer.save_pretrained` write: packed into a .tflite, as "
            "`squeezebert export` does, or beside it; in the folder of a SavedModel, "
            f"or in its assets.extra. Received: {source}, without {CONFIG_FILE}"
        )
    config = SqueezeBertConfig.from_pretrained(folder)
    architecture = named_architecture(folder)
    if architecture in (None, BASE):
        raise _nameless(source)
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(folder)
    return architecture, config, tokenizer


def _nameless(source):
    return InputError(
        f"The `architectures` in {CONFIG_FILE} must name a class with a head, such as "
        f"['SqueezeBertForTokenClassification']. Received: {source}, which does not"
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis.

    Example:
        >>> softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def as_logits(probabilities: np.ndarray, config: SqueezeBertConfig) -> np.ndarray:
    """Logits that these probabilities of the labels can have come from.

    Args:
        probabilities: Float (texts, num_labels).
        config: The model's; of any number of labels each has its own logistic function.

    Example:
        >>> config = SqueezeBertConfig(id2label={0: "no", 1: "yes"})
        >>> softmax(as_logits(np.array([[0.25, 0.75]]), config)).round(6).tolist()
        [[0.25, 0.75]]
    """
    tiny = np.finfo("float32").tiny
    logits = np.log(np.maximum(probabilities, tiny))
    if problem_type(config) == "multi_label_classification":
        logits -= np.log(np.maximum(1 - probabilities, tiny))
    return logits


def label_scores(config: SqueezeBertConfig, logits: np.ndarray) -> list[dict]:
    """What the logits of a single label classifier say, most likely label first.

    Args:
        config: The model's config, for the names of the labels.
        logits: Float (texts, num_labels).

    Returns:
        For each text a dict from label to probability.

    Example:
        >>> config = SqueezeBertConfig(id2label={0: "no", 1: "yes"})
        >>> label_scores(config, np.array([[0.0, np.log(3.0)]]))
        [{'yes': 0.75, 'no': 0.25}]
    """
    return [
        {config.id2label[i]: round(float(row[i]), 6) for i in np.argsort(-row)}
        for row in softmax(logits)
    ]
