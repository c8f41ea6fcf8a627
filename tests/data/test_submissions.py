"""The files that GLUE takes, byte for byte."""

import math

import pytest

from keras_squeezebert.data import GLUE
from keras_squeezebert.data.submissions import submission_name, write_submission
from keras_squeezebert.errors import InputError


@pytest.mark.parametrize(
    ("task", "split", "predictions", "name", "content"),
    [
        (
            *("mnli", "test_matched", ["neutral", "entailment"], "MNLI-m.tsv"),
            b"index\tprediction\n0\tneutral\n1\tentailment\n",
        ),
        (
            *("mnli", "test_mismatched", ["contradiction"], "MNLI-mm.tsv"),
            b"index\tprediction\n0\tcontradiction\n",
        ),
        (
            *("rte", "test", ["not_entailment"], "RTE.tsv"),
            b"index\tprediction\n0\tnot_entailment\n",
        ),
        ("sst2", "test", ["1", "0"], "SST-2.tsv", b"index\tprediction\n0\t1\n1\t0\n"),
        (
            *("stsb", "test", [-0.5, 2.34567, 5.25, 3, 0.0], "STS-B.tsv"),
            b"index\tprediction\n0\t0.000\n1\t2.346\n2\t5.000\n3\t3.000\n4\t0.000\n",
        ),
    ],
)
def test_the_bytes(tmp_path, task, split, predictions, name, content):
    path = write_submission(tmp_path / "new" / "folder", task, split, predictions)
    assert path == tmp_path / "new" / "folder" / name
    assert path.read_bytes() == content
    path = write_submission(tmp_path / "mine.tsv", task, split, predictions)
    assert path == tmp_path / "mine.tsv"
    assert path.read_bytes() == content


def test_all_that_glue_takes():
    """The names of the files in GLUE's sample submission."""
    names = [submission_name(task, s) for task in GLUE for s in GLUE[task].submissions]
    assert sorted(names) == [
        *("AX.tsv", "CoLA.tsv", "MNLI-m.tsv", "MNLI-mm.tsv", "MRPC.tsv", "QNLI.tsv"),
        *("QQP.tsv", "RTE.tsv", "SST-2.tsv", "STS-B.tsv", "WNLI.tsv"),
    ]


@pytest.mark.parametrize(
    ("task", "split", "predictions", "words"),
    [
        ("snli", "test", [], ["'cola'", "task='snli'"]),
        ("mnli", "test", [], ["'test_matched', 'test_mismatched'", "split='test'"]),
        ("sst2", "dev", [], ["split='dev'"]),
        ("sst2", "test", ["1", "LABEL_1"], ["'0', '1'", "predictions[1]='LABEL_1'"]),
        ("sst2", "test", [1], ["predictions[0]=1"]),
        ("stsb", "test", ["3"], ["finite number", "predictions[0]='3'"]),
        ("stsb", "test", [1.0, math.nan], ["predictions[1]=nan"]),
    ],
)
def test_mistakes(tmp_path, task, split, predictions, words):
    with pytest.raises(InputError) as error:
        write_submission(tmp_path / "a.tsv", task, split, predictions)
    for word in words:
        assert word in str(error.value)
    assert not list(tmp_path.iterdir())
