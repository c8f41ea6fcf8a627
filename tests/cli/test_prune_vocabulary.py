"""squeezebert prune-vocabulary: what it prints and writes, and that answers stay."""

import json
import os

import click
import numpy as np
import pytest
from command_line import run, run_process, succeed
from safetensors.numpy import load_file
from tiny import ARCHITECTURES, make_model

import keras_squeezebert
from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
from keras_squeezebert.cli import squeezebert
from keras_squeezebert.tflite import calibrate, quantize_aware
from keras_squeezebert.tokenizers.pruning import prune_vocabulary

CLASSIFIER = "SqueezeBertForSequenceClassification"
TEXTS = ["a lovely film", "what a dull film", "unaffable, lovely day", "dull"]
CONFIG = SqueezeBertConfig(
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=4,
    intermediate_size=64,
    hidden_dropout_prob=0.0,
    id2label={0: "bad", 1: "good"},
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A classifier, the same quantized, and one corpus in several forms."""
    folder = tmp_path_factory.mktemp("prune")
    model = make_model(CLASSIFIER, CONFIG)
    tokenizer = SqueezeBertTokenizerFast()
    quantized = quantize_aware(model)
    calibrate(quantized, [tokenizer(TEXTS)], progress=False)
    for name, saved in {"model": model, "int8": quantized}.items():
        saved.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    lines = "\n".join(TEXTS)
    (folder / "corpus.txt").write_text(f"\ufeff{lines}\r\n\n", encoding="utf-8")
    rows = [{"a": TEXTS[0], "b": TEXTS[1]}, {"a": TEXTS[2], "b": TEXTS[3]}]
    (folder / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "first.csv").write_text("a\n" + "\n".join(f'"{t}"' for t in TEXTS[:2]))
    (folder / "last.txt").write_text("\n".join(TEXTS[2:]))
    return folder


@pytest.fixture(scope="module")
def pruned(workspace):
    """The folder `small`, and what was printed."""
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt")
    return succeed(*command, "--output", "small", cwd=workspace)


def vocabulary(folder):
    return (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()


def predictions(workspace, model):
    return json.loads(succeed("predict", model, *TEXTS, "--json", cwd=workspace))


def assert_same_predictions(workspace, actual, expected, tolerance=2e-6):
    for found, wanted in zip(
        predictions(workspace, actual), predictions(workspace, expected), strict=True
    ):
        assert found["text"] == wanted["text"] and found["label"] == wanted["label"]
        assert found["scores"] == pytest.approx(wanted["scores"], abs=tolerance)


# === What is written


def test_the_folder(workspace, pruned):
    assert sorted(os.listdir(workspace / "small")) == [
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    kept = prune_vocabulary(None, TEXTS)
    assert vocabulary(workspace / "small") == kept
    config = SqueezeBertConfig.from_pretrained(workspace / "small")
    assert config == CONFIG.replace(vocab_size=len(kept))


def test_the_same_predictions(workspace, pruned):
    assert_same_predictions(workspace, "small", "model")


def test_the_same_predictions_of_a_tflite(workspace, pruned):
    succeed("export", "small", "small.tflite", "--sequence-length", 16, cwd=workspace)
    assert_same_predictions(workspace, "small.tflite", "model", tolerance=1e-5)


def test_a_quantized_folder(workspace):
    command = ("prune-vocabulary", "int8", "--corpus", "corpus.txt")
    succeed(*command, "--output", "small-int8", cwd=workspace)
    before, after = (
        json.loads((workspace / name / "quantization.json").read_text())
        for name in ("int8", "small-int8")
    )
    assert after == before
    # The range of the embeddings is that of fewer rows; the rest is the same.
    assert_same_predictions(workspace, "small-int8", "int8", tolerance=0.05)
    succeed(
        "export", "small-int8", "int8.tflite", "--sequence-length", 16, cwd=workspace
    )
    assert_same_predictions(workspace, "int8.tflite", "small-int8", tolerance=0.01)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_class(architecture, tmp_path):
    tokenizer = SqueezeBertTokenizerFast(prune_vocabulary(None, [*TEXTS, "zebra"]))
    config = CONFIG.replace(vocab_size=tokenizer.vocab_size)
    model = make_model(architecture, config)
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    (tmp_path / "corpus.txt").write_text("\n".join(TEXTS))
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt")
    succeed(*command, "--output", "small", cwd=tmp_path)
    assert set(tokenizer.vocabulary) - set(vocabulary(tmp_path / "small")) == {"zebra"}
    loaded = getattr(keras_squeezebert, architecture).from_pretrained(
        tmp_path / "small"
    )
    assert loaded.load_report.initialized == {} == loaded.load_report.ignored
    named = json.loads((tmp_path / "small" / "config.json").read_text())
    assert named["architectures"] == [architecture]


def test_a_folder_that_was_used_before(workspace, tmp_path):
    for name in ("quantization.json", "tokenizer.json", "notes.txt"):
        (tmp_path / name).write_text("stale")
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt")
    succeed(*command, "--output", tmp_path, cwd=workspace)
    assert sorted(os.listdir(tmp_path)) == [
        "config.json",
        "model.safetensors",
        "notes.txt",
        "tokenizer_config.json",
        "vocab.txt",
    ]


def test_all_is_written_or_nothing(workspace, monkeypatch):
    def fail(self, folder):
        raise OSError("No space left on device")

    monkeypatch.setattr(SqueezeBertTokenizerFast, "save_pretrained", fail)
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt")
    finished = run(*command, "--output", "full", cwd=workspace)
    assert finished.returncode == 2 and "No space left" in finished.stderr
    assert not (workspace / "full").exists()


# === The corpus


@pytest.mark.parametrize(
    "corpus",
    [
        ("--corpus", "pairs.jsonl", "--text-column", "a", "--text-pair-column", "b"),
        ("--corpus", "first.csv", "--corpus", "last.txt", "--text-column", "a"),
    ],
    ids=["pairs", "files"],
)
def test_forms_of_the_corpus(workspace, pruned, corpus, tmp_path):
    succeed("prune-vocabulary", "model", *corpus, "--output", tmp_path, cwd=workspace)
    assert vocabulary(tmp_path) == vocabulary(workspace / "small")


def test_min_count(workspace, tmp_path):
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt", "--min-count", 2)
    printed = succeed(*command, "--output", tmp_path, "--json", cwd=workspace)
    kept = vocabulary(tmp_path)
    assert kept == prune_vocabulary(None, TEXTS, min_count=2)
    # film, lovely, dull twice, a and the comma; not what, una, ##ffa, ##ble, day.
    assert json.loads(printed)["kept_share"] == pytest.approx(9 / 14)


# === What is printed


def counted(folder):
    """Numbers and bytes of a weights file, by another reader."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    return sum(np.size(tensor) for tensor in tensors.values()), file.stat().st_size


def test_json(workspace, pruned, tmp_path):
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt", "--json")
    printed = json.loads(succeed(*command, "--output", tmp_path, cwd=workspace))
    numbers = [counted(workspace / "model"), counted(tmp_path)]
    assert printed == {
        "pieces": {"before": 30522, "after": len(vocabulary(tmp_path))},
        "parameters": {"before": numbers[0][0], "after": numbers[1][0]},
        "bytes": {"before": numbers[0][1], "after": numbers[1][1]},
        "kept_share": 1.0,
    }
    dropped = 30522 - len(vocabulary(tmp_path))
    assert numbers[0][0] - numbers[1][0] == dropped * CONFIG.hidden_size


def test_the_table(workspace, pruned):
    parameters, size = counted(workspace / "small")
    for number in (30522, len(vocabulary(workspace / "small")), parameters, size):
        assert f"{number:,}" in pruned
    assert "100.00%" in pruned
    assert "Words outside of the corpus are now spelt with smaller pieces" in pruned
    assert pruned.endswith("Saved small.\n")


def test_every_option_has_a_help_text():
    command = squeezebert.get_command(click.Context(squeezebert), "prune-vocabulary")
    assert command.name == "prune-vocabulary"
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [option.name for option in options if not option.help] == []


# === Mistakes


@pytest.fixture(scope="module")
def broken(workspace, pruned):
    """Files with one defect each."""
    (workspace / "empty.txt").write_text("\n \n")
    (workspace / "latin.txt").write_bytes(b"tea\ncaf\xe9\n")
    (workspace / "table.csv").write_text("text\nhello\n")
    make_model(CLASSIFIER, CONFIG).save_pretrained(workspace / "without-tokenizer")
    SqueezeBertTokenizerFast().save_pretrained(workspace / "without-model")
    for name in ("headless", "unnamed", "foreign"):
        folder = workspace / name
        folder.mkdir()
        for file in (workspace / "small").iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    base = make_model("SqueezeBertModel", CONFIG.replace(vocab_size=1999))
    base.save_pretrained(workspace / "headless")
    for name, architectures in {"headless": [CLASSIFIER], "unnamed": None}.items():
        path = workspace / name / "config.json"
        values = json.loads(path.read_text()) | {"architectures": architectures}
        path.write_text(json.dumps(values))
    SqueezeBertTokenizerFast().save_pretrained(workspace / "foreign")
    return workspace


MISTAKES = {
    "no model": (("nowhere", "--corpus", "corpus.txt"), ["'nowhere' does not exist"]),
    "no weights": (("without-model", "--corpus", "corpus.txt"), ["no weights"]),
    "no tokenizer": (
        ("without-tokenizer", "--corpus", "corpus.txt"),
        ["neither a vocab.txt nor a tokenizer.json"],
    ),
    "no head": (
        ("headless", "--corpus", "corpus.txt"),
        ["headless has no trained head", "classifier/kernel"],
    ),
    "a class that nothing tells": (
        ("unnamed", "--corpus", "corpus.txt"),
        ["convert --task", "Received: unnamed"],
    ),
    "another model's tokenizer": (
        ("foreign", "--corpus", "corpus.txt"),
        ["not that of the model", "30522"],
    ),
    "no corpus": (("model",), ["Missing option '--corpus'"]),
    "a missing corpus": (("model", "--corpus", "none.txt"), ["'none.txt' does not"]),
    "an empty corpus": (("model", "--corpus", "empty.txt"), ["must have words"]),
    "a corpus of another encoding": (
        ("model", "--corpus", "corpus.txt", "--corpus", "latin.txt"),
        ["latin.txt, line 2: save the file as UTF-8", "0xe9"],
    ),
    "no such column": (
        ("model", "--corpus", "table.csv", "--text-column", "query"),
        ["table.csv, line 2", "'query'"],
    ),
    "no count": (
        ("model", "--corpus", "corpus.txt", "--min-count", 0),
        ["--min-count"],
    ),
    "the model's own folder": (
        ("model", "--corpus", "corpus.txt", "--output", "./small/../model"),
        ["another folder", "Received: --output ./small/../model"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(broken, mistake):
    arguments, words = MISTAKES[mistake]
    output = () if "--output" in arguments else ("--output", "result")
    before = sorted(os.listdir(broken)), sorted(os.listdir(broken / "model"))
    finished = run("prune-vocabulary", *arguments, *output, cwd=broken)
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    for word in words:
        assert word in finished.stderr
    assert before == (sorted(os.listdir(broken)), sorted(os.listdir(broken / "model")))


def test_as_a_user_runs_it(workspace, tmp_path):
    command = ("prune-vocabulary", "model", "--corpus", "corpus.txt", "--json")
    finished = run_process(*command, "--output", tmp_path, cwd=workspace)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["kept_share"] == 1.0
    assert "Counting word pieces" in finished.stderr
