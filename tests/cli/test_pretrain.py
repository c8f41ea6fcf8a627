"""squeezebert pretrain, from text files to a model that finetune starts from."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run, succeed

from keras_squeezebert import SqueezeBertForMaskedLM, SqueezeBertModel
from keras_squeezebert.config import SqueezeBertConfig

sys.path.append(str(Path(__file__).parents[1] / "pretraining"))
from pretraining_runs import SIZES, VOCABULARY, make_text

CONFIG = {"q_groups": 2, "v_groups": 1, "hidden_dropout_prob": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a corpus, held-out text, a vocabulary, a config and a teacher."""
    folder = tmp_path_factory.mktemp("pretrain")
    (folder / "text.txt").write_text(make_text(0))
    (folder / "more.txt").write_text(make_text(1))
    (folder / "held-out.txt").write_text(make_text(2))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    (folder / "config.json").write_text(json.dumps({**SIZES, **CONFIG}))
    SqueezeBertModel(
        SqueezeBertConfig.preset("bert-base", **{**SIZES, "num_hidden_layers": 3})
    ).save_pretrained(folder / "teacher")
    return folder


def arguments(output, *more):
    return (
        *("pretrain", "--corpus", "text.txt", "--corpus", "more.txt"),
        *("--vocabulary", "vocab.txt", "--config", "config.json", "--output", output),
        *("--phase", "16:8:4:1e-3", "--phase", "24:4:3:1e-3", "--report-steps", "3"),
        *more,
    )


def test_a_model_that_loads(folder):
    told = succeed(*arguments("plain", "--held-out", "held-out.txt"), cwd=folder)
    assert "Saved plain: masked_lm_loss" in told
    assert "val_masked_lm_loss" in told
    model = SqueezeBertForMaskedLM.from_pretrained(folder / "plain")
    assert (model.config.q_groups, model.config.v_groups) == (2, 1)
    assert not model.load_report.initialized
    assert not (folder / "plain" / "training" / "state.safetensors").exists()
    history = (folder / "plain" / "training" / "history.csv").read_text().splitlines()
    assert len(history) == 1 + 3  # two reports in the first phase, one in the second


def test_from_a_teacher(folder):
    told = succeed(
        *arguments("taught", "--teacher", "teacher", "--start-from-teacher"),
        *("--no-sentence-order", "--hidden-weight", "1", "--sentence-weight", "1"),
        *("--clean-share", "0.5", "--optimizer", "adamw", "--dropout", "0"),
        cwd=folder,
    )
    assert "Fitting the layers" in told
    model = SqueezeBertForMaskedLM.from_pretrained(folder / "taught")
    # That of the config: `--dropout` is for the training only.
    assert model.config.hidden_dropout_prob == 0.1
    teacher = SqueezeBertModel.from_pretrained(folder / "teacher")
    table, taught = (
        np.asarray(encoder.embeddings.word_embeddings)
        for encoder in (model.transformer, teacher)
    )
    assert np.abs(table - taught).max() < 0.02  # seven small steps from there


def test_going_on_from_a_model(folder):
    succeed(*arguments("first"), cwd=folder)
    succeed(
        *("pretrain", "--corpus", "text.txt", "--model", "first", "--output", "second"),
        *("--phase", "16:8:2:1e-4", "--report-steps", "2"),
        cwd=folder,
    )
    first, second = (
        SqueezeBertForMaskedLM.from_pretrained(folder / name).get_weights()
        for name in ("first", "second")
    )
    moved = max(np.abs(a - b).max() for a, b in zip(first, second, strict=True))
    assert 0 < moved < 1e-2


def test_a_head_starts_from_it(folder):
    succeed(*arguments("encoder"), cwd=folder)
    rows = "text,label\n" + "the cat sat,a\nthe dog run,b\n" * 4
    (folder / "train.csv").write_text(rows)
    told = succeed(
        *("finetune", "sequence-classification", "--model", "encoder"),
        *("--train", "train.csv", "--output", "classifier", "--epochs", "1"),
        cwd=folder,
    )
    assert "Saved classifier" in told


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--phase", "16:8"), "expected LENGTH:BATCH:STEPS"),
        (("--phase", "16:8:x"), "expected LENGTH:BATCH:STEPS"),
        (("--phase", "4:8:1"), "`length` of a phase must be 8 or more"),
        (("--phase", "64:8:1"), "at most 32 tokens fit"),
        (("--start-from-teacher",), "--start-from-teacher needs a --teacher"),
        (("--teacher", "teacher"), "Of a teacher something is to be learnt"),
        (("--hidden-weight", "1"), "to a teacher"),
        (("--teacher", "nowhere", "--hidden-weight", "1"), "no folder 'nowhere' here"),
        (("--corpus", "absent.txt"), "absent.txt"),
        (("--corpus", "junk.txt"), "junk.txt, line 1: save the file as UTF-8"),
        (("--corpus", "long.txt"), "long.txt, line 1: expected lines of at most"),
        (("--corpus", "empty.txt"), "must have at least one.*empty.txt, empty"),
        (("--config", "absent"), "absent"),
    ],
)
def test_mistakes(more, message, folder, monkeypatch, tmp_path):
    """One line, exit code 2, and no traceback."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (folder / "junk.txt").write_bytes(b"\xff\xfe\x00\x01" * 1000)
    (folder / "long.txt").write_bytes(b"word " * (4 * 2**20))
    (folder / "empty.txt").write_text("\n \n\n")
    output = tmp_path / "output"
    finished = run(*arguments(output, *more), cwd=folder)
    assert finished.returncode == 2
    assert "Traceback" not in finished.stderr
    words = " ".join(finished.stderr.split())
    assert re.search(message, words), words
    assert not (output / "model.safetensors").exists()


def test_other_settings_than_those_of_the_state(folder):
    """A checkpoint of another config: told, and left as it is."""
    stopped = folder / "stopped"
    succeed(*arguments("stopped"), cwd=folder)
    cache = (stopped / "cache" / "cache.json").read_text()
    finished = run(
        *("pretrain", "--corpus", "text.txt", "--vocabulary", "vocab.txt"),
        *("--config", "config.json", "--output", "stopped", "--phase", "16:8:2"),
        cwd=folder,
    )
    assert finished.returncode == 2
    assert "another corpus" in finished.stderr
    assert (stopped / "cache" / "cache.json").read_text() == cache
