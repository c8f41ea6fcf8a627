"""squeezebert export: the model of any head as a .tflite."""

import json

import pytest
from command_line import run, succeed
from every_head import ARCHITECTURES, EVERY_HEAD, SEQ, letters
from tiny import ONE_LAYER

from keras_squeezebert import models
from keras_squeezebert.inference import load_model
from keras_squeezebert.tflite import LiteRTModel


@pytest.mark.parametrize("head", ARCHITECTURES)
def test_every_head(heads, head):
    loaded = load_model(heads / f"{head}.tflite")
    assert loaded.architecture == ARCHITECTURES[head]
    assert loaded.config == load_model(heads / head).config
    assert loaded.tokenizer.vocabulary == letters().vocabulary
    choices = (3,) if head == "multiple-choice" else ()
    assert loaded.model.input_shape == (1, *choices, SEQ)
    assert loaded.max_length == SEQ


def test_several_lengths_of_choices(heads):
    printed = succeed(
        *("export", "multiple-choice", "m.tflite", "--num-choices", 2),
        *("--sequence-length", 8, "--sequence-length", 12, "--runtime", "reference"),
        cwd=heads,
    )
    for length in (8, 12):
        assert f"Wrote m-{length}.tflite" in printed
        file = LiteRTModel(heads / f"m-{length}.tflite")
        assert file.input_shape == (1, 2, length)


@pytest.fixture(scope="module")
def headless(tmp_path_factory):
    folder = tmp_path_factory.mktemp("headless")
    models.SqueezeBertModel(ONE_LAYER).save_pretrained(folder / "base")
    letters().save_pretrained(folder / "base")
    return folder


def test_a_model_without_a_head(headless):
    finished = run("export", "base", "base.tflite", cwd=headless)
    assert finished.returncode == 2
    assert "must have a head: sequence-classification, " in finished.stderr
    assert not (headless / "base.tflite").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("multiple-choice",), ["--num-choices=None", "for multiple-choice"]),
        (
            ("masked-lm", "--num-choices", 2),
            ["--num-choices=2, with a model for masked-lm"],
        ),
        (("masked-lm.tflite",), ["A model is a folder", "masked-lm.tflite"]),
        (("masked-lm-saved",), ["masked-lm-saved"]),
        (("masked-lm", "--version", 1), ["--version is for --format saved-model"]),
        (
            ("masked-lm", "--format", "saved-model", "--runtime", "gpu"),
            ["--runtime is for --format tflite"],
        ),
        (
            ("masked-lm", "--format", "saved-model", "--pairs"),
            ["--pairs is for sequence-classification"],
        ),
        (
            ("question-answering", "--format", "saved-model"),
            ["max_length=24", "doc_stride=128"],
        ),
    ],
)
def test_mistakes_are_one_clear_line(heads, arguments, words):
    model, *options = arguments
    finished = run("export", model, "out.tflite", *options, cwd=heads)
    assert finished.returncode == 2
    line = finished.stderr.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line
    assert not (heads / "out.tflite").exists()


SERVED = {
    "question-answering": ("--doc-stride", 2, "--max-question-length", 3),
    "masked-lm": ("--top", 2),
}


@pytest.mark.parametrize("head", ["question-answering", "masked-lm"])
def test_for_a_server(heads, head, tmp_path):
    printed = succeed(
        *("export", head, tmp_path / "served", "--format", "saved-model"),
        *("--version", 3, *SERVED[head]),
        cwd=heads,
    )
    assert f"Wrote {tmp_path}/served/3: " in printed
    assert f"-v {tmp_path}/served:/models/served:ro tensorflow/serving" in printed
    data, *options = EVERY_HEAD[head]
    figures = [
        json.loads(
            succeed("evaluate", model, "--data", data, *options, "--json", cwd=heads)
        )
        for model in (head, tmp_path / "served/3")
    ]
    assert figures[0].pop("notes") == figures[1].pop("notes")
    assert figures[0] == pytest.approx(figures[1], rel=1e-5)
