"""squeezebert finetune: every head learns, and a run that was killed goes on."""

import importlib.util
import json
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from command_line import run, succeed
from every_head import ARCHITECTURES, EVERY_HEAD, LABELS, TEXTS, write_data, write_model
from tiny import ONE_LAYER

from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel, data
from keras_squeezebert.cli.training import default_learning_rate
from keras_squeezebert.data import TextExamples
from keras_squeezebert.presets import PRESETS

CLASSIFIER = "sequence-classification"
TRAINING = (
    *("--epochs", 3, "--batch-size", 2),
    *("--learning-rate", 3e-3, "--max-length", 24),
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """Data of every head, and a model with dropout of each."""
    folder = tmp_path_factory.mktemp("finetune")
    write_data(folder)
    config = ONE_LAYER.replace(id2label=LABELS)
    for head, architecture in ARCHITECTURES.items():
        write_model(folder / head, architecture, config)
    return folder


def finetune(head, name, *arguments):
    start = ("--model", head) if "--preset" not in arguments else ()
    return ("finetune", head, "--output", name, *start, *TRAINING, *arguments)


def evaluated(model, *arguments, cwd):
    return json.loads(succeed("evaluate", model, *arguments, "--json", cwd=cwd))


def best(printed):
    """The epoch, the metric and the score of the model that was kept."""
    pattern = r"model of epoch (\d): (\S+) (-?[\d.]+) on the evaluation data"
    epoch, name, score = re.search(pattern, printed).groups()
    return int(epoch), name, float(score)


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_every_head(head, workspace):
    """What is saved is what was scored best."""
    file, *options = EVERY_HEAD[head]
    files = ("--train", file, "--eval", file, *options)
    printed = succeed(*finetune(head, f"{head}-tuned", *files), cwd=workspace)
    epoch, name, score = best(printed)
    figures = evaluated(f"{head}-tuned", "--data", file, *options, cwd=workspace)
    assert figures[name] == pytest.approx(score, abs=1e-4)
    header, *rows = history(workspace / f"{head}-tuned")
    place = header.split(",").index(f"val_{name}")
    scores = [float(row.split(",")[place]) for row in rows]
    better = min if name == "perplexity" else max
    assert len(scores) == 3 and scores.index(better(scores)) == epoch - 1
    assert scores[epoch - 1] == pytest.approx(score, abs=1e-4)


def history(folder):
    """Its lines; of the training nothing else is left."""
    (path,) = (folder / "training").iterdir()
    assert path.name == "history.csv"
    return path.read_text().splitlines()


# === What it starts from


@pytest.mark.parametrize("options", [(), ("--model", "squeezebert_small_en")])
def test_the_weights_that_ship_are_the_default(options, workspace):
    """At so low a rate they stay what they are, but for the new head."""
    file, *_ = EVERY_HEAD[CLASSIFIER]
    files = ("--train", file, "--output", "shipped", *options)
    rate = ("--learning-rate", 1e-12, "--epochs", 1, "--max-length", 8)
    shutil.rmtree(workspace / "shipped", ignore_errors=True)
    printed = succeed("finetune", CLASSIFIER, *files, *rate, cwd=workspace)
    assert "classifier/kernel" in printed
    trained = SqueezeBertModel.from_pretrained(workspace / "shipped")
    shipped = SqueezeBertModel.from_pretrained("squeezebert_small_en")
    assert len(trained.weights) == len(shipped.weights)
    for ours, theirs in zip(trained.weights, shipped.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, err_msg=ours.path)


@pytest.mark.parametrize(
    ("source", "rate"),
    [(None, 1e-3), ("squeezebert_small_en", 5e-4), ("someone/something", 5e-5)],
)
def test_the_learning_rate_is_that_of_the_start(source, rate):
    assert default_learning_rate(source) == rate


# === What a classifier is asked for


def write_table(path, labels):
    rows = zip(TEXTS, labels, strict=True)
    path.write_text("text,label\n" + "".join(f"{t},{x}\n" for t, x in rows))


@pytest.mark.parametrize(
    ("option", "labels", "problem", "names", "metric"),
    [
        (("--regression",), [0.5, 3, -1, 2.25, 8], "regression", ["score"], "pearson"),
        (
            ("--label-separator", "|"),
            ["new|old", "", "red", "old", "red|new"],
            "multi_label_classification",
            ["new", "old", "red"],
            "f1_micro",
        ),
    ],
)
def test_other_problems(option, labels, problem, names, metric, workspace):
    write_table(workspace / "table.csv", labels)
    files = ("--train", "table.csv", "--eval", "table.csv", *option)
    printed = succeed(*finetune(CLASSIFIER, problem, *files), cwd=workspace)
    _, name, score = best(printed)
    config = SqueezeBertConfig.from_pretrained(workspace / problem)
    assert config.problem_type == problem
    assert list(config.id2label.values()) == names
    option = option if option != ("--regression",) else ()
    figures = evaluated(problem, "--data", "table.csv", *option, cwd=workspace)
    assert metric in figures
    assert figures[name] == pytest.approx(score, abs=1e-4)


def test_labels_are_in_the_order_of_glue(workspace):
    """Not in that of the alphabet, nor of the data."""
    labels = ["neutral", "entailment", "contradiction", "neutral", "entailment"]
    folder = workspace / "GLUE" / "MNLI"
    folder.mkdir(parents=True)
    rows = "".join(f"a\t{t}\t{x}\n" for t, x in zip(TEXTS, labels, strict=True))
    for split in ("train", "dev_matched"):
        file = folder / f"{split}.tsv"
        file.write_text(f"sentence1\tsentence2\tgold_label\n{rows}")
    files = ("--train", "GLUE", "--eval", "GLUE", "--glue", "mnli")
    printed = succeed(*finetune(CLASSIFIER, "mnli", *files), cwd=workspace)
    config = SqueezeBertConfig.from_pretrained(workspace / "mnli")
    assert config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    _, name, score = best(printed)
    figures = evaluated("mnli", "--data", "GLUE", "--glue", "mnli", cwd=workspace)
    assert figures[name] == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize(
    ("task", "labels", "metrics"),
    [
        ("mrpc", list("10110"), {"accuracy", "f1", "precision", "recall"}),
        ("stsb", ["0.5", "3.0", "1.0", "2.25", "5.0"], {"pearson", "spearman", "mean"}),
    ],
)
def test_a_name_on_the_hub_brings_what_glue_asks_for(task, labels, metrics, workspace):
    examples = TextExamples(TEXTS, labels)
    files = ("--train", f"glue/{task}", "--eval", f"glue/{task}")
    with mock.patch.object(data, "read_dataset", return_value=examples) as reader:
        command = finetune(CLASSIFIER, task, *files)
        _, name, score = best(succeed(*command, cwd=workspace))
        assert reader.call_args_list == [
            mock.call(f"glue/{task}", "train"),
            mock.call(f"glue/{task}", "dev"),
        ]
        figures = evaluated(task, "--data", f"glue/{task}", cwd=workspace)
    assert metrics == set(figures) - {"loss", "examples", "notes"}
    assert name in metrics
    assert figures[name] == pytest.approx(score, abs=1e-4)
    config = SqueezeBertConfig.from_pretrained(workspace / task)
    expected = list(data.GLUE[task].labels) or ["score"]
    assert list(config.id2label.values()) == expected


# === Where it starts


def given_recipe(*command, cwd):
    """The recipe that a command trains by, which it does not do."""
    fine_tune = "keras_squeezebert.training.fine_tune"
    with mock.patch(fine_tune, return_value=[{"loss": 1.0}]) as called:
        succeed(*command, cwd=cwd)
    model, _, _, recipe = called.call_args.args
    return model, recipe


def test_random_weights_learn_faster(workspace, monkeypatch):
    tiny = {"hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64}
    monkeypatch.setitem(PRESETS, "mini", {**tiny, "num_attention_heads": 4})
    command = ("finetune", CLASSIFIER, "--train", "texts.csv", "--output", "new")
    model, recipe = given_recipe(*command, "--preset", "mini", cwd=workspace)
    assert recipe.learning_rate == 1e-3
    assert model.config.hidden_size == 32 and model.config.vocab_size == 30522
    old = ("--model", CLASSIFIER, "--max-length", 24)
    model, recipe = given_recipe(*command, *old, cwd=workspace)
    assert recipe.learning_rate == 5e-5
    assert model.config.vocab_size == ONE_LAYER.vocab_size
    command = ("quantize", CLASSIFIER, "--train", "texts.csv", "--output", "new")
    _, recipe = given_recipe(*command, cwd=workspace)
    assert recipe.learning_rate == 2e-5 and recipe.epochs == 1


# === Going on

FILES = ("--train", "texts.csv", "--eval", "texts.csv", "--hidden-share", 0.3)
PATHS = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]
KILLED = """
    import os, signal, sys
    sys.path[:0] = {paths!r}
    from keras_squeezebert.cli import squeezebert
    from keras_squeezebert.training.session import Session
    on_end, steps = Session.on_train_batch_end, []
    def killing(self, batch, logs=None):
        on_end(self, batch, logs)
        steps.append(batch)
        if len(steps) == {steps}:
            os.kill(os.getpid(), signal.SIGKILL)
    Session.on_train_batch_end = killing
    squeezebert(sys.argv[1:])
"""


def run_and_kill(command, *, steps, cwd):
    """Runs a command that is killed after so many steps of all its trainings."""
    code = textwrap.dedent(KILLED).format(paths=PATHS, steps=steps)
    finished = subprocess.run(
        [sys.executable, "-c", code, *map(str, command)], cwd=cwd, capture_output=True
    )
    assert finished.returncode == -signal.SIGKILL, finished.stderr.decode()


@pytest.fixture(scope="module")
def killed(workspace):
    """The output of a run that was killed."""
    # In the middle of the second epoch, of three steps.
    run_and_kill(finetune(CLASSIFIER, "killed", *FILES), steps=5, cwd=workspace)
    assert (workspace / "killed" / "training" / "state.safetensors").exists()
    assert not (workspace / "killed" / "config.json").exists()
    return workspace / "killed"


def test_a_killed_run_goes_on(workspace, killed):
    succeed(*finetune(CLASSIFIER, "whole", *FILES), cwd=workspace)
    shutil.copytree(killed, workspace / "again")
    printed = succeed(*finetune(CLASSIFIER, "again", *FILES), cwd=workspace)
    assert "Epoch 1/3" not in printed and "Epoch 2/3" in printed
    whole, again = (
        (workspace / name / "model.safetensors").read_bytes()
        for name in ("whole", "again")
    )
    assert whole == again
    assert history(workspace / "whole") == history(workspace / "again")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--batch-size", 4), "batch_size=2 then, 4 now"),
        (("--hidden-share", 0.2), "hidden share=0.3 then, 0.2 now"),
    ],
)
def test_other_settings_on_an_unfinished_run(workspace, killed, option, message):
    path = killed / "training" / "state.safetensors"
    before = path.read_bytes()
    finished = run(*finetune(CLASSIFIER, "killed", *FILES, *option), cwd=workspace)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: ") and finished.stderr.count("\n") == 1
    assert message in finished.stderr
    assert path.read_bytes() == before


# === Pairs that the model labels itself

PAIRS = (
    *("--train", "pairs.csv", "--eval", "pairs.csv", "--regression"),
    *("--text-column", "one", "--text-pair-column", "other", "--own-pairs", 4),
)


@pytest.fixture(scope="module")
def taught(workspace):
    """What a run printed that taught a head to compare first."""
    rows = zip(TEXTS, reversed(TEXTS), [0, 1, 2, 3, 4], strict=False)
    lines = "".join(f"{one},{other},{label}\n" for one, other, label in rows)
    (workspace / "pairs.csv").write_text(f"one,other,label\n{lines}")
    return succeed(*finetune(CLASSIFIER, "taught", *PAIRS), cwd=workspace)


def steps_before(printed):
    """Steps of the first training, as its progress bar counts them."""
    first = printed.split("own pairs.")[1].split("Epoch ")[0]
    return int(max(re.findall(r"(\d+)/\1", first), default=0, key=int))


def test_own_pairs_come_first(workspace, taught):
    assert steps_before(taught) > 5
    (left,) = (workspace / "taught" / "training-first").iterdir()
    assert left.name == "history.csv"
    succeed(*finetune(CLASSIFIER, "plain", *PAIRS[:-2]), cwd=workspace)
    plain, taught = (
        (workspace / name / "model.safetensors").read_bytes()
        for name in ("plain", "taught")
    )
    assert plain != taught


@pytest.mark.parametrize(("part", "goes_on"), [(0, "Epoch 1/3"), (1, "Epoch 2/3")])
def test_own_pairs_of_a_killed_run(workspace, taught, part, goes_on):
    steps = 2 if part == 0 else steps_before(taught) + 4
    name = f"taught-{part}"
    command = finetune(CLASSIFIER, name, *PAIRS)
    run_and_kill(command, steps=steps, cwd=workspace)
    printed = succeed(*command, cwd=workspace)
    assert goes_on in printed and ("Epoch 1/3" in printed) == (part == 0)
    assert bool(steps_before(printed)) == (part == 0)
    whole, again = (
        (workspace / name / "model.safetensors").read_bytes()
        for name in ("taught", name)
    )
    assert whole == again


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--own-pairs", 4), "add --regression"),
        (("--own-pairs", 4, "--regression", "--preset", "mini"), "--preset=mini"),
        (("--own-pairs", 4, "--regression"), "Received: single texts"),
    ],
)
def test_own_pairs_that_cannot_be(workspace, options, message):
    write_table(workspace / "numbers.csv", [0.5, 3, -1, 2.25, 8])
    command = finetune(CLASSIFIER, "none", "--train", "numbers.csv", *options)
    finished = run(*command, cwd=workspace)
    assert finished.returncode == 2 and message in finished.stderr
    assert finished.stderr.startswith("Error: ") and finished.stderr.count("\n") == 1


def test_tensorboard_that_is_not_installed(workspace):
    find = importlib.util.find_spec

    def without(name, *arguments):
        return None if name == "tensorboard" else find(name, *arguments)

    with mock.patch.object(importlib.util, "find_spec", without):
        command = finetune(CLASSIFIER, "logged", *FILES, "--tensorboard")
        finished = run(*command, cwd=workspace)
    assert finished.returncode == 2
    assert "keras-squeezebert[tensorboard]" in finished.stderr
    assert finished.stderr.count("\n") == 1
    assert not (workspace / "logged").exists()
