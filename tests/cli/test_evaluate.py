"""squeezebert evaluate: every head, in every form, by the metrics of its task."""

import json
import math
import re

import pytest
from command_line import run, succeed
from every_head import EVERY_HEAD, LABELS, SEQ, TEXTS, assert_close, write_model
from tiny import ONE_LAYER

from keras_squeezebert import models
from keras_squeezebert.cli.heads import HEADS
from keras_squeezebert.inference import load_model

FORMS = ("", ".tflite", "-saved")


def evaluate(folder, model, *arguments):
    printed = succeed("evaluate", model, "--data", *arguments, "--json", cwd=folder)
    return json.loads(printed)


def read_lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_all_forms_of_a_model_give_the_same(heads, head):
    arguments = (*EVERY_HEAD[head], "--max-length", SEQ)
    reports, answers = [], []
    for form in FORMS:
        file = f"{head}{form}.jsonl"
        written = (*arguments, "--predictions", file)
        reports.append(evaluate(heads, f"{head}{form}", *written))
        answers.append(read_lines(heads / file))
    for report, found in zip(reports[1:], answers[1:], strict=True):
        assert_close(report, reports[0])
        assert_close(found, answers[0])


@pytest.mark.parametrize("head", EVERY_HEAD)
def test_the_predictions_are_what_is_scored(heads, head):
    """Read back and scored by the library, they give the printed figures."""
    data, *options = map(str, EVERY_HEAD[head])
    arguments = (data, *options, "--predictions", "answers.jsonl")
    report = evaluate(heads, head, *arguments)
    answers = read_lines(heads / "answers.jsonl")
    values = defaults(HEADS[head], options)
    examples = HEADS[head].read(heads / data, values)
    assert report["examples"] == len(examples) == len(answers)
    task, config = HEADS[head].task(values), load_model(heads / head).config
    figures = task.score(examples, answers, config)
    assert figures.items() <= report.items()
    loss = {"loss"} if head == "sequence-classification" else set()
    assert set(report) == {*figures, *loss, "examples", "notes"}


def defaults(head, given):
    """The values of a head's options, with those that are given."""
    import click

    @click.command()
    def command(**values):
        return values

    for option in head.options:
        command = option(command)
    return command(list(given), standalone_mode=False)


def test_accuracy_and_cross_entropy_by_hand(heads):
    report = evaluate(
        heads, "sequence-classification", "texts.csv", "--predictions", "texts.jsonl"
    )
    labels = ["O", "B-LOC", "I-LOC", "O", "B-LOC"]
    answers = read_lines(heads / "texts.jsonl")
    right = [
        answer["label"] == label for answer, label in zip(answers, labels, strict=True)
    ]
    losses = [
        -math.log(a["scores"][label]) for a, label in zip(answers, labels, strict=True)
    ]
    assert report["accuracy"] == sum(right) / 5
    # The scores are rounded in the sixth place.
    assert report["loss"] == pytest.approx(sum(losses) / 5, abs=1e-4)


def test_another_metric(heads):
    arguments = ("texts.csv", "--metric", "multi_class_f1")
    report = evaluate(heads, "sequence-classification", *arguments)
    assert "f1_macro" in report


def test_the_answers_that_squads_script_wants(heads):
    arguments = EVERY_HEAD["question-answering"]
    for file in ("answers.jsonl", "answers.json"):
        written = (*arguments, "--predictions", file)
        evaluate(heads, "question-answering", *written)
    texts = json.loads((heads / "answers.json").read_text("utf-8"))
    lines = read_lines(heads / "answers.jsonl")
    assert texts == {answer["id"]: answer["text"] for answer in lines}
    assert list(texts) == ["q1", "q2", "q3"]


def test_what_was_cut_is_told(heads):
    arguments = ("texts.csv", "--max-length", 4)
    report = evaluate(heads, "sequence-classification", *arguments)
    cut = {"texts that were truncated": 4}  # all but "a"
    assert report["notes"] == cut
    printed = succeed(
        "evaluate", "sequence-classification", "--data", *arguments, cwd=heads
    )
    rows = dict(re.split(r"  +", line) for line in printed.splitlines())
    assert rows.pop("texts that were truncated") == "4"
    assert rows.pop("examples") == "5"
    assert rows == {name: f"{report[name]:.4f}" for name in ("accuracy", "loss")}


@pytest.mark.parametrize("head", ["sequence-classification", "token-classification"])
def test_data_without_labels(heads, head):
    """Its answers can be had, its metrics cannot."""
    kind = "txt" if head == "token-classification" else "csv"
    lines = ["text" * (kind == "csv"), *TEXTS] if kind == "csv" else ["ab", "cd"]
    (heads / f"bare.{kind}").write_text("\n".join(lines))
    arguments = (f"bare.{kind}", "--unlabelled", "--predictions", "bare.jsonl")
    report = evaluate(heads, head, *arguments)
    assert set(report) == {"examples", "notes"}
    assert len(read_lines(heads / "bare.jsonl")) == report["examples"]
    finished = run("evaluate", head, "--data", *arguments[:2], cwd=heads)
    assert finished.returncode == 2
    assert "--predictions" in finished.stderr


# === Problems of sequence classification


@pytest.fixture(scope="module")
def problems(tmp_path_factory):
    folder = tmp_path_factory.mktemp("problems")
    several = ONE_LAYER.replace(problem_type="multi_label_classification")
    write_model(folder / "several", "SqueezeBertForSequenceClassification", several)
    one = ONE_LAYER.replace(id2label={0: "score"}, problem_type=None)
    write_model(folder / "number", "SqueezeBertForSequenceClassification", one)
    (folder / "several.csv").write_text("text,label\nab cd,a;b\nwho?,\nx y,c\n")
    (folder / "number.csv").write_text("text,label\nab cd,1.5\nwho?,0\nx y,-3\n")
    return folder


def test_any_number_of_labels(problems):
    arguments = ("several.csv", "--label-separator", ";", "--predictions", "a.jsonl")
    for threshold, labels in ((0.0, ["a", "b", "c"]), (1.0, [])):
        report = evaluate(
            problems, "several", *arguments, "--threshold", str(threshold)
        )
        assert "f1_micro" in report and "loss" not in report
        answers = read_lines(problems / "a.jsonl")
        assert [answer["labels"] for answer in answers] == [labels] * 3


def test_a_regression(problems):
    report = evaluate(problems, "number", "number.csv", "--predictions", "a.jsonl")
    answers = [answer["value"] for answer in read_lines(problems / "a.jsonl")]
    model = models.SqueezeBertForSequenceClassification.from_pretrained(
        problems / "number"
    )
    tokenizer = load_model(problems / "number").tokenizer
    alone = [model(tokenizer([text])) for text in ("ab cd", "who?", "x y")]
    assert answers == pytest.approx([float(x[0, 0]) for x in alone], abs=1e-5)
    assert -1 <= report["pearson"] <= 1


# === GLUE


@pytest.fixture(scope="module")
def glue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("glue")
    names = ("entailment", "neutral", "contradiction")
    for name, labels in (
        ("mnli", names),
        ("mrpc", ("0", "1")),
        ("stsb", ("score",)),
        ("plain", ("no", "yes", "perhaps")),
    ):
        config = ONE_LAYER.replace(id2label=dict(enumerate(labels)), problem_type=None)
        write_model(folder / name, "SqueezeBertForSequenceClassification", config)
    rows = [(row, first, "a b", row) for row, first in enumerate(TEXTS)]
    for path, label, values in (
        ("MNLI/dev_matched.tsv", "gold_label", names),
        ("MNLI/test_matched.tsv", None, names),
        ("STS-B/test.tsv", None, ("",)),
    ):
        file = folder / "GLUE" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        header = ["index", "sentence1", "sentence2", *([label] if label else [])]
        lines = ["\t".join(header)]
        for row, first, second, number in rows:
            fields = [str(row), first, second, values[number % len(values)]]
            lines.append("\t".join(fields[: len(header)]))
        file.write_text("\n".join(lines) + "\n")
    lines = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"]
    lines += [f"{row % 2}\t1\t2\t{text}\tab" for row, text in enumerate(TEXTS)]
    (folder / "GLUE" / "MRPC").mkdir()
    (folder / "GLUE" / "MRPC" / "dev.tsv").write_text("\n".join(lines))
    return folder


def test_the_dev_split_of_glue_by_its_own_metric(glue):
    report = evaluate(glue, "mnli", "GLUE", "--glue", "mnli")
    assert report["examples"] == 5 and {"accuracy", "loss"} <= set(report)
    report = evaluate(glue, "mrpc", "GLUE", "--glue", "mrpc")
    assert {"accuracy", "f1"} <= set(report)


@pytest.mark.parametrize("split", ["test", "test_matched"])
def test_a_submission_to_glue(glue, split):
    arguments = ("GLUE", "--glue", "mnli", "--split", split)
    written = ("--predictions", "a.jsonl", "--submission", "to-glue")
    evaluate(glue, "mnli", *arguments, *written)
    labels = [answer["label"] for answer in read_lines(glue / "a.jsonl")]
    lines = [f"{number}\t{label}\n" for number, label in enumerate(labels)]
    content = (glue / "to-glue" / "MNLI-m.tsv").read_bytes()
    assert content.decode() == "index\tprediction\n" + "".join(lines)


def test_a_submission_of_scores(glue):
    arguments = ("GLUE", "--glue", "stsb", "--split", "test", "--submission", "s.tsv")
    evaluate(glue, "stsb", *arguments, "--predictions", "a.jsonl")
    scores = [answer["value"] for answer in read_lines(glue / "a.jsonl")]
    clipped = [f"{min(max(score, 0.0), 5.0):.3f}" for score in scores]
    lines = (glue / "s.tsv").read_text().splitlines()
    assert lines[1:] == [f"{row}\t{score}" for row, score in enumerate(clipped)]


# === Mistakes

TEXT_MODEL = ("evaluate", "sequence-classification", "--data", "texts.csv")
MISTAKES = {
    "an option of another head": (
        (*TEXT_MODEL, "--doc-stride", 2),
        ["--doc-stride is for question-answering", "sequence-classification"],
    ),
    "a parameter that is not named as its flag": (
        ("evaluate", "multiple-choice", "--data", "choices.jsonl", "--metric", "f1"),
        ["--metric is for sequence-classification", "multiple-choice"],
    ),
    "an option of several other heads": (
        ("evaluate", "masked-lm", "--data", "texts.txt", "--label-column", "a"),
        ["--label-column is for sequence-classification, multiple-choice"],
    ),
    "no such metric": ((*TEXT_MODEL, "--metric", "bleu"), ["accuracy", "'bleu'"]),
    "a split of a file": (
        (*TEXT_MODEL, "--split", "test"),
        ["--split goes with --glue", "texts.csv"],
    ),
    "a submission without a task": (
        (*TEXT_MODEL, "--submission", "a.tsv"),
        ["--submission goes with --glue"],
    ),
    "a submission of a dev split": (
        (*TEXT_MODEL, "--glue", "sst2", "--submission", "a.tsv"),
        ["'test'", "split='dev'"],
    ),
    "no such task of GLUE": (
        (*TEXT_MODEL, "--glue", "snli"),
        ["'cola'", "task='snli'"],
    ),
    "a folder that is not GLUE's": (
        ("evaluate", "sequence-classification", "--data", ".", "--glue", "sst2"),
        ["SST-2/dev.tsv"],
    ),
    "answers to no questions as an object": (
        (*TEXT_MODEL, "--predictions", "a.json"),
        [".jsonl", "--predictions=a.json"],
    ),
    "data that is not there": (
        ("evaluate", "sequence-classification", "--data", "nowhere.csv"),
        ["nowhere.csv"],
    ),
    "data of another form": (
        ("evaluate", "question-answering", "--data", "texts.csv"),
        ["expected the JSON of SQuAD"],
    ),
    "a column of CoNLL by name": (
        ("evaluate", "token-classification", "--data", "words.conll")
        + ("--tags-column", "tags"),
        ["are numbers", "--tags-column=tags"],
    ),
    "more tokens than the model takes": (
        (*TEXT_MODEL, "--max-length", 25),
        ["at most 24", "--max-length=25"],
    ),
    "more tokens than the file takes": (
        ("evaluate", "sequence-classification.tflite", "--data", "texts.csv")
        + ("--max-length", SEQ + 1),
        [f"at most {SEQ}", f"--max-length={SEQ + 1}"],
    ),
    "more choices than the file takes": (
        ("evaluate", "multiple-choice.tflite", "--data", "four.jsonl"),
        ["('rows', 3, 20)", "4"],
    ),
    "windows that do not fit": (
        ("evaluate", "question-answering", "--data", "squad.json"),
        ["doc_stride=128", "max_length=24"],
    ),
    "labels that the model has not": (
        ("evaluate", "token-classification", "--data", "other.conll"),
        ["'B-LOC'", "'B-PER'"],
    ),
}


@pytest.fixture(scope="module")
def broken(heads):
    (heads / "other.conll").write_text("ab B-PER\ncd O\n")
    row = {"context": "a", "choices": ["a", "b", "c", "d"], "label": 0}
    (heads / "four.jsonl").write_text(json.dumps(row))
    return heads


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_clear_line(broken, mistake):
    arguments, words = MISTAKES[mistake]
    finished = run(*arguments, cwd=broken)
    assert finished.returncode == 2, finished.stderr
    line = finished.stderr.strip().splitlines()[-1]
    assert line.startswith("Error: ")
    for word in words:
        assert word in line


def test_a_submission_of_labels_that_glue_has_not(glue):
    arguments = ("--glue", "mnli", "--split", "test_matched", "--submission", "a.tsv")
    finished = run("evaluate", "plain", "--data", "GLUE", *arguments, cwd=glue)
    assert finished.returncode == 2
    assert "must be one of 'entailment', 'neutral'" in finished.stderr
    assert not (glue / "a.tsv").exists()


def test_the_labels_are_those_of_the_models(heads):
    assert load_model(heads / "token-classification.tflite").config.id2label == LABELS
