"""squeezebert distill: what learns, from whom, and what is left of it."""

import numpy as np
import pytest
from command_line import run, succeed

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)

TEXTS = ["lovely film", "dull film", "a lovely day", "what a dull day"]
LABELS = ["good", "bad", "good", "bad"]
ROWS = "".join(f"{t},{x}\n" for t, x in zip(TEXTS, LABELS, strict=True))
# What the teacher knows besides.
MORE_TEXTS = ["superb", "awful"]
MORE_ROWS = "superb,good\nawful,bad\n"
TRAINING = ("--train", "train.csv", "--eval", "dev.csv", "--batch-size", 8)
TO_THE_END = ("--batch-size", 8, "--epochs", 15, "--learning-rate", 3e-3)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A teacher that knows the labels of a few texts, and these as a table."""
    folder = tmp_path_factory.mktemp("distill")
    (folder / "train.csv").write_text("text,label\n" + ROWS * 8)
    (folder / "teacher.csv").write_text("text,label\n" + (ROWS + MORE_ROWS) * 8)
    (folder / "dev.csv").write_text("text,label\n" + ROWS)
    config = SqueezeBertConfig(
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
        initializer_range=0.05,
    )
    SqueezeBertForSequenceClassification(config).save_pretrained(folder / "tiny")
    SqueezeBertTokenizerFast().save_pretrained(folder / "tiny")
    succeed(
        *("finetune", "sequence-classification", "--output", "teacher"),
        *("--model", "tiny", "--train", "teacher.csv", *TO_THE_END),
        cwd=folder,
    )
    return folder


@pytest.mark.parametrize(
    ("arguments", "layers"),
    [
        (("--model", "tiny", "--temperature", 2), 3),
        (("--keep-layers", 2, "--hidden-weight", 1, "--attention-weight", 1), 2),
    ],
    ids=["model", "keep-layers"],
)
def test_a_student(arguments, layers, workspace, tmp_path):
    printed = succeed(
        *("distill", "teacher", *TRAINING, "--output", tmp_path / "student"),
        *("--epochs", 10, "--learning-rate", 3e-3, *arguments),
        cwd=workspace,
    )
    assert "accuracy 1.0000 on the evaluation data" in printed
    student = SqueezeBertForSequenceClassification.from_pretrained(tmp_path / "student")
    assert student.config.num_hidden_layers == layers
    assert student.config.id2label == {0: "bad", 1: "good"}
    assert not student.load_report.initialized


def test_saved_answers_are_used_again(workspace, tmp_path):
    answers = tmp_path / "answers"
    command = (
        *("distill", "teacher", "--preset", "mini", *TRAINING, "--epochs", 1),
        *("--save-answers", answers),
    )
    succeed(*command, "--output", tmp_path / "first", cwd=workspace)
    before = {path: path.stat().st_mtime_ns for path in answers.iterdir()}
    assert len(before) == 2
    succeed(*command, "--output", tmp_path / "second", cwd=workspace)
    assert {path: path.stat().st_mtime_ns for path in answers.iterdir()} == before
    first, second = (
        (tmp_path / name / "model.safetensors").read_bytes()
        for name in ("first", "second")
    )
    assert first == second


def test_texts_without_labels_are_learnt_too(workspace, tmp_path):
    # The student's table has no such words: the teacher's answers are all there is.
    (tmp_path / "more.txt").write_text("\n".join(MORE_TEXTS * 16))
    command = (
        *("distill", "teacher", "--model", "tiny", "--teacher-weight", 1),
        *("--train", "train.csv", *TO_THE_END),
    )
    more = ("--unlabelled", tmp_path / "more.txt")
    teacher = SqueezeBertForSequenceClassification.from_pretrained(
        workspace / "teacher"
    )
    inputs = SqueezeBertTokenizerFast()(MORE_TEXTS)
    answers = teacher.predict(dict(inputs), verbose=0)
    distances = []
    for name, arguments in (("without", ()), ("with", more)):
        succeed(*command, *arguments, "--output", tmp_path / name, cwd=workspace)
        student = SqueezeBertForSequenceClassification.from_pretrained(tmp_path / name)
        outputs = student.predict(dict(inputs), verbose=0)
        distances.append(abs(np.diff(outputs) - np.diff(answers)).mean())
    assert distances[1] < 0.5 * distances[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Received: none of them"),
        (("--preset", "mini", "--keep-layers", 2), "--preset and --keep-layers"),
        (("--keep-layers", 4), "The model has 3 layers"),
        (
            ("--keep-layers", 2, "--hidden-weight", 1, "--save-answers", "x"),
            "leave out --save-answers, or --hidden-weight",
        ),
        (("--preset", "mini", "--tags-column", "1"), "is for token-classification"),
        (("--preset", "mini", "--unlabelled", "no.txt"), "no.txt (no such file)"),
        (("--model", "other"), "the vocabulary of its teacher"),
    ],
)
def test_mistakes(arguments, message, workspace):
    if not (workspace / "other").exists():
        pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"]
        SqueezeBertTokenizerFast(pieces).save_pretrained(workspace / "other")
    finished = run(
        *("distill", "teacher", *TRAINING, "--output", "x", *arguments), cwd=workspace
    )
    assert finished.returncode == 2
    assert message in finished.stderr and "Traceback" not in finished.stderr
    assert not (workspace / "x").exists()
