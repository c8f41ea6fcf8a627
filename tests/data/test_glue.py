"""read_glue: every task in GLUE's own form, its traps, and the table of tasks."""

import logging
import shutil

import pytest
from reading import FORMATS, error_of, written

from keras_squeezebert.data import GLUE, TextExamples, read_glue
from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics import METRICS

FOLDER = FORMATS / "glue"

# Of the files that gluebenchmark.com takes.
NAMES_FOR_GLUE = [
    *("CoLA", "SST-2", "MRPC", "STS-B", "QQP", "MNLI-m", "MNLI-mm", "QNLI", "RTE"),
    *("WNLI", "AX"),
]

ALL_SPLITS = [(task, split) for task in GLUE for split in GLUE[task].files]


@pytest.mark.parametrize(("task", "split"), ALL_SPLITS)
def test_every_split_of_every_task(task, split):
    examples = read_glue(FOLDER, task, split)
    assert len(examples) > 0
    if split.startswith(("train", "dev")):
        assert examples.labels is not None
    if task == "stsb":
        assert GLUE[task].problem_type == "regression"
        if examples.labels is not None:
            assert examples.label_values().max() <= 5
    elif examples.labels is not None:
        assert set(examples.labels) <= set(GLUE[task].labels)
    is_single = task in ("cola", "sst2")
    assert (examples.text_pairs is None) == is_single


@pytest.mark.parametrize(
    ("task", "split", "expected"),
    [
        (
            "cola",
            "train",
            TextExamples(
                [
                    "The cat that I fed sleeps.",
                    "Cat the fed sleeps that.",
                    '"Sleep" is what it says.',
                ],
                ["1", "0", "1"],
            ),
        ),
        ("cola", "test", TextExamples(["The dog barked.", "Barked dog."])),
        (
            "sst2",
            "train",
            TextExamples(
                [
                    "a warm and funny evening ",
                    "nobody laughed ",
                    '" loud " is all it is ',
                ],
                ["1", "0", "0"],
            ),
        ),
        (
            "mrpc",
            "train",
            TextExamples(
                ['The mayor said " no " on Monday .', "It opens in May ."],
                ["1", "1"],
                ['On Monday , the mayor said " no .', "It will open in May ."],
            ),
        ),
        (
            "mrpc",
            "dev",
            TextExamples(
                ["Shares rose 3 percent ."], ["0"], ["Shares fell 3 percent ."]
            ),
        ),
        ("mrpc", "test", TextExamples(["He left ."], ["0"], ["She stayed ."])),
        (
            "stsb",
            "train",
            TextExamples(
                ["A man is cooking.", "Rain is coming."],
                ["3.800", "5.000"],
                ["Someone cooks.", '"Rain" is coming.'],
            ),
        ),
        ("stsb", "test", TextExamples(["A boy swims."], None, ["A girl swims."])),
        (
            "stsb",
            "test_labeled",
            TextExamples(
                ["A boy swims.", "Why?"],
                ["2.500", "1.000"],
                ["A girl swims.", "How, then?"],
            ),
        ),
        (
            "mnli",
            "dev_mismatched",
            TextExamples(["Bo runs."], ["contradiction"], ["Bo is mismatched."]),
        ),
        (
            "mnli",
            "test_matched",
            TextExamples(
                ["Bo runs.", "Bo sits."], None, ["Bo is not matched.", "Bo sits down."]
            ),
        ),
        (
            "qnli",
            "dev",
            TextExamples(["How long is it?"], ["entailment"], ['"It" is 30 m long.']),
        ),
        (
            "ax",
            "test",
            TextExamples(
                ["No cat sleeps.", "A cat sleeps."],
                None,
                ["A cat sleeps.", "An animal sleeps."],
            ),
        ),
    ],
)
def test_what_is_read(task, split, expected):
    assert read_glue(str(FOLDER), task, split) == expected


def test_broken_lines_of_qqp_are_left_out_and_counted(caplog):
    with caplog.at_level(logging.WARNING):
        examples = read_glue(FOLDER, "qqp", "train")
    assert examples.text_pairs == ["How is an egg boiled?", "Is this empty?"]
    assert examples.texts[1] == ""  # scored as any other
    (record,) = caplog.records
    assert record.getMessage().endswith(
        "left out 2 lines that a line break has broken: 3, 4"
    )


def test_a_broken_line_in_a_test_is_an_error(tmp_path):
    """Or all predictions after it would go to the wrong questions."""
    lines = "id\tquestion1\tquestion2\n0\ta\tb\n1\tc\n2\td\te\n"
    path = written(tmp_path, "QQP/test.tsv", lines)
    message = error_of(read_glue, tmp_path, "qqp", "test", names=path)
    assert "line 4: the examples of a test must be numbered from 0" in message
    assert "Expected 1. Received: '2'" in message


def test_mrpc_as_the_script_of_glue_writes_it(tmp_path):
    pair = "#1 ID\t#2 ID\t#1 String\t#2 String"
    written(tmp_path, "MRPC/train.tsv", f'Quality\t{pair}\n1\t5\t6\ta "\tb\n')
    written(tmp_path, "MRPC/test.tsv", f"index\t{pair}\n0\t7\t8\tc\td\n")
    shutil.copytree(FOLDER / "MRPC", tmp_path / "MRPC", dirs_exist_ok=True)
    assert read_glue(tmp_path, "mrpc", "train") == TextExamples(['a "'], ["1"], ["b"])
    assert read_glue(tmp_path, "mrpc", "test") == TextExamples(["c"], None, ["d"])
    assert read_glue(tmp_path, "mrpc", "dev") == read_glue(FOLDER, "mrpc", "dev")


def test_ids_of_mrpc_that_no_pair_has(tmp_path):
    shutil.copytree(FOLDER / "MRPC", tmp_path / "MRPC")
    path = written(tmp_path, "MRPC/dev_ids.tsv", "13\t14\n98\t99\n")
    message = error_of(read_glue, tmp_path, "mrpc", "dev", names=path)
    assert "'98', '99'" in message
    path.unlink()
    assert "No such file" in error_of(read_glue, tmp_path, "mrpc", "dev", names=path)


@pytest.mark.parametrize(
    ("task", "split", "name", "content", "part"),
    [
        ("cola", "dev", "CoLA", "x\t1\t\n", "line 1: expected 4 fields"),
        ("cola", "dev", "CoLA", "a\tlabel\tb\tc\n", "line 1: the label must be one of"),
        (
            "cola",
            "dev",
            "CoLA",
            "x\t1\t\ta\nx\t0\t\t \n",
            "line 2: 3 must not be empty",
        ),
        (
            "sst2",
            "dev",
            "SST-2",
            "text\tlabel\na\t1\n",
            "line 1: there must be a column",
        ),
        (
            "sst2",
            "dev",
            "SST-2",
            "sentence\na\n",
            "line 2: there must be a column 'label'",
        ),
        (
            "sst2",
            "dev",
            "SST-2",
            "sentence\tlabel\na\t1\nb\n",
            "line 3: expected a field",
        ),
        ("sst2", "dev", "SST-2", 'sentence\tlabel\na\t"\t1\n', "Received: 3 fields"),
        ("sst2", "dev", "SST-2", "sentence\tlabel\na\t2\n", "'0', '1'. Received: '2'"),
        ("sst2", "dev", "SST-2", "sentence\tlabel\n", "no examples"),
        ("sst2", "dev", "SST-2", "sentence\tsentence\na\tb\n", "each once"),
        ("sst2", "dev", "SST-2", "", "empty"),
        ("sst2", "dev", "SST-2", "sentence\tlabel\na\0\t1\n", "line 2: save"),
        ("sst2", "dev", "SST-2", b"sentence\tlabel\n\xe9\t1\n", "line 2: save"),
        ("rte", "dev", "RTE", "sentence1\tsentence2\tlabel\na\tb\tneutral\n", "line 2"),
        (
            "stsb",
            "dev",
            "STS-B",
            "sentence1\tsentence2\tscore\na\tb\t5.1\n",
            "0.0 to 5.0",
        ),
        ("stsb", "dev", "STS-B", "sentence1\tsentence2\tscore\na\tb\tnan\n", "'nan'"),
        ("stsb", "dev", "STS-B", "sentence1\tsentence2\tscore\na\tb\tx\n", "'x'"),
        (
            "qqp",
            "dev",
            "QQP",
            "id\tquestion1\tquestion2\tis_duplicate\n1\ta\n",
            "no exam",
        ),
        (
            *("qqp", "dev", "QQP"),
            "id\tquestion1\tquestion2\tis_duplicate\n1\ta\tb\tc\t0\n",
            "line 2: expected a field for each",
        ),
    ],
)
def test_errors_tell_the_line(tmp_path, task, split, name, content, part):
    path = written(tmp_path, f"{name}/{split}.tsv", content)
    assert part in error_of(read_glue, tmp_path, task, split, names=path)


def test_labels_that_others_have(tmp_path):
    """The original MNLI marks with "-" what its annotators could not agree on."""
    header = "index\tsentence1\tsentence2\tgold_label\n"
    path = written(tmp_path, "MNLI/dev_matched.tsv", header + "0\ta\tb\t-\n")
    message = error_of(read_glue, tmp_path, "mnli", "dev_matched", names=path)
    assert "'entailment', 'neutral', 'contradiction'. Received: '-'" in message


@pytest.mark.parametrize(
    ("task", "split", "part"),
    [
        ("snli", "train", "'cola', 'sst2'"),
        ("sst2", "validation", "'train', 'dev', 'test'"),
        ("mnli", "dev", "'dev_matched', 'dev_mismatched'"),
        ("ax", "dev", "must be one of 'test'"),
    ],
)
def test_tasks_and_splits_that_are_not_there(task, split, part):
    with pytest.raises(InputError, match=part):
        read_glue(FOLDER, task, split)


def test_files_that_are_not_there(tmp_path):
    message = error_of(read_glue, tmp_path, "mrpc", "train")
    assert "MRPC/train.tsv or MRPC/msr_paraphrase_train.txt" in message
    (tmp_path / "RTE" / "dev.tsv").mkdir(parents=True)
    assert "Is a directory" in error_of(read_glue, tmp_path, "rte", "dev")


def test_the_table_is_whole():
    for task in GLUE.values():
        assert (task.problem_type == "regression") == (not task.labels)
        assert (task.problem_type == "regression") == (task.score_range is not None)
        assert task.metrics
        assert set(task.metrics) <= set(METRICS)
        assert set(task.submissions) <= set(task.files)
    submissions = [name for task in GLUE.values() for name in task.submissions.values()]
    assert sorted(submissions) == sorted(f"{name}.tsv" for name in NAMES_FOR_GLUE)
