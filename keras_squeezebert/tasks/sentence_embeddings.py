"""sentence_embeddings: a vector for each text, near those of similar ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks.run import model_outputs
from keras_squeezebert.tasks.sequence_classification import SequenceClassification
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast


def sentence_embeddings(
    model: Any,
    tokenizer: SqueezeBertTokenizerFast,
    texts: Sequence[str],
    *,
    max_length: int = 128,
    batch_size: int = 32,
    progress: bool = False,
) -> np.ndarray:
    """The mean of an encoder's last hidden states, those of padding left out.

    Args:
        model: A `SqueezeBertModel`, or its `.tflite` as a `LiteRTModel`. That of
            squeezebert_small_en was trained for this; the official weights were not.
        tokenizer: Its tokenizer.
        texts: Strings.
        max_length: Tokens at which a text is truncated.
        batch_size: Texts that run together.
        progress: Whether to show a progress bar.

    Returns:
        Float32 (texts, hidden), each of length 1, so that the product of two is the
        cosine of the angle between them: how similar the texts are.

    Raises:
        InputError: The model has no `last_hidden_state`, or does not take the rows.

    Example:
        >>> from keras_squeezebert import SqueezeBertModel
        >>> name = "squeezebert_small_en"
        >>> model = SqueezeBertModel.from_pretrained(name)
        >>> tokenizer = SqueezeBertTokenizerFast.from_pretrained(name)
        >>> texts = ["A cat sleeps.", "The cat is asleep.", "Stocks fell on Monday."]
        >>> cat, asleep, stocks = sentence_embeddings(model, tokenizer, texts)
        >>> bool(cat @ asleep > 0.8 > 0.3 > cat @ stocks)
        True

    Reference:
        Reimers and Gurevych 2019, arXiv 1908.10084, section 3;
        `sentence_transformers.SentenceTransformer.encode`.
    """
    task = _MeanOfStates()
    features = task.encode(
        TextExamples(list(texts)), tokenizer, model.config, max_length
    )
    means = model_outputs(task, model, features, batch_size, progress)["mean"]
    return means / np.linalg.norm(means, axis=-1, keepdims=True)


class _MeanOfStates(SequenceClassification):
    """Texts as a classifier gets them, of which an encoder's states are kept as one."""

    def condense(self, outputs, features, rows):
        if "last_hidden_state" not in outputs:
            raise InputError(
                "Embeddings are of an encoder without a head, such as SqueezeBertModel."
                f" Received: a model of {', '.join(outputs)}"
            )
        hidden = outputs["last_hidden_state"]  # (rows, seq, hidden)
        lengths = features.lengths[rows, None].astype("float32")  # (rows, 1)
        mask = np.arange(hidden.shape[1]) < lengths  # (rows, seq)
        return {"mean": (hidden * mask[..., None]).sum(axis=1) / lengths}
