"""A row of GLUE's table: each training is the recipe's, and none is done twice."""

import json
from dataclasses import replace

import filelock
import keras
import numpy as np
import pytest
from every_head import letters, write_model
from tiny import ONE_LAYER

from keras_squeezebert import SqueezeBertForSequenceClassification
from keras_squeezebert.data import GLUE, read_glue
from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import load_keras_model
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks import Evaluation, SequenceClassification, model_outputs
from keras_squeezebert.training import fine_tune, glue
from keras_squeezebert.training.glue import RECIPES, RESULTS_FILE, GlueRow
from keras_squeezebert.training.glue_table import COLUMNS, best_seed, summarize
from keras_squeezebert.training.start import start_model
from keras_squeezebert.training.teacher_answers import save_answers

TRAINED = "SqueezeBertForSequenceClassification"
CHANGES = {"epochs": 2, "batch_size": 4, "learning_rate": 1e-2}
LABELS = {"RTE": GLUE["rte"].labels, "MNLI": GLUE["mnli"].labels}


def write_task(folder, name, split, rows, seed):
    """Pairs of random letters, and labels that follow no rule."""
    rng = np.random.default_rng(seed)
    label = {"STS-B": "score", "MNLI": "gold_label"}.get(name, "label")
    lines = [f"index\tsentence1\tsentence2\t{label}"]
    for row in range(rows):
        first, second = (" ".join(rng.choice(list("abcdefgh"), 4)) for _ in "12")
        answer = rng.choice(LABELS.get(name, ["0.5", "1.5", "3.0", "4.5"]))
        lines.append(f"{row}\t{first}\t{second}\t{answer}")
    (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / name / f"{split}.tsv").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A model, a teacher of RTE, and GLUE's folder with three tasks."""
    folder = tmp_path_factory.mktemp("glue")
    for name in ("RTE", "STS-B"):
        for split, rows in (("train", 22), ("dev", 12), ("test", 5)):
            write_task(folder / "data", name, split, rows, seed=rows)
    for number, split in enumerate(
        ("train", "dev_matched", "dev_mismatched", "test_matched", "test_mismatched")
    ):
        write_task(folder / "data", "MNLI", split, 12, seed=number)
    write_task(folder / "data", "MNLI", "diagnostic", 6, seed=9)
    write_model(folder / "model", TRAINED)
    labels = dict(enumerate(GLUE["rte"].labels))
    write_model(
        folder / "teachers" / "rte", TRAINED, ONE_LAYER.replace(id2label=labels), 7
    )
    return folder


def make_row(workspace, output, **settings):
    settings = {"changes": CHANGES, "max_length": 20, "verbose": 0, **settings}
    return GlueRow(
        source=workspace / "model", data=workspace / "data", output=output, **settings
    )


@pytest.fixture(scope="module")
def whole(workspace):
    """MNLI, and RTE and STS-B that start from it, with two seeds."""
    row = make_row(workspace, workspace / "whole")
    return row, row.run(["rte", "stsb", "mnli"], [0, 3])


@pytest.fixture(scope="module")
def plain(workspace):
    """RTE alone, with two seeds."""
    row = make_row(workspace, workspace / "plain")
    return row, row.run(["rte"], [0, 1])


def weights_in(folder):
    return SqueezeBertForSequenceClassification.from_pretrained(folder).get_weights()


def assert_same_weights(one, other):
    for weights, others in zip(one, other, strict=True):
        np.testing.assert_array_equal(weights, others)


def by_hand(workspace, start, seed, teacher=None):
    """RTE, without the class under test."""
    keras.utils.set_random_seed(seed)
    labels = list(GLUE["rte"].labels)
    model, tokenizer = start_model(
        SqueezeBertForSequenceClassification, labels, start, max_length=20
    )
    task = SequenceClassification()
    train, dev = (
        read_glue(workspace / "data", "rte", split) for split in ("train", "dev")
    )
    features = task.encode(train, tokenizer, model.config, 20)
    if teacher:
        loaded = load_keras_model(teacher).model
        features = save_answers(loaded, features, workspace / "answers")
        model.distill_from(features.teacher)
    recipe = replace(RECIPES["rte"], **CHANGES, seed=seed)
    evaluation = Evaluation(task, dev, tokenizer, model.config, 20)
    history = fine_tune(model, features, evaluation, recipe, verbose=0)
    return model.get_weights(), max(epoch["val_accuracy"] for epoch in history)


def test_a_task_starts_from_the_model_of_mnli_of_its_seed(workspace, whole):
    row, results = whole
    assert list(results) == ["mnli", "stsb", "rte"]
    weights, accuracy = by_hand(workspace, row.folder("mnli", 3), seed=3)
    assert_same_weights(weights_in(row.folder("rte", 3)), weights)
    assert results["rte"]["3"]["figures"] == {"accuracy": accuracy}
    assert results["rte"]["3"]["settings"]["starts from"] == "mnli"


def test_without_mnli_it_starts_from_the_model(workspace, plain):
    row, _ = plain
    weights, _ = by_hand(workspace, workspace / "model", seed=1)
    assert_same_weights(weights_in(row.folder("rte", 1)), weights)


def test_without_the_transfer(workspace, whole):
    """Also where there is a model of MNLI: the trainings there would be others."""
    row = make_row(workspace, whole[0].output, transfer=False)
    with pytest.raises(InputError, match=r"starts from='mnli' then, '.*model' now$"):
        row.run(["rte"], [0])


def test_a_teacher(workspace, plain, tmp_path):
    row = make_row(workspace, tmp_path, teachers=workspace / "teachers")
    row.run(["rte"], [0])
    taught = weights_in(row.folder("rte", 0))
    weights, _ = by_hand(
        workspace, workspace / "model", 0, workspace / "teachers" / "rte"
    )
    assert_same_weights(taught, weights)
    alone = weights_in(plain[0].folder("rte", 0))
    assert any((a != b).any() for a, b in zip(taught, alone, strict=True))


def test_the_figures_are_those_of_the_saved_models(workspace, whole):
    row, results = whole
    splits = {"mnli": ["dev_matched", "dev_mismatched"], "stsb": ["dev"]}
    for task, of_task in splits.items():
        loaded = load_keras_model(row.folder(task, 0))
        expected = {}
        for split in of_task:
            examples = read_glue(workspace / "data", task, split)
            evaluation = Evaluation(
                SequenceClassification(), examples, letters(), loaded.config, 20
            )
            prefix = "mismatched_" if split == "dev_mismatched" else ""
            for name, value in evaluation(loaded.model).items():
                expected[prefix + name] = pytest.approx(value, abs=1e-6)
        assert results[task]["0"]["figures"] == expected


def test_the_recipes(workspace, whole):
    """They are recorded as they were used."""
    settings = whole[1]["mnli"]["0"]["settings"]
    assert settings | CHANGES == settings
    assert settings["warmup_ratio"] == RECIPES["mnli"].warmup_ratio
    assert json.loads((whole[0].output / RESULTS_FILE).read_text()) == whole[1]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_columns_show_figures_that_there_are(column):
    metric = METRICS[GLUE[column.task].metrics[-1]]
    figures = metric.compute([0, 1, 1], [0, 1, 0])
    names = {name.removeprefix("mismatched_") for name in column.figures}
    assert names <= set(figures)
    assert metric.direction == "max"  # which the best seed is found by


# === Going on


def stop_in(monkeypatch, number, when):
    """An interrupt in the training of this number, before, within or after it."""
    calls = []

    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.variables[0]) == 8:  # in the second epoch
                raise KeyboardInterrupt

    def stopped(*arguments, **settings):
        calls.append(arguments)
        is_it = len(calls) == number
        if is_it and when == "before":
            raise KeyboardInterrupt
        callbacks = [Interrupt()] if is_it and when == "within" else []
        history = fine_tune(*arguments, callbacks=callbacks, **settings)
        if is_it and when == "after":
            raise KeyboardInterrupt
        return history

    monkeypatch.setattr(glue, "fine_tune", stopped)
    return calls


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_a_run_that_is_cut_off_goes_on(workspace, plain, tmp_path, monkeypatch, when):
    whole, expected = plain
    row = make_row(workspace, tmp_path)
    stop_in(monkeypatch, 2, when)
    with pytest.raises(KeyboardInterrupt):
        row.run(["rte"], [0, 1])
    assert list(glue.read_results(tmp_path)["rte"]) == ["0"]
    calls = stop_in(monkeypatch, 0, "never")
    assert row.run(["rte"], [0, 1]) == expected
    assert len(calls) == 1
    assert_same_weights(
        weights_in(row.folder("rte", 1)), weights_in(whole.folder("rte", 1))
    )
    assert sorted(p.name for p in (row.folder("rte", 1) / "training").iterdir()) == [
        "history.csv"
    ]


def test_tasks_and_seeds_can_be_added(workspace, tmp_path, monkeypatch):
    told = []
    changes = {**CHANGES, "epochs": 1}
    row = make_row(workspace, tmp_path, changes=changes, tell=told.append)
    first = row.run(["mnli"], [0])
    calls = stop_in(monkeypatch, 0, "never")
    results = row.run(["rte"], [0])
    assert results["mnli"] == first["mnli"]
    assert results["rte"]["0"]["settings"]["starts from"] == "mnli"
    row.run(["rte", "mnli"], [0, 3])
    assert len(calls) == 3
    assert "rte, seed 0: kept, for it is trained." in told


# === The table


def test_the_row():
    figures = {
        "0": {"accuracy": 0.5, "f1": 0.7},
        "4": {"accuracy": 0.8, "f1": 0.9},
        "5": {"accuracy": 0.6, "f1": 0.5},
    }
    results = {"mrpc": {seed: {"figures": f} for seed, f in figures.items()}}
    row = summarize(results)
    scores = np.array([0.6, 0.85, 0.55])
    assert list(row) == ["MRPC"]
    assert row["MRPC"] == {
        "best": pytest.approx(0.85),
        "mean": pytest.approx(scores.mean()),
        "spread": pytest.approx(scores.std(ddof=1)),
        "seeds": 3,
        "paper_test": 0.878,
    }


def test_both_columns_of_mnli_are_of_one_model():
    figures = {
        "0": {"accuracy": 0.8, "mismatched_accuracy": 0.7},
        "1": {"accuracy": 0.7, "mismatched_accuracy": 0.9},
    }
    row = summarize({"mnli": {s: {"figures": f} for s, f in figures.items()}})
    assert (row["MNLI-m"]["best"], row["MNLI-mm"]["best"]) == (0.8, 0.7)


def test_a_correlation_that_is_none():
    figures = {
        "0": {"pearson": None, "spearman": None, "mean": None},
        "1": {"pearson": -0.5, "spearman": -0.25, "mean": -0.375},
    }
    row = summarize({"stsb": {s: {"figures": f} for s, f in figures.items()}})
    assert row["STS-B"]["best"] == -0.375
    assert row["STS-B"]["mean"] is row["STS-B"]["spread"] is None


# === Submissions


@pytest.mark.parametrize(
    ("task", "tests"),
    [
        ("rte", {"RTE.tsv": ("rte", "test")}),
        ("stsb", {"STS-B.tsv": ("stsb", "test")}),
        (
            "mnli",
            {
                "MNLI-m.tsv": ("mnli", "test_matched"),
                "MNLI-mm.tsv": ("mnli", "test_mismatched"),
                "AX.tsv": ("ax", "test"),
            },
        ),
    ],
)
def test_a_submission(task, tests, workspace, whole, tmp_path):
    row, results = whole
    seed = best_seed(task, results[task])
    assert {path.name for path in row.submit(task, tmp_path)} == set(tests)
    loaded, head = load_keras_model(row.folder(task, seed)), SequenceClassification()
    for name, (of_task, split) in tests.items():
        examples = read_glue(workspace / "data", of_task, split)
        features = head.encode(examples, letters(), loaded.config)
        logits = model_outputs(head, loaded.model, features)["logits"]
        if task == "stsb":
            expected = [f"{min(max(value, 0), 5):.3f}" for value in logits[:, 0]]
        else:
            expected = [GLUE[task].labels[i] for i in logits.argmax(axis=-1)]
        header, *lines = (tmp_path / name).read_text().splitlines()
        assert header == "index\tprediction"
        assert lines == [f"{n}\t{answer}" for n, answer in enumerate(expected)]


# === Mistakes


def test_other_settings(workspace, tmp_path, monkeypatch):
    """They are found before anything is trained."""
    make_row(workspace, tmp_path).run(["rte"], [0])
    calls = stop_in(monkeypatch, 0, "never")
    other = make_row(workspace, tmp_path, changes={**CHANGES, "epochs": 1})
    with pytest.raises(InputError, match=r"Received: epochs=2 then, 1 now$"):
        other.run(["stsb", "rte"], [1])
    with pytest.raises(InputError, match=r"starts from='.*model' then, 'mnli' now$"):
        make_row(workspace, tmp_path).run(["mnli", "rte"], [0])
    assert not calls


def test_a_folder_that_is_in_use(workspace, tmp_path):
    with (
        filelock.FileLock(tmp_path / "lock"),
        pytest.raises(InputError, match="another process is at it"),
    ):
        make_row(workspace, tmp_path).run(["rte"], [0])


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '{"accuracy": 0.5}', '{"rte": {"0": {"figures": {"accuracy": 1}}}}']
    + ['{"rte": {"0": {"settings": {}, "figures": {}}}}']
    + ['{"rte": {"x": {"settings": {}, "figures": {"accuracy": 1}}}}'],
)
def test_results_of_something_else(text, workspace, tmp_path):
    (tmp_path / RESULTS_FILE).write_text(text)
    with pytest.raises(InputError, match=RESULTS_FILE):
        make_row(workspace, tmp_path).run(["rte"], [0])


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["rte", "ax"], "Received: rte, ax"),
        ([], "Received: none"),
        (["cola"], r"must hold CoLA/train.tsv, CoLA/dev.tsv"),
    ],
)
def test_tasks_that_are_not_there(tasks, message, workspace, tmp_path):
    with pytest.raises(InputError, match=message):
        make_row(workspace, tmp_path / "x").run(tasks, [0])
    assert not (tmp_path / "x").exists()


def test_teachers_that_do_not_fit(workspace, tmp_path):
    teachers = tmp_path / "teachers"
    labels = dict(enumerate(reversed(GLUE["rte"].labels)))
    write_model(teachers / "rte", TRAINED, ONE_LAYER.replace(id2label=labels))
    row = make_row(workspace, tmp_path / "row", teachers=teachers)
    with pytest.raises(InputError, match="no folder"):
        row.run(["stsb"], [0])
    with pytest.raises(InputError, match=r"The labels of a teacher for rte must be"):
        row.run(["rte"], [0])
    vocabulary = teachers / "rte" / "vocab.txt"
    vocabulary.write_text(vocabulary.read_text().replace("\na\n", "\nä\n"))
    with pytest.raises(InputError, match="must have the vocabulary of the model"):
        row.run(["rte"], [0])
