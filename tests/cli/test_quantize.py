"""squeezebert quantize, and the .tflite that it leads to."""

import json
import re

import pytest
from command_line import run, succeed
from every_head import ARCHITECTURES, EVERY_HEAD, write_data, write_model
from every_head import LABELS as TAGS
from tiny import ONE_LAYER

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.tflite import read_ops

TEXTS = ["lovely film", "dull film", "a lovely day", "what a dull day"]
LABELS = ["good", "bad", "good", "bad"]
ROWS = "".join(f"{t},{x}\n" for t, x in zip(TEXTS, LABELS, strict=True))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A classifier that knows the labels of a few texts, and these as a table."""
    folder = tmp_path_factory.mktemp("quantize")
    (folder / "train.csv").write_text("text,label\n" + ROWS * 16)
    (folder / "dev.csv").write_text("text,label\n" + ROWS)
    config = SqueezeBertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
    )
    SqueezeBertForSequenceClassification(config).save_pretrained(folder / "tiny")
    SqueezeBertTokenizerFast().save_pretrained(folder / "tiny")
    succeed(
        *("finetune", "sequence-classification", "--train", "train.csv"),
        *("--output", "model", "--model", "tiny"),
        *("--epochs", 12, "--batch-size", 8, "--learning-rate", 3e-3),
        cwd=folder,
    )
    return folder


@pytest.fixture(scope="module")
def quantized(workspace):
    printed = succeed(
        *("quantize", "model", "--train", "train.csv", "--eval", "dev.csv"),
        *("--output", "int8", "--batch-size", 8),
        cwd=workspace,
    )
    return printed


def test_what_is_printed_and_written(workspace, quantized):
    assert "13 ranges found in 8 batches" in quantized
    assert "model of epoch 1: accuracy 1.0000 on the evaluation data.\n" in quantized
    assert quantized.endswith("It is for a .tflite of the scheme mixed.\n")
    names = {path.name for path in (workspace / "int8").iterdir()}
    assert {"config.json", "model.safetensors", "quantization.json"} < names


@pytest.mark.usefixtures("quantized")
def test_the_way_to_a_tflite_that_is_right(workspace):
    printed = succeed(
        "export", "int8", "int8.tflite", "--sequence-length", 16, cwd=workspace
    )
    assert "mixed, 16 tokens" in printed
    dtypes = {op.inputs[0].dtype for op in read_ops(workspace / "int8.tflite")}
    assert "INT8" in dtypes
    for model in ("int8", "int8.tflite"):
        assert accuracy(workspace, model) == 1.0


def accuracy(workspace, model):
    printed = succeed("evaluate", model, "--data", "dev.csv", "--json", cwd=workspace)
    return json.loads(printed)["accuracy"]


def test_without_training(workspace):
    printed = succeed(
        *("quantize", "model", "--train", "train.csv", "--eval", "dev.csv"),
        *("--output", "calibrated", "--epochs", 0, "--calibration-batches", 1),
        cwd=workspace,
    )
    assert "13 ranges found in 1 batches" in printed and "Epoch" not in printed
    assert "Saved calibrated: accuracy 1.0000 on the evaluation data.\n" in printed
    assert accuracy(workspace, "calibrated") == 1.0
    assert not (workspace / "calibrated" / "training").exists()


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    write_data(folder)
    config = ONE_LAYER.replace(id2label=TAGS)
    for head, architecture in ARCHITECTURES.items():
        write_model(folder / head, architecture, config)
    return folder


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_every_head(head, heads):
    """What is saved is what was scored."""
    data, *options = EVERY_HEAD[head]
    printed = succeed(
        *("quantize", head, "--train", data, "--eval", data, *options),
        *("--output", f"{head}-int8", "--scheme", "int8", "--batch-size", 4),
        *("--teacher-weight", 0.5, "--learning-rate", 1e-3),
        cwd=heads,
    )
    name, score = re.search(r"epoch 1: (\S+) ([\d.]+) on the", printed).groups()
    printed = succeed(
        *("evaluate", f"{head}-int8", "--data", data, *options, "--json"), cwd=heads
    )
    assert json.loads(printed)[name] == pytest.approx(float(score), abs=1e-4)
    scheme = json.loads((heads / f"{head}-int8" / "quantization.json").read_text())
    assert "int8" in json.dumps(scheme)


@pytest.mark.usefixtures("quantized")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("quantize", "model", "--train", "dev.csv", "--output", "x"),
            ("--scheme", "int3", "must be one of mixed"),
        ),
        (
            ("quantize", "int8", "--train", "dev.csv", "--output", "x"),
            ("quantized already",),
        ),
        (
            ("export", "int8", "x.tflite", "--quantization", "float16"),
            ("can be exported only so",),
        ),
        (
            ("quantize", "model", "--train", "dev.csv", "--output", "x"),
            ("--tags-column", "1", "is for token-classification"),
        ),
        (
            ("quantize", "model", "--train", "dev.csv", "--output", "x"),
            ("--epochs", "-1", "-1 is not in the range"),
        ),
    ],
)
def test_mistakes(workspace, arguments, words):
    *options, message = words
    finished = run(*arguments, *options, cwd=workspace)
    assert finished.returncode == 2
    assert message in finished.stderr and "Traceback" not in finished.stderr
    assert not (workspace / "x").exists() and not (workspace / "x.tflite").exists()
