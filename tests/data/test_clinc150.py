"""The shipped CLINC150: counts, attribution, and splits that stay apart."""

import json
import lzma
from collections import Counter
from pathlib import Path

import pytest

import keras_squeezebert.data
from keras_squeezebert.data import OUT_OF_SCOPE, load_clinc150
from keras_squeezebert.errors import InputError

FILE = Path(keras_squeezebert.data.__file__).with_name("clinc150.json.xz")


@pytest.mark.parametrize(
    ("split", "of_each_intent", "out_of_scope"),
    [("train", 100, 100), ("validation", 20, 100), ("test", 30, 1000)],
)
def test_counts(split, of_each_intent, out_of_scope):
    examples = load_clinc150(split)
    counts = Counter(examples.labels)
    assert counts.pop(OUT_OF_SCOPE) == out_of_scope
    assert len(counts) == 150
    assert set(counts.values()) == {of_each_intent}
    assert all(text.strip() for text in examples.texts)
    assert examples.text_pairs is None


def test_the_splits_share_the_five_texts_that_the_original_has_twice():
    train, validation, test = (
        set(load_clinc150(split).texts) for split in ("train", "validation", "test")
    )
    assert train & validation == {
        "hey what's up",
        "turn up your volume",
        "what is on my to do list",
    }
    assert train & test == {"what's your designation", "where did you grow up"}
    assert not validation & test


def test_an_unknown_split():
    with pytest.raises(InputError, match=r"'validation'.*Received: split='val'"):
        load_clinc150("val")


def test_the_file_names_its_source_licence_and_changes():
    values = json.loads(lzma.decompress(FILE.read_bytes()))
    assert list(values)[:3] == ["source", "licence", "changes"]
    assert "Larson" in values["source"]
    assert "https://github.com/clinc/oos-eval" in values["source"]
    assert "https://creativecommons.org/licenses/by/3.0/" in values["licence"]
    assert "oos" in values["changes"]
    assert FILE.stat().st_size < 1_000_000
