"""benchmark_on_phone: .tflite files in the official benchmark_model, through adb.

Tested with a stand-in for `adb` and output in the form that `benchmark_model` gives it,
not with a phone.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.benchmark import (
    check_settings,
    distinct_names,
    read_inputs,
)

FOLDER = "/data/local/tmp"
BENCHMARK_MODEL = f"{FOLDER}/benchmark_model"
GRAPH = f"{FOLDER}/keras-squeezebert.tflite"


@dataclass(frozen=True)
class PhoneOp:
    """Operations of a kind, by `benchmark_model`'s name: milliseconds of a run."""

    op: str
    count: int
    avg_ms: float
    percent: float


@dataclass(frozen=True)
class PhoneTiming:
    """What `benchmark_model` said; None for what it did not say.

    Attributes:
        runs: Runs that count.
        avg_ms: Their mean, with op profiling on, which costs some time itself.
        min_ms: The fastest.
        max_ms: The slowest.
        std_ms: Their standard deviation.
        init_ms: Loading the file.
        first_ms: The first run.
        memory_mb: Growth of the memory from the start of the tool.
        ops: Kinds of operations, slowest first. Some versions of the tool tell XNNPACK
            as a whole, and then what is inside it once more.
    """

    runs: int | None
    avg_ms: float
    min_ms: float | None
    max_ms: float | None
    std_ms: float | None
    init_ms: float | None
    first_ms: float | None
    memory_mb: float | None
    ops: list[PhoneOp]


@dataclass(frozen=True)
class PhoneRun:
    """One file with one number of threads, and the command that measured it."""

    path: str
    name: str
    threads: int
    command: str
    timing: PhoneTiming


def benchmark_on_phone(
    paths: Sequence[str | os.PathLike],
    threads: Sequence[int] = (1,),
    rounds: int = 50,
    benchmark_model: str | os.PathLike | None = None,
    taskset: str | None = None,
    echo: Callable[[str], None] = lambda command: None,
) -> list[PhoneRun]:
    """Measures .tflite files one after another on the phone that `adb` reaches.

    It was tested with output in the form of `benchmark_model`'s, not with a phone.

    Args:
        paths: The files. Each is pushed to /data/local/tmp and removed again.
        threads: Threads of the interpreter, one measurement for each number.
        rounds: Runs that count; `benchmark_model` goes on for a second at least.
        benchmark_model: TensorFlow's or LiteRT's binary of this name for Android, to be
            pushed to /data/local/tmp; None if it is there.
        taskset: Mask of the cores to run on, in hexadecimal.
        echo: Called with each command before it runs.

    Raises:
        InputError: As `benchmark_tflite`; there is no `adb`, it fails, or what
            `benchmark_model` prints holds no timing.

    Example:
        >>> benchmark_on_phone([])
        Traceback (most recent call last):
        keras_squeezebert.errors.InputError: At least one .tflite is needed. ...
    """
    check_settings(paths, threads, rounds)
    arguments = [_input_arguments(read_inputs(path)) for path in paths]
    if benchmark_model is not None:
        _push(benchmark_model, BENCHMARK_MODEL)
        _adb("shell", shlex.join(["chmod", "+x", BENCHMARK_MODEL]))
    runs = []
    for path, name, inputs in zip(paths, distinct_names(paths), arguments, strict=True):
        _push(path, GRAPH)
        try:
            for count in dict.fromkeys(threads):
                command = _command(inputs, count, rounds, taskset)
                echo(shlex.join(["adb", "shell", command]))
                timing = parse_benchmark(_adb("shell", command))
                runs.append(PhoneRun(os.fspath(path), name, count, command, timing))
        finally:
            _adb("shell", shlex.join(["rm", "-f", GRAPH]))
    return runs


def phone_model() -> str:
    """The name of the phone."""
    return _adb("shell", "getprop ro.product.model").strip()


# === Commands


def _command(inputs, threads, rounds, taskset):
    """One line for the phone's shell."""
    prefix = ["taskset", taskset] if taskset else []
    options = {
        "graph": GRAPH,
        "num_threads": threads,
        "num_runs": rounds,
        "use_xnnpack": "true",
        "enable_op_profiling": "true",
        **inputs,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return shlex.join([*prefix, BENCHMARK_MODEL, *flags])


def _input_arguments(inputs):
    # Which is which goes by their order; of a name that differs from the tensor's the
    # tool only warns. It splits at "," and ":", and TensorFlow's names end in ":0".
    names = [re.sub("[,:]", "_", entry.tensor) for entry in inputs]
    return {
        "input_layer": ",".join(names),
        "input_layer_shape": ":".join(
            ",".join(map(str, entry.shape)) for entry in inputs
        ),
        "input_layer_value_range": ":".join(
            f"{name},{entry.low},{entry.high}"
            for name, entry in zip(names, inputs, strict=True)
            if entry.low is not None
        ),
    }


def _push(path, target):
    if not os.path.isfile(path):
        raise InputError(f"No such file: {path}")
    # adb takes what begins with "-" for an option.
    _adb("push", os.path.abspath(path), target)


def _adb(*arguments):
    """What adb prints, both its streams in one."""
    try:
        finished = subprocess.run(
            ["adb", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise InputError(
            "`adb`, of Android's platform tools, is needed on PATH. Received: none"
        ) from None
    if finished.returncode:
        command = shlex.join(["adb", *arguments])
        raise InputError(f"{command} failed. Received:\n{_end(finished.stdout)}")
    return finished.stdout


def _end(text):
    return "\n".join(text.rstrip().splitlines()[-5:]) or "(nothing)"


# === Output

_NUMBER = r"\d{1,15}(?:\.\d{1,15})?(?:e[+-]?\d{1,2})?"
_ROW = re.compile(rf"(\S.*?)\s+(\d{{1,9}})\s+({_NUMBER})\s+({_NUMBER})%\s")


def parse_benchmark(text: str) -> PhoneTiming:
    """Reads what `benchmark_model` prints.

    Raises:
        InputError: There is no timing in it.

    Example:
        >>> parse_benchmark(
        ...     "count=9 first=648 curr=562 min=548 max=658 avg=577 std=4\\n"
        ...     "count=50 first=581 curr=538 min=530 max=607 avg=550.4 std=15\\n"
        ... ).avg_ms
        0.5504
    """
    # The last line has no end if the output was cut off: its numbers may be, too.
    lines = [line.strip().removeprefix("INFO: ") for line in text.split("\n")[:-1]]
    counts = [line for line in lines if line.startswith("count=")]
    # The first are the warm-up runs.
    runs = _numbers(r"(\w+)=", counts[1]) if len(counts) > 1 else {}
    summary = _first(lines, "Inference timings in us:")
    times = _numbers(r"(Init|First inference|Inference \(avg\)): ", summary)
    memory = _numbers(r"(\w+)=", _first(lines, "Memory footprint", "Peak memory"))
    average = _ms(runs.get("avg", times.get("Inference (avg)")))
    if average is None:
        raise InputError(f"benchmark_model gave no timing. Received:\n{_end(text)}")
    return PhoneTiming(
        runs=int(runs["count"]) if "count" in runs else None,
        avg_ms=average,
        min_ms=_ms(runs.get("min")),
        max_ms=_ms(runs.get("max")),
        std_ms=_ms(runs.get("std")),
        init_ms=_ms(times.get("Init")),
        first_ms=_ms(times.get("First inference")),
        memory_mb=memory.get("overall"),
        ops=_ops(lines),
    )


def _first(lines, *beginnings):
    return next((line for line in lines if line.startswith(beginnings)), "")


def _numbers(label, line):
    """Numbers by the label that stands before each."""
    found = re.findall(rf"{label}({_NUMBER})(?![\w.])", line)
    return {name: float(number) for name, number in found}


def _ms(microseconds):
    return None if microseconds is None else microseconds / 1000


def _ops(lines):
    """Rows of the tables "Summary by node type", but of that of the initialization."""
    rows, in_runs, in_summary = [], False, False
    for line in lines:
        in_runs |= line.startswith("Operator-wise Profiling Info")
        if line.startswith("===="):
            in_summary = "Summary by node type" in line
        elif not line:
            in_summary = False
        row = _ROW.match(line)
        if in_runs and in_summary and row:
            op, count, average, percent = row.groups()
            rows.append(PhoneOp(op, int(count), float(average), float(percent)))
    return sorted(rows, key=lambda row: row.avg_ms, reverse=True)
