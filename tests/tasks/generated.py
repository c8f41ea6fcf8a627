"""Random texts, and the outputs of a model that is always right."""

import numpy as np
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.labels import IGNORED_LABEL

COMMON = [t for t in SqueezeBertTokenizerFast().vocabulary if t.isalpha()][:3000]

# Long words become several pieces, and some characters none.
words = st.one_of(
    st.sampled_from(COMMON),
    st.text(st.sampled_from("abcxyz"), min_size=1, max_size=14),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=5),
    st.sampled_from(["\x00", "\u0301", "[SEP]", "中文字", "don't", "U.S.", "naïve"]),
)
sentences = st.lists(words, min_size=1, max_size=25)
texts = st.lists(words, max_size=25).map(" ".join)


def one_hot(labels, classes):
    """Logits that are sure of the labels; (…, classes)."""
    known = labels != IGNORED_LABEL
    logits = np.eye(classes, dtype="float32")[np.where(known, labels, 0)]
    return 20 * logits * known[..., None]


def perfect_spans(features):
    """Outputs of a question answerer that are sure of the labels."""
    seq = features.inputs["input_ids"].shape[-1]
    return {name: one_hot(labels, seq) for name, labels in features.labels.items()}
