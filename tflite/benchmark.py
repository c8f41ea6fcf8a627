"""benchmark_tflite: what .tflite files cost on this machine, measured in turns."""

import json
import math
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from tqdm import tqdm

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.graph_file import Graph, read_graph
from keras_squeezebert.tflite.partitions import Partitions, xnnpack_partitions

# Rounds that do not count: the first ones meet cold caches.
WARM_UP = 3


@dataclass(frozen=True)
class ModelInput:
    """An input, and what it is given.

    Attributes:
        name: By the signature, or else as the tensor.
        tensor: Name of the tensor.
        number: Its number.
        dtype: Numpy's type.
        shape: Sizes of its dimensions.
        low: Least of the integers it is given; None for floats, standard normal ones.
        high: The largest.
    """

    name: str
    tensor: str
    number: int
    dtype: type
    shape: tuple[int, ...]
    low: int | None
    high: int | None


@dataclass(frozen=True)
class OpWork:
    """Operations of a kind; `macs` is None of kinds that do not multiply matrices."""

    op: str
    count: int
    macs: int | None


@dataclass(frozen=True)
class Timing:
    """One file with one number of threads.

    Attributes:
        threads: Threads of the interpreter.
        load_ms: Making the interpreter and `allocate_tensors`, once, in a new process.
        first_ms: The first run there.
        peak_bytes: Growth of that process' peak of memory from before the load to after
            the first run. It counts what was read of the file, too, which the system
            can take back.
        min_ms: Of the runs in turns, the fastest.
        median_ms: Their median.
        ratio: The median to that of the first file with as many threads.
        gmacs_per_second: Multiply-accumulates of a run, by the median.
    """

    threads: int
    load_ms: float
    first_ms: float
    peak_bytes: int
    min_ms: float
    median_ms: float
    ratio: float
    gmacs_per_second: float


@dataclass(frozen=True)
class Benchmark:
    """What a file costs.

    Attributes:
        path: The file; None of a stand-in, which is gone by then.
        name: As much of the path as tells it from the other files.
        bytes: Its size.
        macs: Multiply-accumulates of a run, those of convolutions and matrix products,
            by the shapes in the graph.
        ops: Kinds of operations, those with most of these first.
        xnnpack: How XNNPACK divides the graph.
        timings: One for each number of threads.
    """

    path: str | None
    name: str
    bytes: int
    macs: int
    ops: list[OpWork]
    xnnpack: Partitions
    timings: list[Timing]


def benchmark_tflite(
    paths: Sequence[str | os.PathLike],
    threads: Sequence[int] = (1,),
    rounds: int = 50,
    seed: int = 0,
    progress: bool = False,
) -> list[Benchmark]:
    """Measures .tflite files, of this package or of others, against each other.

    In a round each file runs once, in random order: a busy machine slows them alike,
    so that the ratios hold where the milliseconds do not. A run is `invoke` alone, on
    random input in the ranges of :func:`read_inputs`.

    Args:
        paths: The files; all of them are in memory at once.
        threads: Threads of the interpreters, one measurement for each number.
        rounds: Runs of each file that count.
        seed: Of the input and the order.
        progress: Whether to show progress bars.

    Returns:
        A `Benchmark` for each file; `dataclasses.asdict` makes JSON values of it.

    Raises:
        InputError: A file is missing, damaged, given twice or does not run, or a number
            is less than 1.

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
        >>> (benchmark,) = benchmark_tflite([path], rounds=5)
        >>> benchmark.name, benchmark.xnnpack.count, benchmark.macs
        ('model.tflite', 1, 12608)
        >>> benchmark.timings[0].median_ms > 0
        True
    """
    check_settings(paths, threads, rounds)
    files = [_read(path) for path in paths]
    timings = [
        _timings(files, count, rounds, seed, progress)
        for count in dict.fromkeys(threads)
    ]
    return [
        Benchmark(
            path=os.fspath(file.path),
            name=name,
            bytes=file.graph.file_bytes,
            macs=file.macs,
            ops=file.ops,
            xnnpack=file.xnnpack,
            timings=list(of_file),
        )
        for file, name, of_file in zip(
            files, distinct_names(paths), zip(*timings, strict=True), strict=True
        )
    ]


class _File(NamedTuple):
    path: str | os.PathLike
    graph: Graph
    xnnpack: Partitions
    ops: list[OpWork]
    macs: int


def _read(path):
    """What is known of a file before it runs."""
    graph, xnnpack = read_graph(path), xnnpack_partitions(path)
    if xnnpack.count is None:
        raise InputError(
            f"LiteRT cannot run the file. Received: {path}: {xnnpack.problem}"
        )
    read_inputs(path)  # which says so if some cannot be made up
    ops = _op_work(graph.subgraphs[0])
    return _File(path, graph, xnnpack, ops, sum(kind.macs or 0 for kind in ops))


# === Settings


def check_settings(
    paths: Sequence[str | os.PathLike], threads: Sequence[int], rounds: int
) -> None:
    """Raises InputError unless there is something to measure, once each."""
    if not paths:
        raise InputError("At least one .tflite is needed. Received: none")
    if rounds < 1:
        raise InputError(f"`rounds` must be at least 1. Received: rounds={rounds}")
    if not threads or min(threads) < 1:
        raise InputError(
            f"`threads` must be numbers of at least 1. Received: {list(threads)}"
        )
    files = Counter(Path(path).resolve() for path in paths)
    file, times = files.most_common(1)[0]
    if times > 1:
        raise InputError(f"Each file is to be given once. Received: {file}, {times} ×")


def distinct_names(paths: Sequence[str | os.PathLike]) -> list[str]:
    """As many of the last parts of the paths as it takes to tell them apart.

    Example:
        >>> distinct_names(["runs/1/model.tflite", "runs/2/model.tflite"])
        ['1/model.tflite', '2/model.tflite']
    """
    parts = [Path(os.path.abspath(path)).parts for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        names = [os.path.join(*part[-length:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


# === Inputs


def read_inputs(path: str | os.PathLike) -> list[ModelInput]:
    """The inputs of a .tflite in its own order, and ranges that are right for them.

    Attention masks are ones and token types zeros, known by their names. Other integers
    go up to the last row of the table in which the graph looks them up, and up to 1 if
    it does so in none; quantized ones have the whole range of their type.

    Raises:
        InputError: No such file, no .tflite, or an input of text.

    Example:
        >>> read_inputs("missing.tflite")
        Traceback (most recent call last):
        keras_squeezebert.errors.InputError: No such file: missing.tflite
    """
    graph = read_graph(path)
    try:
        return _inputs(Interpreter(str(path)), graph)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path} is not a .tflite that can run: {error}") from None


def _inputs(interpreter, graph):
    names = {number: name for name, number in graph.inputs.items()}
    inputs = []
    for details in interpreter.get_input_details():
        tensor, number, dtype = (details[key] for key in ("name", "index", "dtype"))
        name = names.get(number, tensor)
        low, high = _range(name, np.dtype(dtype), number, graph.subgraphs[0])
        shape = tuple(map(int, details["shape"]))
        inputs.append(ModelInput(name, tensor, number, dtype, shape, low, high))
    return inputs


def _range(name, dtype, number, subgraph):
    if dtype.kind not in "iufb":
        raise InputError(
            f"Inputs of integers and floats can be made up. Received: {name}, {dtype}"
        )
    if "mask" in name or dtype.kind == "b":
        return 1, 1
    if dtype.kind == "f":
        return None, None
    if "token_type" in name:
        return 0, 0
    if dtype.itemsize < 4:
        return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    return 0, (_table_rows(subgraph, number) or 2) - 1


# Operations that look rows up: which of their inputs is the table, and which the ids.
_LOOKUPS = {"EMBEDDING_LOOKUP": (1, 0), "GATHER": (0, 1), "GATHER_ND": (0, 1)}
# What they give are integers, but not the ones they were given.
_OTHER_INTEGERS = ("ARG_MAX", "ARG_MIN", "RANK", "SHAPE")


def _table_rows(subgraph, number):
    """Rows of the smallest table in which an input's integers are looked up, or None.

    Between the two there may be operations on integers, such as CAST and RESHAPE.
    """
    reached, rows = {number}, []
    for op in subgraph.ops:
        table, ids = _lookup(subgraph.tensors, op)
        if ids in reached:
            rows.append(table.shape[-2])
        elif op.name not in _OTHER_INTEGERS and not reached.isdisjoint(op.inputs):
            reached.update(
                t for t in op.outputs if subgraph.tensors[t].dtype in ("INT32", "INT64")
            )
    return min(rows, default=None)


def _lookup(tensors, op):
    """The table of an operation that looks rows up, and the number of the ids."""
    if op.name not in _LOOKUPS or len(op.inputs) != 2:
        return None, None
    table, ids = (op.inputs[place] for place in _LOOKUPS[op.name])
    # What has more dimensions is hidden states, unless the file holds its values.
    shape, constant = tensors[table].shape, tensors[table].buffer is not None
    is_table = len(shape) == 2 or (len(shape) == 3 and shape[0] == 1 and constant)
    return (tensors[table], ids) if is_table else (None, None)


def fill(interpreter: Interpreter, graph: Graph, seed: int) -> None:
    """Gives an interpreter random inputs in the ranges of :func:`read_inputs`."""
    inputs = _inputs(interpreter, graph)
    for entry, values in zip(inputs, random_values(inputs, seed), strict=True):
        interpreter.set_tensor(entry.number, values)


def random_values(inputs: Sequence[ModelInput], seed: int) -> list[np.ndarray]:
    """Random arrays for inputs, each in its range."""
    rng = np.random.default_rng(seed)
    arrays = []
    for entry in inputs:
        if entry.low is None:
            values = rng.standard_normal(entry.shape)
        else:
            values = rng.integers(entry.low, entry.high, entry.shape, endpoint=True)
        arrays.append(np.asarray(values).astype(entry.dtype))
    return arrays


# === Work


def _op_work(subgraph):
    counts, macs = Counter(), Counter()
    for op in subgraph.ops:
        counts[op.name] += 1
        if op.name in _MATRIX_OPS:
            macs[op.name] += _macs(subgraph.tensors, op)
    kinds = [OpWork(op, count, macs.get(op)) for op, count in counts.most_common()]
    return sorted(kinds, key=lambda kind: kind.macs or 0, reverse=True)


_MATRIX_OPS = ("BATCH_MATMUL", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def _macs(tensors, op):
    """Each output is a sum of products; this is how many there are in all."""
    left, right = (tensors[t].shape for t in op.inputs[:2])
    output = tensors[op.outputs[0]].shape
    if op.name == "BATCH_MATMUL":  # either may be transposed: rows × summed, any order
        terms = math.prod(left[-2:]) // max(1, output[-2])
    elif op.name == "DEPTHWISE_CONV_2D":  # (1, height, width, channels)
        terms = math.prod(right[1:3])
    else:  # (channels, ...)
        terms = math.prod(right[1:])
    return math.prod(output) * terms


# === Time and memory


def _timings(files, threads, rounds, seed, progress):
    starts = [_start(file.path, threads, seed) for file in files]
    interpreters = [load(file.path, threads) for file in files]
    for interpreter, file in zip(interpreters, files, strict=True):
        fill(interpreter, file.graph, seed)
    title = f"{threads} thread" if threads == 1 else f"{threads} threads"
    turns = tqdm(range(rounds), desc=title, disable=not progress)
    seconds = _in_turns(interpreters, turns, seed)
    first = median(seconds[0])
    return [
        Timing(
            threads,
            **start,
            min_ms=1e3 * min(times),
            median_ms=1e3 * median(times),
            ratio=median(times) / first,
            gmacs_per_second=file.macs / median(times) / 1e9,
        )
        for file, start, times in zip(files, starts, seconds, strict=True)
    ]


def load(path: str | os.PathLike, threads: int) -> Interpreter:
    """A file in LiteRT, ready for its inputs."""
    interpreter = Interpreter(str(path), num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def _in_turns(interpreters, turns, seed):
    """Seconds of each run, a list for each interpreter."""
    for _ in range(WARM_UP):
        for interpreter in interpreters:
            interpreter.invoke()
    rng = np.random.default_rng(seed)
    seconds = [[] for _ in interpreters]
    for _ in turns:
        # In a fixed order, each would always meet the caches of the same other one.
        for number in rng.permutation(len(interpreters)):
            start = time.perf_counter()
            interpreters[number].invoke()
            seconds[number].append(time.perf_counter() - start)
    return seconds


def _start(path, threads, seed):
    """Load, first run and memory, in a process that has loaded nothing before."""
    child = subprocess.run(
        [sys.executable, "-m", __name__, os.fspath(path), str(threads), str(seed)],
        capture_output=True,
        text=True,
    )
    if child.returncode:
        problem = (child.stderr.strip() or "it ends the process").splitlines()[-1]
        raise InputError(f"LiteRT cannot run the file. Received: {path}: {problem}")
    return json.loads(child.stdout)


def _measured_start(path, threads, seed):
    graph, before, start = read_graph(path), _peak_bytes(), time.perf_counter()
    interpreter = load(path, threads)
    loaded = time.perf_counter()
    fill(interpreter, graph, seed)
    filled = time.perf_counter()
    interpreter.invoke()
    return {
        "load_ms": 1e3 * (loaded - start),
        "first_ms": 1e3 * (time.perf_counter() - filled),
        "peak_bytes": _peak_bytes() - before,
    }


def _peak_bytes():
    """The most memory that this process has had so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux' `ru_maxrss` starts at the peak of the process that started this one.
        kilobytes = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]
        return 1024 * int(kilobytes)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    print(json.dumps(_measured_start(sys.argv[1], *map(int, sys.argv[2:]))))
