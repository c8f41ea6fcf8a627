"""GLUE's table: its columns, the paper's row, and the row of one's own results."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

# By task and seed: the settings of a training, and its figures on the dev set.
Results = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Args:
        name: As GLUE's leaderboard has it.
        task: A key of `GLUE`.
        figures: The metrics whose mean it shows.
        paper: What the paper has in it, of the tests; None if it has none, or it was
            not at hand.
    """

    name: str
    task: str
    figures: tuple[str, ...]
    paper: float | None = None


# The paper's figures are those of GLUE's server for SqueezeBERT: Iandola et al. 2020,
# arXiv 2006.11316.
COLUMNS = (
    Column("MNLI-m", "mnli", ("accuracy",), 0.820),
    Column("MNLI-mm", "mnli", ("mismatched_accuracy",), 0.811),
    Column("QQP", "qqp", ("accuracy", "f1"), 0.803),
    Column("QNLI", "qnli", ("accuracy",), 0.901),
    Column("SST-2", "sst2", ("accuracy",), 0.914),
    Column("CoLA", "cola", ("matthews",), 0.465),
    Column("STS-B", "stsb", ("pearson", "spearman")),
    Column("MRPC", "mrpc", ("accuracy", "f1"), 0.878),
    Column("RTE", "rte", ("accuracy",), 0.732),
    Column("WNLI", "wnli", ("accuracy",)),
)


def columns_of(task: str) -> list[Column]:
    """The columns of a task; MNLI has two.

    Example:
        >>> [column.name for column in columns_of("mnli")]
        ['MNLI-m', 'MNLI-mm']
    """
    return [column for column in COLUMNS if column.task == task]


def score(column: Column, figures: dict[str, float | None]) -> float | None:
    """What stands in a column, of the figures of one training.

    Example:
        >>> score(*columns_of("mrpc"), {"accuracy": 0.5, "f1": 0.75, "recall": 1.0})
        0.625
    """
    values = [figures[name] for name in column.figures]
    return None if None in values else statistics.mean(values)


def best_seed(task: str, results: dict[str, dict[str, Any]]) -> str:
    """The seed whose model is the best on the dev set.

    Args:
        task: A key of `RECIPES`.
        results: Its results, by seed.

    Example:
        >>> results = {
        ...     "0": {"figures": {"accuracy": 0.5}}, "1": {"figures": {"accuracy": 0.7}}
        ... }
        >>> best_seed("rte", results)
        '1'
    """
    first = columns_of(task)[0]

    def quality(seed):
        value = score(first, results[seed]["figures"])
        return -math.inf if value is None else value

    return max(results, key=quality)


def summarize(results: Results) -> dict[str, dict[str, float | int | None]]:
    """The row of a table, of several seeds.

    Args:
        results: Of a `GlueRow`.

    Returns:
        By column: `best`, that of the best seed, `mean`, and `spread`, the standard
        deviation of a sample; all None where a score is none, and `spread` for a single
        seed. `seeds`, how many there are; and `paper_test`, the paper's figure.

    Example:
        >>> results = {
        ...     "0": {"figures": {"accuracy": 0.5}}, "1": {"figures": {"accuracy": 0.7}}
        ... }
        >>> row = summarize({"rte": results})
        >>> [round(row["RTE"][name], 3) for name in ("best", "mean", "spread")]
        [0.7, 0.6, 0.141]
    """
    row = {}
    for column in COLUMNS:
        of_task = results.get(column.task)
        if not of_task:
            continue
        scores = {s: score(column, result["figures"]) for s, result in of_task.items()}
        values = list(scores.values())
        are_whole = None not in values
        row[column.name] = {
            "best": scores[best_seed(column.task, of_task)],
            "mean": statistics.mean(values) if are_whole else None,
            "spread": (
                statistics.stdev(values) if are_whole and len(values) > 1 else None
            ),
            "seeds": len(values),
            "paper_test": column.paper,
        }
    return row
