"""The table of heads: each finds its task, its data and its options."""

import json
from unittest import mock

import click
import pytest

from keras_squeezebert import data, models, tasks
from keras_squeezebert.cli.heads import (
    HEADS,
    all_head_options,
    check_options,
    head_of,
)
from keras_squeezebert.data import (
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import METRICS


def values_of(head, *arguments):
    """What a command with the options of one head gets."""

    @click.command()
    def command(**values):
        return values

    for option in head.options:
        command = option(command)
    return command(list(map(str, arguments)), standalone_mode=False)


def read(name, path, *arguments, **kwargs):
    head = HEADS[name]
    return head.read(path, values_of(head, *arguments), **kwargs)


# === The table


@pytest.mark.parametrize("name", HEADS)
def test_a_head_fits_its_task_and_model(name):
    head = HEADS[name]
    assert head.name == name
    task = head.task(values_of(head))
    assert task.model_class is getattr(models, head.architecture)
    assert head_of(head.architecture) is head
    # Its defaults are those of the library.
    assert task == type(task)()
    fields = getattr(data, head.container).__dataclass_fields__
    assert head.labels is None or head.labels in fields
    assert head.summary.endswith(".") and head.options


@pytest.mark.parametrize(
    ("name", "arguments", "task"),
    [
        (
            "sequence-classification",
            ("--threshold", 0.3, "--metric", "matthews"),
            tasks.SequenceClassification(threshold=0.3, metric_name="matthews"),
        ),
        (
            "question-answering",
            ("--doc-stride", 5, "--max-question-length", 6, "--max-answer-length", 7)
            + ("--no-answer-threshold", -1.5),
            tasks.QuestionAnswering(
                doc_stride=5,
                max_question_length=6,
                max_answer_length=7,
                no_answer_threshold=-1.5,
            ),
        ),
        (
            "masked-lm",
            ("--mask-rate", 0.3, "--whole-words"),
            tasks.MaskedLM(rate=0.3, whole_words=True),
        ),
    ],
)
def test_options_become_fields(name, arguments, task):
    assert HEADS[name].task(values_of(HEADS[name], *arguments)) == task


def test_the_masks_follow_a_commands_seed():
    values = {**values_of(HEADS["masked-lm"]), "seed": 7}
    assert HEADS["masked-lm"].task(values) == tasks.MaskedLM(seed=7)


@pytest.mark.parametrize("task", data.GLUE)
def test_glue_brings_its_metric(task):
    """Of two, the one that computes both."""
    head = HEADS["sequence-classification"]
    found = head.task(values_of(head, "--glue", task))
    figures = data.GLUE[task].metrics
    if len(figures) > 1:
        labels = [0, 1, 1]
        assert set(figures) <= set(METRICS[found.metric_name].compute(labels, labels))
    else:
        assert (found.metric_name,) == figures
    chosen = head.task(values_of(head, "--glue", task, "--metric", "accuracy"))
    assert chosen.metric_name == "accuracy"


def test_other_classes_have_no_head():
    with pytest.raises(InputError, match="Received: SqueezeBertModel"):
        head_of("SqueezeBertModel")


def test_the_length_of_rows():
    question, text = HEADS["question-answering"], HEADS["sequence-classification"]
    assert question.row_length(512) == 384 and question.row_length(24) == 24
    assert text.row_length(512) == 512 and text.row_length(512, 64) == 64
    with pytest.raises(InputError, match="--max-length=513"):
        text.row_length(512, 513)


# === Options of all heads


@click.command()
@all_head_options
def every_option(**values):
    return values


def test_every_option_is_there_once_and_says_for_which_heads():
    names = [option.name for option in every_option.params]
    assert len(names) == len(set(names))
    assert set(names) == {o.name for head in HEADS.values() for o in head.options}
    for option in every_option.params:
        heads, _, text = option.help.partition(": ")
        assert text and set(heads.split(", ")) <= set(HEADS)
    label = next(o for o in every_option.params if o.name == "label_column")
    assert label.help.startswith("sequence-classification, multiple-choice: ")


@pytest.mark.parametrize("name", HEADS)
def test_options_of_other_heads_are_refused(name):
    own = {option.name for option in HEADS[name].options}
    for option in every_option.params:
        value = [] if option.is_flag else ["1"]
        arguments = [option.opts[0], *value]
        with every_option.make_context("x", arguments):
            if option.name in own:
                check_options(HEADS[name])
            else:
                with pytest.raises(InputError, match=f"^{option.opts[0]} is for "):
                    check_options(HEADS[name])


def test_defaults_are_not_refused():
    with every_option.make_context("x", []):
        for head in HEADS.values():
            check_options(head)


# === Reading


def test_texts(tmp_path):
    (tmp_path / "a.tsv").write_text("a\tb\tc\nab\tcd\tx|y\nef\tgh\t\n")
    columns = ("--text-column", "a", "--text-pair-column", "b", "--label-column", "c")
    examples = read(
        "sequence-classification", tmp_path / "a.tsv", *columns, "--label-separator=|"
    )
    assert examples == TextExamples(
        ["ab", "ef"], [["x", "y"], []], text_pairs=["cd", "gh"]
    )
    assert HEADS["sequence-classification"].are_labelled(examples)
    path = tmp_path / "a.tsv"
    examples = read("sequence-classification", path, "--text-column=b", labelled=False)
    assert examples == TextExamples(["cd", "gh"])
    assert not HEADS["sequence-classification"].are_labelled(examples)


def test_splits_of_glue(tmp_path):
    header = "index\tsentence1\tsentence2\tgold_label\n"
    for split in ("train", "dev_matched", "dev_mismatched"):
        file = tmp_path / "MNLI" / f"{split}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{header}0\t{split}\tb\tneutral\n")
    for split, found in (
        ("train", "train"),
        ("dev", "dev_matched"),
        ("dev_mismatched", "dev_mismatched"),
    ):
        examples = read(
            "sequence-classification", tmp_path, "--glue", "mnli", split=split
        )
        assert examples.texts == [found]


def test_words(tmp_path):
    expected = TokenExamples([["to", "Rome"]], [["O", "B-LOC"]])
    (tmp_path / "a.conll").write_text("to O\nRome I-LOC\n")
    (tmp_path / "b").write_text("O x to\nI-LOC y Rome\n")
    (tmp_path / "c.jsonl").write_text('{"tokens": "to Rome", "tags": "O I-LOC"}')
    (tmp_path / "d.csv").write_text("w,t\nto Rome,O I-LOC\n")
    columns = {
        "a.conll": (),
        "b": ("--tokens-column", 2, "--tags-column", 0),
        "c.jsonl": (),
        "d.csv": ("--tokens-column", "w", "--tags-column", "t"),
    }
    for name, arguments in columns.items():
        path = tmp_path / name
        scheme = ("--tag-scheme", "IOB1")
        assert read("token-classification", path, *arguments, *scheme) == expected
        bare = read("token-classification", path, *arguments, labelled=False)
        assert bare == TokenExamples([["to", "Rome"]])


def test_questions(tmp_path):
    answer = {"text": "mat", "answer_start": 0}
    question = {"id": "q1", "question": "Where?", "answers": [answer]}
    passage = {"context": "On the mat.", "qas": [question]}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [passage]}]}))
    with pytest.raises(InputError, match="answer_start"):
        read("question-answering", path)
    examples = read("question-answering", path, "--repair")
    assert isinstance(examples, QuestionExamples)
    assert examples.answers[0][0].start == 7


SWAG = "sent1,sent2,ending0,ending1,ending2,ending3,label\nA.,It,is,was,has,had,2\n"


def test_choices(tmp_path):
    (tmp_path / "val.csv").write_text(SWAG)
    (tmp_path / "codah.tsv").write_text("o\tIt,context,\tis\twas\thas\thad\t2\n")
    (tmp_path / "a.csv").write_text('"context",a,b,gold\nIt,is,was,1\n')
    (tmp_path / "a.jsonl").write_text('{"it": "It", "c": ["is", "was"], "label": 1}')

    def choices(name, *arguments, **kwargs):
        return read("multiple-choice", tmp_path / name, *arguments, **kwargs)

    endings = ["is", "was", "has", "had"]
    swag = ChoiceExamples(["A."], [[f"It {ending}" for ending in endings]], [2])
    assert choices("val.csv") == swag
    assert choices("codah.tsv") == ChoiceExamples(["It,context,"], [endings], [2])
    table = ("--choices-column", "a", "--choices-column", "b", "--label-column", "gold")
    expected = ChoiceExamples(["It"], [["is", "was"]], [1])
    assert choices("a.csv", *table) == expected
    lines = ("--context-column", "it", "--choices-column", "c")
    assert choices("a.jsonl", *lines) == expected
    assert choices("a.jsonl", *lines, labelled=False).labels is None
    # Columns that are named are read, though the file is SWAG's.
    named = ("--context-column", "sent1", "--choices-column", "ending0")
    named = choices("val.csv", *named, "--choices-column", "ending2", labelled=False)
    assert named == ChoiceExamples(["A."], [["is", "has"]])


def test_documents(tmp_path):
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    examples = read("masked-lm", tmp_path / "a.txt")
    assert examples == TextExamples(["one", "two"])
    assert HEADS["masked-lm"].are_labelled(examples)


@pytest.mark.parametrize(
    ("name", "head", "split", "asked_for"),
    [
        ("glue/sst2", "sequence-classification", "train", "train"),
        ("glue/mnli", "sequence-classification", "dev", "dev_matched"),
    ],
)
def test_data_sets_by_name(tmp_path, monkeypatch, name, head, split, asked_for):
    """A file of that name comes first; the set must be one for the head."""
    monkeypatch.chdir(tmp_path)
    examples = TextExamples(["a"], ["b"])
    with mock.patch.object(data, "read_dataset", return_value=examples) as reader:
        assert read(head, name, split=split) is examples
        reader.assert_called_once_with(name, asked_for)
        with pytest.raises(InputError, match="must be QuestionExamples"):
            read("question-answering", name, split=split)
        (tmp_path / "glue").mkdir()
        (tmp_path / name).write_text("text,label\n")
        with pytest.raises(InputError, match=r"must be one of \.csv"):
            read(head, name)
