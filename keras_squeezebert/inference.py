"""One way to run a model on text, be it a folder or a .tflite."""

import os

import numpy as np
from tqdm import tqdm

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

_BATCH_SIZE = 32


class KerasTextModel:
    """A sequence classifier run by Keras on text; the twin of `LiteRTModel`.

    Args:
        source: A folder with a vocabulary, or an id on the Hugging Face Hub.

    Attributes:
        config: The model's `SqueezeBertConfig`.
        model: The Keras model.
        tokenizer: Its `SqueezeBertTokenizerFast`.

    Raises:
        InputError: A file is missing or damaged.
    """

    def __init__(self, source: str | os.PathLike):
        from keras_squeezebert.models import SqueezeBertForSequenceClassification

        self.model = SqueezeBertForSequenceClassification.from_pretrained(source)
        if self.model.load_report.initialized:
            raise InputError(
                f"{source} holds no trained classifier: "
                f"{', '.join(self.model.load_report.initialized)} is missing. Train "
                "one with `squeezebert finetune sequence-classification`"
            )
        self.config = self.model.config
        self.tokenizer = SqueezeBertTokenizerFast.from_pretrained(source)

    def predict(self, texts, text_pairs=None, progress=False) -> dict[str, np.ndarray]:
        """Logits, float (texts, num_labels), by the name `logits`."""
        logits = []
        for i in tqdm(range(0, len(texts), _BATCH_SIZE), disable=not progress):
            part = slice(i, i + _BATCH_SIZE)
            inputs = self.tokenizer(
                texts[part],
                text_pairs[part] if text_pairs is not None else None,
                max_length=self.config.max_position_embeddings,
            )
            logits.append(self.model.predict_on_batch(inputs))
        return {"logits": np.concatenate(logits)}


def load_text_model(path: str | os.PathLike):
    """A `KerasTextModel` of a folder or Hub id, or a `LiteRTModel` of a .tflite file.

    Both have `config` and `predict(texts, text_pairs, progress)`.

    Raises:
        InputError: There is nothing at `path`, or no classifier with single labels.
    """
    if os.path.isfile(path) or str(path).endswith(".tflite"):
        from keras_squeezebert.tflite import LiteRTModel

        model = LiteRTModel(path)
    else:
        model = KerasTextModel(path)
    if model.config is None:
        raise InputError(
            "A .tflite without config does not tell its labels. Export it with "
            "`squeezebert export`, or put the model's config.json beside it. "
            f"Received: {path}"
        )
    if model.config.num_labels < 2 or model.config.problem_type not in (
        None,
        "single_label_classification",
    ):
        raise InputError(
            "Only classifiers that give one of several labels are supported here. "
            f"Received: {path}, problem_type={model.config.problem_type!r}, "
            f"num_labels={model.config.num_labels}"
        )
    return model


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis.

    Example:
        >>> softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


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
