"""write_submission: predictions for a test of GLUE, in the form that is sent in."""

import math
import os
from collections.abc import Sequence
from pathlib import Path

from keras_squeezebert.data.glue import GLUE
from keras_squeezebert.data.text_files import listed
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file


def write_submission(
    path: str | os.PathLike,
    task: str,
    split: str,
    predictions: Sequence[str] | Sequence[float],
) -> Path:
    r"""Writes the predictions for a test of GLUE.

    A line is the number of an example and its label as GLUE's files write it. Scores
    are brought into the task's range, and have three decimals.

    Args:
        path: A file that ends in `.tsv`, or a folder, in which the file gets the name
            that GLUE wants.
        task: A key of `GLUE`.
        split: One of its tests, as in :func:`read_glue`.
        predictions: For each example, in the order of the test, the label, or of "stsb"
            the score.

    Returns:
        The path of the file.

    Raises:
        InputError: There is no such test, or a prediction is none of the task's labels,
            or no number.

    Example:
        >>> import tempfile
        >>> path = write_submission(tempfile.mkdtemp(), "stsb", "test", [2.5, 5.1])
        >>> path.name, path.read_text()
        ('STS-B.tsv', 'index\tprediction\n0\t2.500\n1\t5.000\n')

    Reference:
        https://gluebenchmark.com/faq
    """
    name = submission_name(task, split)
    lines = ["index\tprediction"]
    for number, prediction in enumerate(predictions):
        lines.append(f"{number}\t{_written(prediction, number, task)}")
    path = Path(path)
    if path.suffix.lower() != ".tsv":
        path = path / name
    with atomic_file(path) as draft:
        draft.write_bytes(("\n".join(lines) + "\n").encode())
    return path


def submission_name(task: str, split: str) -> str:
    """The name that GLUE wants for the file of a test.

    Raises:
        InputError: There is no such test.

    Example:
        >>> submission_name("mnli", "test_matched")
        'MNLI-m.tsv'
    """
    if task not in GLUE:
        raise InputError(
            f"`task` must be one of {listed(GLUE)}. Received: task={task!r}"
        )
    names = GLUE[task].submissions
    if split not in names:
        raise InputError(
            f"Predictions are sent in for a test: of {task!r} `split` must be one of "
            f"{listed(names)}. Received: split={split!r}"
        )
    return names[split]


def _written(prediction, number, task):
    """A prediction as GLUE wants it."""
    labels, score_range = GLUE[task].labels, GLUE[task].score_range
    if score_range is None:
        if prediction not in labels:
            raise InputError(
                f"A prediction for {task!r} must be one of {listed(labels)}: the "
                "model's labels must be named so. Received: "
                f"predictions[{number}]={prediction!r}"
            )
        return prediction
    if not isinstance(prediction, int | float) or not math.isfinite(prediction):
        raise InputError(
            f"A prediction for {task!r} must be a finite number. Received: "
            f"predictions[{number}]={prediction!r}"
        )
    least, largest = score_range
    return f"{min(max(prediction, least), largest):.3f}"
