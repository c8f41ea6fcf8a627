"""profile_tflite: where the time of a .tflite goes, by kind of operation."""

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from statistics import mean

from tqdm import tqdm

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.benchmark import check_settings
from keras_squeezebert.tflite.graph_file import read_graph

_RUNNER = "keras_squeezebert.tflite.native_profiler"


@dataclass(frozen=True)
class OpTime:
    """Operations of a kind.

    Attributes:
        op: By XNNPACK's name; or by the schema's, such as "GATHER", where TFLite's own
            kernel ran it.
        count: How many there are in a run.
        ms: Their time in a run, all together.
        share: Of the whole run.
    """

    op: str
    count: int
    ms: float
    share: float


@dataclass(frozen=True)
class Profile:
    """Where the time of a file goes.

    Times are means over the half of the runs that took nearest to the median: other
    than medians, those of the parts add up.

    Attributes:
        threads: Threads of LiteRT.
        rounds: Runs, of which that half counts.
        ops: Kinds of operations, the one that takes longest first.
        sum_ms: Their sum. Each operation is measured in whole microseconds, rounded
            down, so that of a small model much is missing.
        whole_ms: The graph in the same runs, by the same profiler.
    """

    threads: int
    rounds: int
    ops: list[OpTime]
    sum_ms: float
    whole_ms: float


def profile_tflite(
    path: str | os.PathLike,
    threads: int = 1,
    rounds: int = 20,
    seed: int = 0,
    progress: bool = False,
) -> Profile:
    """Has LiteRT's own profiler measure the operations of a .tflite as it runs.

    The operations are those that run: XNNPACK fuses some of the graph's and splits
    others. The file runs in a process of its own.

    Args:
        path: A .tflite, of this package or of another program.
        threads: Threads of LiteRT.
        rounds: Runs, after a few to warm up.
        seed: Of the input, which is that of `benchmark_tflite`.
        progress: Whether to show a progress bar.

    Returns:
        A `Profile`; `dataclasses.asdict` makes JSON values of it.

    Raises:
        InputError: The file is missing, damaged or does not run, or a number is less
            than 1.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ... )
        >>> from keras_squeezebert.tflite import export_tflite
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> path = export_tflite(
        ...     SqueezeBertForSequenceClassification(config),
        ...     os.path.join(tempfile.mkdtemp(), "model.tflite"),
        ...     sequence_length=16,
        ... )
        >>> profile = profile_tflite(path, rounds=5)
        >>> {kind.op: kind.count for kind in profile.ops}["Softmax (NC, F32)"]
        1
        >>> profile.sum_ms < profile.whole_ms
        True
    """
    check_settings([path], [threads], rounds)
    read_graph(path)  # which says so if it is no .tflite
    runs = _typical(_runs(path, threads, rounds, seed, progress))
    whole_ms = mean(run["whole"] for run in runs) / 1e3
    ops = _op_times([run["ops"] for run in runs], whole_ms)
    return Profile(threads, rounds, ops, sum(kind.ms for kind in ops), whole_ms)


def _runs(path, threads, rounds, seed, progress):
    """What :func:`profiled_runs` yields, from another process."""
    settings = (os.fspath(path), str(threads), str(rounds), str(seed))
    with subprocess.Popen(
        [sys.executable, "-m", _RUNNER, *settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as child:
        lines = tqdm(child.stdout, desc="Profiling", total=rounds, disable=not progress)
        runs = [json.loads(line) for line in lines]
    problem = "it ends the process" if child.returncode else None
    if runs and "problem" in runs[-1]:
        problem = runs[-1]["problem"]
    if problem:
        raise InputError(f"LiteRT cannot profile the file. Received: {path}: {problem}")
    return runs


def _typical(runs):
    """The half of the runs in the middle, by their time."""
    runs = sorted(runs, key=lambda run: run["whole"])
    left_out = len(runs) // 4
    return runs[left_out : len(runs) - left_out]


def _op_times(runs, whole_ms):
    microseconds = Counter()
    for op, time in itertools.chain.from_iterable(runs):
        microseconds[op] += time
    kinds = []
    for op, count in Counter(op for op, _ in runs[0]).items():
        ms = microseconds[op] / len(runs) / 1e3
        kinds.append(OpTime(op, count, ms, ms / whole_ms))
    return sorted(kinds, key=lambda kind: kind.ms, reverse=True)
