"""CLINC150: 22,500 short requests in 150 intents, and 1,200 in none of them.

`clinc150.json.xz` holds the texts of the authors' `data_full.json`, grouped by intent,
with `oos_train`, `oos_val` and `oos_test` put into the three splits as `"oos"`; it was
written with `json.dumps(..., ensure_ascii=False, indent=0)` and `xz -9e`.
"""

import json
import lzma
from pathlib import Path

from keras_squeezebert.data.examples import TextExamples
from keras_squeezebert.errors import InputError

OUT_OF_SCOPE = "oos"

SPLITS = ("train", "validation", "test")


def load_clinc150(split: str) -> TextExamples:
    """The requests of one split and their intents.

    Those that fit none of the intents carry the label `OUT_OF_SCOPE`: 100 of the
    15,100 in "train", 100 of the 3,100 in "validation", 1,000 of the 5,500 in "test".
    They come grouped by intent, so shuffle them before training.

    Args:
        split: "train", "validation" or "test".

    Returns:
        Single texts with labels.

    Raises:
        InputError: There is no such split.

    Example:
        >>> requests = load_clinc150("test")
        >>> len(requests), requests.labels[0], requests.texts[0]
        (5500, 'translate', 'how would you say fly in italian')

    Reference:
        Larson et al. 2019, "An Evaluation Dataset for Intent Classification and
        Out-of-Scope Prediction", EMNLP-IJCNLP. https://github.com/clinc/oos-eval,
        CC BY 3.0.
    """
    if split not in SPLITS:
        raise InputError(
            f"`split` must be one of {', '.join(map(repr, SPLITS))}. "
            f"Received: split={split!r}"
        )
    with lzma.open(Path(__file__).with_name("clinc150.json.xz")) as file:
        texts_by_intent = json.load(file)[split]
    texts, labels = [], []
    for intent, requests in texts_by_intent.items():
        texts += requests
        labels += [intent] * len(requests)
    return TextExamples(texts, labels)
