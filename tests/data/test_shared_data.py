"""The numbers of examples in the real sets, where these are at hand.

    SQUEEZEBERT_DATA=DATA pytest tests/data/test_shared_data.py

DATA is a folder with glue/, ner/conll2003/, squad/, codah/ and corpora/.
"""

import os
from pathlib import Path

import pytest

from keras_squeezebert.data import (
    read_codah,
    read_conll,
    read_documents,
    read_glue,
    read_squad,
)
from keras_squeezebert.errors import InputError

DATA = os.environ.get("SQUEEZEBERT_DATA")

pytestmark = pytest.mark.skipif(
    DATA is None, reason="SQUEEZEBERT_DATA names no folder of the real sets"
)


@pytest.fixture
def data():
    return Path(DATA)


@pytest.mark.parametrize(
    ("task", "counts"),
    [
        ("sst2", {"train": 67_349, "dev": 872, "test": 1_821}),
        ("cola", {"train": 8_551, "dev": 1_043, "test": 1_063}),
        ("mrpc", {"train": 3_668, "dev": 408, "test": 1_725}),
        ("rte", {"train": 2_490, "dev": 277, "test": 3_000}),
        (
            "stsb",
            {"train": 5_749, "dev": 1_500, "test": 1_379, "test_labeled": 1_379},
        ),
        ("wnli", {"train": 635, "dev": 71, "test": 146}),
        ("qnli", {"dev": 5_463, "test": 5_463}),
    ],
)
def test_glue(data, task, counts):
    for split, count in counts.items():
        examples = read_glue(data / "glue", task, split)
        assert len(examples) == count
        labelled = split != "test" or task == "mrpc"
        assert (examples.labels is not None) == labelled


def sorted_rows(examples):
    columns = (examples.texts, examples.text_pairs, examples.labels)
    return sorted(zip(*columns, strict=True))


def test_the_authors_files_of_mrpc_are_those_of_glue(data, tmp_path):
    (tmp_path / "MRPC").mkdir()
    names = ("msr_paraphrase_train.txt", "msr_paraphrase_test.txt", "dev_ids.tsv")
    for name in names:
        (tmp_path / "MRPC" / name).symlink_to(data / "glue" / "MRPC" / name)
    for split in ("train", "dev", "test"):
        theirs = read_glue(tmp_path, "mrpc", split)
        ours = read_glue(data / "glue", "mrpc", split)
        assert sorted_rows(theirs) == sorted_rows(ours)


def test_the_labelled_test_of_stsb_is_the_other(data):
    labelled = read_glue(data / "glue", "stsb", "test_labeled")
    plain = read_glue(data / "glue", "stsb", "test")
    same = [
        (a.strip(), b.strip()) == (c.strip(), d.strip())
        for a, b, c, d in zip(
            *(labelled.texts, labelled.text_pairs, plain.texts, plain.text_pairs),
            strict=True,
        )
    ]
    assert sum(same) == len(same)


@pytest.mark.parametrize(
    ("name", "count", "entities"),
    [
        # The entities as the CoNLL-2003 paper has them: LOC, MISC, ORG, PER.
        ("eng.train", 14_041, {"LOC": 7140, "MISC": 3438, "ORG": 6321, "PER": 6600}),
        ("eng.testa", 3_250, {"LOC": 1837, "MISC": 922, "ORG": 1341, "PER": 1842}),
        ("eng.testb", 3_453, {"LOC": 1668, "MISC": 702, "ORG": 1661, "PER": 1617}),
    ],
)
def test_conll2003(data, name, count, entities):
    path = data / "ner" / "conll2003" / name
    examples = read_conll(path)
    assert len(examples) == count
    begun = [tag[2:] for tags in examples.tags for tag in tags if tag[0] == "B"]
    assert {kind: begun.count(kind) for kind in entities} == entities
    assert read_conll(path, scheme="IOB1") == examples
    with pytest.raises(InputError, match="in IOB2"):
        read_conll(path, scheme="IOB2")


@pytest.mark.parametrize(
    ("name", "count", "unanswerable"),
    [("dev-v1.1.json", 10_570, 0), ("dev-v2.0.json", 11_873, 5_945)],
)
def test_squad(data, name, count, unanswerable):
    examples = read_squad(data / "squad" / name)
    assert len(examples) == count
    assert examples.answers.count([]) == unanswerable


def test_codah(data):
    examples = read_codah(data / "codah" / "full_data.tsv")
    assert len(examples) == 2_776
    assert [examples.labels.count(label) for label in range(4)] == [689, 684, 697, 706]


def test_documents(data):
    words = 0
    for document in read_documents(data / "corpora" / "wiki_schools_2007.txt.xz"):
        words += len(document.split())
    assert round(words / 1e6, 1) == 11.7
