"""GLUE as data: its tasks, their files and labels, and one reader of them all."""

import logging
import math
import os
from dataclasses import dataclass
from pathlib import Path

from keras_squeezebert.data.examples import TextExamples
from keras_squeezebert.data.text_files import excerpt, listed, read_lines
from keras_squeezebert.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GlueFile:
    """A file of tab-separated fields, in which a quote is a character like any other.

    Args:
        path: The file, below the folder of all tasks.
        texts: Columns of the text or the two texts: their names in the header, or
            their positions in a file that has none.
        label: Column of the label. Files for the test have it or not.
        index: Column of the number that GLUE asks predictions to be sent in with.
        widths: Numbers of fields that a line of a file without a header may have.
        ids: A file with the ids of some of the pairs, of which `path` has more.
        wants_ids: Whether the examples are those pairs, or all others.
        is_damaged: Whether the official file has empty texts, which are kept, and
            lines that a line break within a text has broken: they have too few
            fields, and are left out and counted.
    """

    path: str
    texts: tuple[str | int, ...]
    label: str | int | None = "label"
    index: str | None = None
    widths: tuple[int, ...] = ()
    ids: str | None = None
    wants_ids: bool = False
    is_damaged: bool = False


@dataclass(frozen=True)
class GlueTask:
    """A task of GLUE.

    Args:
        files: By split, its file; of several, the first that there is.
        labels: As the files and the predictions for GLUE write them, in the order of
            their class ids, which is that of Hugging Face's `datasets`.
        metrics: Names of its metrics, of those in `keras_squeezebert.metrics`.
        submissions: By split, the file for its predictions in what is sent to GLUE.
        problem_type: As in `SqueezeBertConfig`.
        score_range: Of a regression, the least and the largest score.
    """

    files: dict[str, tuple[GlueFile, ...]]
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    submissions: dict[str, str]
    problem_type: str = "single_label_classification"
    score_range: tuple[float, float] | None = None


_SENTENCE = ("sentence",)
_SENTENCES = ("sentence1", "sentence2")
_QUESTIONS = ("question1", "question2")
_PARAPHRASES = ("#1 String", "#2 String")
_INFERENCE = ("entailment", "not_entailment")


def _files(folder, texts, splits=("train", "dev", "test"), **columns):
    """The files of most tasks: `train.tsv`, `dev.tsv` and `test.tsv`."""
    return {
        split: (GlueFile(f"{folder}/{split}.tsv", texts, index="index", **columns),)
        for split in splits
    }


GLUE = {
    "cola": GlueTask(
        files={
            # Source, label, the author's mark, sentence.
            "train": (GlueFile("CoLA/train.tsv", (3,), label=1, widths=(4,)),),
            "dev": (GlueFile("CoLA/dev.tsv", (3,), label=1, widths=(4,)),),
            "test": (GlueFile("CoLA/test.tsv", _SENTENCE, index="index"),),
        },
        labels=("0", "1"),
        metrics=("matthews",),
        submissions={"test": "CoLA.tsv"},
    ),
    "sst2": GlueTask(
        files=_files("SST-2", _SENTENCE),
        labels=("0", "1"),
        metrics=("accuracy",),
        submissions={"test": "SST-2.tsv"},
    ),
    "mrpc": GlueTask(
        files={
            # What GLUE's script makes of the authors' files, or these themselves.
            "train": (
                GlueFile("MRPC/train.tsv", _PARAPHRASES, "Quality"),
                GlueFile(
                    "MRPC/msr_paraphrase_train.txt",
                    *(_PARAPHRASES, "Quality"),
                    ids="MRPC/dev_ids.tsv",
                ),
            ),
            "dev": (
                GlueFile("MRPC/dev.tsv", _PARAPHRASES, "Quality"),
                GlueFile(
                    "MRPC/msr_paraphrase_train.txt",
                    *(_PARAPHRASES, "Quality"),
                    ids="MRPC/dev_ids.tsv",
                    wants_ids=True,
                ),
            ),
            "test": (
                GlueFile("MRPC/test.tsv", _PARAPHRASES, "Quality", "index"),
                GlueFile("MRPC/msr_paraphrase_test.txt", _PARAPHRASES, "Quality"),
            ),
        },
        labels=("0", "1"),
        metrics=("accuracy", "f1"),
        submissions={"test": "MRPC.tsv"},
    ),
    "stsb": GlueTask(
        files={
            **_files("STS-B", _SENTENCES, label="score"),
            # The authors' own file: genre, file, year, id, score, two sentences, and
            # for some genres where these come from.
            "test_labeled": tuple(
                GlueFile(f"STS-B/{name}", (5, 6), label=4, widths=(7, 9))
                for name in ("sts-test.csv", "sts-test-labeled.csv")
            ),
        },
        labels=(),
        metrics=("pearson_spearman",),
        submissions={"test": "STS-B.tsv"},
        problem_type="regression",
        score_range=(0.0, 5.0),
    ),
    "qqp": GlueTask(
        files={
            split: (
                GlueFile(
                    f"QQP/{split}.tsv",
                    *(_QUESTIONS, "is_duplicate", "id"),
                    is_damaged=True,
                ),
            )
            for split in ("train", "dev", "test")
        },
        labels=("0", "1"),
        metrics=("accuracy", "f1"),
        submissions={"test": "QQP.tsv"},
    ),
    "mnli": GlueTask(
        files=_files(
            "MNLI",
            _SENTENCES,
            ("train", "dev_matched", "dev_mismatched")
            + ("test_matched", "test_mismatched"),
            label="gold_label",
        ),
        labels=("entailment", "neutral", "contradiction"),
        metrics=("accuracy",),
        submissions={"test_matched": "MNLI-m.tsv", "test_mismatched": "MNLI-mm.tsv"},
    ),
    "qnli": GlueTask(
        files=_files("QNLI", ("question", "sentence")),
        labels=_INFERENCE,
        metrics=("accuracy",),
        submissions={"test": "QNLI.tsv"},
    ),
    "rte": GlueTask(
        files=_files("RTE", _SENTENCES),
        labels=_INFERENCE,
        metrics=("accuracy",),
        submissions={"test": "RTE.tsv"},
    ),
    "wnli": GlueTask(
        files=_files("WNLI", _SENTENCES),
        labels=("0", "1"),
        metrics=("accuracy",),
        submissions={"test": "WNLI.tsv"},
    ),
    # For models of MNLI.
    "ax": GlueTask(
        files={
            "test": tuple(
                GlueFile(f"{folder}/diagnostic.tsv", _SENTENCES, index="index")
                for folder in ("diagnostic", "AX", "MNLI")
            )
        },
        labels=("entailment", "neutral", "contradiction"),
        metrics=("matthews",),
        submissions={"test": "AX.tsv"},
    ),
}


def read_glue(folder: str | os.PathLike, task: str, split: str) -> TextExamples:
    r"""Reads a split of a task of GLUE, as GLUE's own download has it.

    Labels are as in the files ("0", "entailment", "3.800"); `GLUE[task].labels` has
    them in the order of their class ids. Those of a test are None if the file has
    none. Its examples are in the order of GLUE's index, so that the number of an
    example is what its prediction is sent in with.

    Every line is an example or an error. Only of QQP it is known that a few questions
    hold a line break: what it leaves of their lines, which has too few fields, is left
    out, as elsewhere, and their number is logged as a warning.

    Args:
        folder: The folder of all tasks, with `CoLA`, `SST-2` and so on in it.
        task: A key of `GLUE`: "cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli",
            "rte", "wnli" or "ax".
        split: "train", "dev" or "test"; of "mnli" "train", "dev_matched",
            "dev_mismatched", "test_matched" or "test_mismatched"; of "stsb" also
            "test_labeled", the authors' file; of "ax" only "test".

    Returns:
        The examples in the order of the file.

    Raises:
        InputError: There is no such task, split or file; the file lacks a column, a
            line has other fields than its header, an empty text, or a label that the
            task has not. The message tells the line.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "RTE").mkdir()
        >>> _ = (folder / "RTE" / "dev.tsv").write_text(
        ...     "index\tsentence1\tsentence2\tlabel\n"
        ...     "0\tIt rains in Oslo.\tOslo is wet.\tentailment\n"
        ... )
        >>> read_glue(folder, "rte", "dev")
        TextExamples(texts=['It rains in Oslo.'], labels=['entailment'],
        text_pairs=['Oslo is wet.'])

    Reference:
        Wang et al. 2019, "GLUE: A Multi-Task Benchmark and Analysis Platform for
        Natural Language Understanding". https://gluebenchmark.com
    """
    if task not in GLUE:
        raise InputError(
            f"`task` must be one of {listed(GLUE)}. Received: task={task!r}"
        )
    if split not in GLUE[task].files:
        raise InputError(
            f"`split` of {task!r} must be one of {listed(GLUE[task].files)}. Received: "
            f"split={split!r}"
        )
    file = _present(Path(folder), GLUE[task].files[split])
    path = Path(folder) / file.path
    texts, labels = [], []  # of the texts, as many columns as a text has
    for number, (where, record) in enumerate(_rows(Path(folder), file)):
        texts.append([_text(where, record, column, file) for column in file.texts])
        if file.label in record:
            labels.append(_label(where, record[file.label], GLUE[task]))
        elif not split.startswith("test"):
            raise _missing(where, file.label, record)
        # Elsewhere numbers may be missing, or be others', and matter to nobody.
        if file.index in record and split.startswith("test"):
            _check_index(where, record[file.index], number)
    if not texts:
        raise InputError(
            "A file of examples must have at least one. Received: no examples in "
            f"{path}"
        )
    first, *second = map(list, zip(*texts, strict=True))
    return TextExamples(first, labels or None, *second)


def _present(folder, files):
    for file in files:
        if (folder / file.path).exists():
            return file
    raise InputError(
        "The folder of GLUE must hold "
        f"{' or '.join(file.path for file in files)}. Received: {folder}"
    )


# === Rows


def _rows(folder, file):
    """Place and fields of each example, by their columns."""
    lines = read_lines(folder / file.path)
    rows = _headless(lines, file) if file.widths else _headed(lines, file, folder)
    if file.ids is None:
        return rows
    return _chosen(rows, folder / file.ids, file.wants_ids)


def _headless(lines, file):
    for where, line in lines:
        fields = line.split("\t")
        if len(fields) not in file.widths:
            raise InputError(
                f"{where}: expected {' or '.join(map(str, file.widths))} fields "
                f"between tabs, and no header. Received: {len(fields)} fields, "
                f"{excerpt(line)}"
            )
        yield where, dict(enumerate(fields))


def _headed(lines, file, folder):
    where, line = next(lines)
    header = line.split("\t")
    if len(set(header)) < len(header):
        raise InputError(
            f"{where}: the first line must name the columns, each once. Received: "
            f"{listed(header)}"
        )
    for column in file.texts:
        if column not in header:
            raise _missing(where, column, header)
    broken = []
    for where, line in lines:
        fields = line.split("\t")
        if file.is_damaged and len(fields) < len(header):
            broken.append(where.rpartition(" ")[2])
        elif len(fields) != len(header):
            raise InputError(
                f"{where}: expected a field for each of the columns {listed(header)}, "
                f"between tabs. Received: {len(fields)} fields, {excerpt(line)}"
            )
        else:
            yield where, dict(zip(header, fields, strict=True))
    if broken:
        logger.warning(
            "%s: left out %d lines that a line break has broken: %s",
            *(folder / file.path, len(broken), ", ".join(broken[:20])),
        )


def _chosen(rows, path, wanted):
    """Of the rows those whose pair of ids is in a file, or those whose is not."""
    ids = {tuple(line.split("\t")) for _, line in read_lines(path)}
    missing = set(ids)
    for where, record in rows:
        for column in ("#1 ID", "#2 ID"):
            if column not in record:
                raise _missing(where, column, record)
        pair = (record["#1 ID"], record["#2 ID"])
        missing.discard(pair)
        if (pair in ids) == wanted:
            yield where, record
    if missing:
        raise InputError(
            "Each line must be two ids of a pair, with a tab between them. Received: "
            f"{path} with {listed(min(missing))}, and no such pair"
        )


# === Fields


def _text(where, record, column, file):
    text = record[column]
    # A few questions of QQP are empty; they are scored as all others.
    if not text.strip() and not file.is_damaged:
        raise InputError(f"{where}: {column!r} must not be empty. Received: {text!r}")
    return text


def _label(where, label, task):
    if task.score_range is None:
        if label not in task.labels:
            raise InputError(
                f"{where}: the label must be one of {listed(task.labels)}. Received: "
                f"{excerpt(label)}"
            )
        return label
    least, largest = task.score_range
    try:
        score = float(label)
    except ValueError:
        score = math.nan
    if not least <= score <= largest:  # nor NaN
        raise InputError(
            f"{where}: the score must be a number from {least} to {largest}. "
            f"Received: {excerpt(label)}"
        )
    return label


def _check_index(where, index, number):
    if index != str(number):
        raise InputError(
            f"{where}: the examples of a test must be numbered from 0, or predictions "
            f"would go to others. Expected {number}. Received: {excerpt(index)}"
        )


def _missing(where, column, columns):
    return InputError(
        f"{where}: there must be a column {column!r}. Received: columns "
        f"{listed(columns)}"
    )
