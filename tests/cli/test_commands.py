"""The command line: what it prints, what it writes, how it fails."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run, run_process, succeed

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.tflite import LiteRTModel, read_ops

TEXTS = ["lovely film", "dull film", "a lovely day", "what a dull day"]
LABELS = ["good", "bad", "good", "bad"]


def write_csv(path, texts, labels, columns=("text", "label")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(texts, labels, strict=True))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Data of two labels that one word tells apart, and a tiny model folder."""
    folder = tmp_path_factory.mktemp("cli")
    write_csv(folder / "train.csv", TEXTS * 16, LABELS * 16)
    write_csv(folder / "dev.csv", TEXTS, LABELS)
    config = SqueezeBertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
        id2label={0: "bad", 1: "good"},
    )
    SqueezeBertForSequenceClassification(config).save_pretrained(folder / "tiny")
    SqueezeBertTokenizerFast().save_pretrained(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def finetuned(workspace):
    # With --eval it would be the first epoch with all right, which is not sure yet.
    succeed(
        *("finetune", "sequence-classification", "--train", "train.csv"),
        *("--output", "model", "--model", "tiny"),
        *("--epochs", 12, "--batch-size", 8, "--learning-rate", 3e-3),
        *("--max-length", 16),
        cwd=workspace,
    )
    return workspace / "model"


@pytest.fixture(scope="module")
def exported(workspace, finetuned):
    succeed("export", "model", "model.tflite", "--sequence-length", 16, cwd=workspace)
    return workspace / "model.tflite"


def test_a_file_for_each_length(workspace, finetuned):
    lengths = ("--sequence-length", 4, "--sequence-length", 16)
    printed = succeed("export", "model", "m.tflite", *lengths, cwd=workspace)
    for name, length in (("m-4.tflite", 4), ("m-16.tflite", 16)):
        assert f"Wrote {name}" in printed
        assert f"{length} tokens" in printed
        assert LiteRTModel(workspace / name).input_shape == (1, length)


def test_help_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; from keras_squeezebert.cli import squeezebert;"
        "squeezebert(['--help'], standalone_mode=False);"
        "heavy = {'tensorflow', 'keras', 'numpy', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    finished = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    for command in ("demo", "evaluate", "export", "finetune", "predict"):
        assert command in finished.stdout


@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "evaluate",
        "export",
        "finetune",
        "finetune sequence-classification",
        "predict",
    ],
)
def test_every_option_has_a_help_text(command):
    import click

    from keras_squeezebert.cli import squeezebert

    for name in command.split():
        squeezebert = squeezebert.get_command(click.Context(squeezebert), name)
    options = [p for p in squeezebert.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []
    assert squeezebert.help


def test_finetune_learns_and_keeps_the_labels(workspace, finetuned):
    config = SqueezeBertConfig.from_pretrained(finetuned)
    assert config.id2label == {0: "bad", 1: "good"}
    printed = succeed("evaluate", "model", "--data", "dev.csv", "--json", cwd=workspace)
    results = json.loads(printed)
    assert results["accuracy"] == 1.0
    assert results["examples"] == 4
    untrained = json.loads(
        succeed("evaluate", "tiny", "--data", "dev.csv", "--json", cwd=workspace)
    )
    assert results["loss"] < 0.2 < untrained["loss"]


def test_export_gives_the_same_answers(workspace, finetuned, exported):
    folder, file = (
        json.loads(succeed("evaluate", m, "--data", "dev.csv", "--json", cwd=workspace))
        for m in ("model", "model.tflite")
    )
    assert file["accuracy"] == folder["accuracy"]
    assert file["loss"] == pytest.approx(folder["loss"], abs=1e-5)


def test_export_quantizes(workspace, finetuned, exported):
    printed = succeed(
        *("export", "model", "int8.tflite", "--sequence-length", 16),
        *("--quantization", "dynamic_ptq"),
        cwd=workspace,
    )
    assert "dynamic_ptq" in printed and "16 tokens" in printed
    int8 = workspace / "int8.tflite"
    dtypes = {t.dtype for op in read_ops(int8) for t in op.inputs if t.constant}
    assert "INT8" in dtypes
    assert int8.stat().st_size < 0.4 * exported.stat().st_size


@pytest.mark.parametrize("model", ["model", "model.tflite"])
def test_predict(workspace, exported, model):
    printed = succeed(
        "predict", model, "lovely film", "dull film", "--json", cwd=workspace
    )
    results = json.loads(printed)
    assert [result["label"] for result in results] == ["good", "bad"]
    for result in results:
        assert sum(result["scores"].values()) == pytest.approx(1.0, abs=1e-5)
    assert "good" in succeed("predict", model, "lovely", cwd=workspace)


def test_predict_agrees_with_the_library(workspace, exported):
    (result,) = json.loads(
        succeed("predict", "model.tflite", "a film", "--json", cwd=workspace)
    )
    logits = LiteRTModel(exported).predict(["a film"])["logits"][0]
    good = 1 / (1 + np.exp(logits[0] - logits[1]))
    assert result["scores"]["good"] == pytest.approx(float(good), abs=1e-5)


def test_pairs_from_json_lines_and_number_labels(workspace):
    rows = [
        {"premise": "it rains", "hypothesis": f"it is {word}", "gold": gold}
        for word, gold in [("wet", 10), ("dry", 2)] * 8
    ]
    lines = "\n".join(map(json.dumps, rows))
    (workspace / "pairs.jsonl").write_text(lines, encoding="utf-8")
    columns = (
        *("--text-column", "premise", "--text-pair-column", "hypothesis"),
        *("--label-column", "gold"),
    )
    succeed(
        *("finetune", "sequence-classification", "--train", "pairs.jsonl"),
        *("--eval", "pairs.jsonl", "--output", "pairs", "--model", "tiny"),
        *("--epochs", 1, "--max-length", 16, *columns),
        cwd=workspace,
    )
    # The labels differ from the tiny model's: by value, and kept with the model.
    config = SqueezeBertConfig.from_pretrained(workspace / "pairs")
    assert config.id2label == {0: "2", 1: "10"}
    printed = succeed(
        "evaluate", "pairs", "--data", "pairs.jsonl", "--json", *columns, cwd=workspace
    )
    assert json.loads(printed)["examples"] == 16
    predicted = succeed(
        "predict", "pairs", "it rains", "--text-pair", "it is wet", cwd=workspace
    )
    assert "10" in predicted


@pytest.mark.parametrize(
    ("preset", "layers", "width"), [("mini", 4, 256), ("small", 6, 384)]
)
def test_without_a_model_one_of_a_preset_is_made(preset, layers, width):
    from keras_squeezebert.training.start import start_model

    model, tokenizer = start_model(
        SqueezeBertForSequenceClassification, ["a", "b"], preset=preset
    )
    assert model.config.num_hidden_layers == layers
    assert model.config.hidden_size == width
    assert model.config.vocab_size == tokenizer.vocab_size == 30522
    assert model.config.id2label == {0: "a", 1: "b"}


MISTAKES = {
    "a preset for a model that has its shape": (
        ("finetune", "sequence-classification", "--train", "train.csv", "--eval")
        + ("dev.csv", "--output", "out", "--model", "tiny", "--preset", "small"),
        ["--preset goes without it", "--model=tiny"],
    ),
    "a column that is not there": (
        ("evaluate", "tiny", "--data", "dev.csv", "--label-column", "stars"),
        ["'stars'", "'text', 'label'"],
    ),
    "an unknown label": (
        ("evaluate", "tiny", "--data", "other.csv"),
        ["'bad', 'good'", "'ugly'"],
    ),
    "an unreadable line": (
        ("evaluate", "tiny", "--data", "broken.jsonl"),
        ["line 2"],
    ),
    "no such model": (
        ("predict", "./nowhere", "text"),
        ["There is no such folder: ./nowhere"],
    ),
    "a truncated weights file": (
        ("predict", "cut", "text"),
        ["model.safetensors", "damaged"],
    ),
    "a foreign weights file": (
        ("predict", "foreign", "text"),
        ["lacks", "embeddings.word_embeddings.weight"],
    ),
    "a folder without a head": (
        ("predict", "headless", "text"),
        ["no trained SqueezeBertForSequenceClassification", "classifier/kernel"],
    ),
    "a foreign .tflite": (
        ("predict", "train.csv", "text"),
        ["train.csv", "train.csv: Not a .tflite file"],
    ),
    "a sequence length past the positions": (
        ("export", "tiny", "long.tflite", "--sequence-length", 513),
        ["512", "513"],
    ),
    "a max_length past the positions": (
        ("finetune", "sequence-classification", "--train", "train.csv")
        + ("--eval", "dev.csv", "--output", "out", "--model", "tiny")
        + ("--max-length", 513),
        ["512", "513"],
    ),
    "an evaluation label that training lacks": (
        ("finetune", "sequence-classification", "--train", "train.csv")
        + ("--eval", "other.csv", "--output", "out", "--model", "tiny"),
        ["'bad', 'good'", "'ugly'"],
    ),
    "one label only": (
        ("finetune", "sequence-classification", "--train", "one.csv")
        + ("--eval", "one.csv", "--output", "out"),
        ["two different labels", "'good'"],
    ),
    "an unknown quantization": (
        ("export", "tiny", "x.tflite", "--quantization", "int3"),
        ["int3", "dynamic_ptq"],
    ),
}


@pytest.fixture(scope="module")
def broken(workspace):
    """Files with one defect each."""
    from safetensors.numpy import load_file, save_file

    write_csv(workspace / "other.csv", ["a film"], ["ugly"])
    write_csv(workspace / "one.csv", ["a film"], ["good"])
    (workspace / "broken.jsonl").write_text('{"text": "a", "label": "good"}\n{"te\n')
    whole = (workspace / "tiny" / "model.safetensors").read_bytes()
    tensors = load_file(workspace / "tiny" / "model.safetensors")
    for name in ("cut", "foreign", "headless"):
        folder = workspace / name
        folder.mkdir()
        for file in (workspace / "tiny").iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    (workspace / "cut" / "model.safetensors").write_bytes(whole[:-1000])
    save_file({"a": np.zeros(3)}, workspace / "foreign" / "model.safetensors")
    headless = {k: v for k, v in tensors.items() if not k.startswith("classifier")}
    save_file(headless, workspace / "headless" / "model.safetensors")
    return workspace


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_clear_error(broken, mistake):
    arguments, words = MISTAKES[mistake]
    before = sorted(os.listdir(broken))
    finished = run(*arguments, cwd=broken)
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in finished.stderr
    assert sorted(os.listdir(broken)) == before, "something was half written"


def test_a_user_sees_no_notes_of_tensorflow(workspace):
    finished = run_process("predict", "tiny", "text", cwd=workspace)
    assert finished.returncode == 0
    assert finished.stderr == ""


def test_a_mistake_ends_the_process_with_2(workspace):
    finished = run_process("predict", "tiny/vocab.txt", "text", cwd=workspace)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: tiny/vocab.txt: Not a .tflite file")
    assert finished.stderr.count("\n") == 1
