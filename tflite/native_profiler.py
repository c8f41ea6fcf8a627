"""profiled_runs: runs of a .tflite, and the time of each operation, by LiteRT itself.

LiteRT's Python has no profiler. The library beneath it, libLiteRt, which the same
package installs, has one, and its C interface is public: the headers named here lie in
`litert/c/` of its sources. It ends the process on some damaged files, and its notes go
to stderr; so :mod:`keras_squeezebert.tflite.profile` runs this file as a process of its
own, whose end also frees what is made here.
"""

import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import ai_edge_litert
import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.benchmark import WARM_UP, random_values, read_inputs

# litert_common.h, litert_tensor_buffer_types.h
_CPU, _WRITE = 1, 1
# More than the size of any LiteRtRankedTensorType, which is only passed on here.
_TYPE_BYTES = 512
# litert_profiler_event.h: TFLite's own operations, those of a delegate, and all else.
_OPERATOR, _DELEGATE_OPERATOR, _OTHER = 1 << 1, 1 << 3, 1
# What a run of a graph is called.
_WHOLE = b"Invoke"
# Operations that run others, whose events come as well.
_OUTER = ("CALL", "CALL_ONCE", "IF", "WHILE")
# What XNNPACK calls a table that holds the result for each int8 value.
_TABLE = "Invalid Unary Op"


class Run(NamedTuple):
    """A run: its time, and names and times of its operations, in microseconds."""

    whole: int
    ops: list[tuple[str, int]]


class _Event(ctypes.Structure):
    """ProfiledEventData of litert_profiler_event.h."""

    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("event_type", ctypes.c_int),
        ("start_timestamp_us", ctypes.c_uint64),
        ("elapsed_time_us", ctypes.c_uint64),
        ("begin_mem_usage", ctypes.c_size_t * 3),
        ("end_mem_usage", ctypes.c_size_t * 3),
        ("event_metadata1", ctypes.c_uint64),
        ("event_metadata2", ctypes.c_uint64),
        ("event_source", ctypes.c_int),
    )


def profiled_runs(
    path: str | os.PathLike, threads: int, rounds: int, seed: int
) -> Iterator[Run]:
    """Runs a .tflite on random inputs, with LiteRT's profiler on.

    Args:
        path: The file.
        threads: Threads of LiteRT.
        rounds: Runs to yield, after a few to warm up.
        seed: Of the inputs, which are those of `benchmark_tflite`.

    Raises:
        InputError: The inputs cannot be made up.
        RuntimeError: LiteRT cannot run the file in this way.
    """
    inputs = read_inputs(path)
    model = _Model(path, threads)
    values = random_values(inputs, seed)
    names = [entry.name for entry in inputs]
    model.fill(dict(zip(names, values, strict=True)))
    for _ in range(WARM_UP):
        model.run()
    for _ in range(rounds):
        yield model.profiled_run()


class _Model:
    """A .tflite in the library, and buffers for its inputs and outputs."""

    def __init__(self, path, threads):
        self._library = _library()
        environment = self._made("LiteRtCreateEnvironment", 0, None)
        model = self._made("LiteRtCreateModelFromFile", environment, os.fsencode(path))
        options = self._options(threads)
        self._compiled = self._made(
            "LiteRtCreateCompiledModel", environment, model, options
        )
        self._signature = self._made("LiteRtGetModelSignature", model, _size(0))
        self._inputs = self._buffers("Input", environment)
        self._outputs = self._buffers("Output", environment)
        self._profiler = self._made("LiteRtCompiledModelGetProfiler", self._compiled)

    def fill(self, values):
        """Writes the inputs, arrays by name."""
        for number, buffer in enumerate(self._inputs):
            name = ctypes.c_char_p()
            self._call(
                "LiteRtGetSignatureInputName",
                self._signature,
                _size(number),
                ctypes.byref(name),
            )
            self._write(buffer, values[name.value.decode()])

    def run(self):
        arguments = [_size(0)]
        for buffers in (self._inputs, self._outputs):
            arguments += [
                _size(len(buffers)),
                (ctypes.c_void_p * len(buffers))(*buffers),
            ]
        self._call("LiteRtRunCompiledModel", self._compiled, *arguments)

    def profiled_run(self):
        self._call("LiteRtStartProfiler", self._profiler)  # it forgets the last run
        self.run()
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return Run(_whole(events), list(_ops(events)))

    def _options(self, threads):
        options = self._made("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, _CPU)
        # litert_runtime_options.h and litert_cpu_options.h, whose functions are not in
        # the library, write such lines. The library reads them later, where they are.
        self._lines = {
            b"runtime_options_string": b"enable_profiling = true\n",
            b"xnnpack": b"num_threads = %d\n" % threads,
        }
        for name, line in self._lines.items():
            group = self._made("LiteRtCreateOpaqueOptions", name, line, _KEEP)
            self._call("LiteRtAddOpaqueOptions", options, group)
        return options

    def _buffers(self, side, environment):
        """A buffer for each input or output of the signature."""
        count = ctypes.c_size_t()
        self._call(
            f"LiteRtGetNumSignature{side}s", self._signature, ctypes.byref(count)
        )
        buffers = []
        for number in map(_size, range(count.value)):
            tensor = self._made(
                f"LiteRtGetSignature{side}TensorByIndex", self._signature, number
            )
            tensor_type = ctypes.create_string_buffer(_TYPE_BYTES)
            self._call("LiteRtGetRankedTensorType", tensor, tensor_type)
            requirements = self._made(
                f"LiteRtGetCompiledModel{side}BufferRequirements",
                self._compiled,
                _size(0),
                number,
            )
            buffers.append(
                self._made(
                    "LiteRtCreateManagedTensorBufferFromRequirements",
                    environment,
                    tensor_type,
                    requirements,
                )
            )
        return buffers

    def _write(self, buffer, values):
        size = ctypes.c_size_t()
        self._call("LiteRtGetTensorBufferPackedSize", buffer, ctypes.byref(size))
        if size.value != values.nbytes:
            raise RuntimeError(f"an input has {size.value} bytes, not {values.nbytes}")
        memory = ctypes.c_void_p()
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(memory), _WRITE)
        ctypes.memmove(memory, np.ascontiguousarray(values).ctypes.data, size.value)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _made(self, function, *arguments):
        """What a function puts where its last argument points."""
        made = ctypes.c_void_p()
        self._call(function, *arguments, ctypes.byref(made))
        return made

    def _call(self, function, *arguments):
        status = getattr(self._library, function)(*arguments)
        if status:
            raise RuntimeError(f"{function} gives status {status}")


_size = ctypes.c_size_t
# The library wants a function that frees the options' text, which Python does.
_KEEP = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda text: None)


def _library():
    folder = Path(ai_edge_litert.__file__).parent
    found = sorted(folder.glob("libLiteRt.*"))
    if not found:
        raise RuntimeError(f"there is no libLiteRt in {folder}")
    return ctypes.CDLL(str(found[0]))


def _whole(events):
    """From the first operation to the last, without the copies of inputs."""
    # A loop's body is a graph in the graph: the longest is the whole.
    return max(
        event.elapsed_time_us
        for event in events
        if event.event_type == _OTHER and event.tag == _WHOLE
    )


def _ops(events):
    for event in events:
        if event.event_type not in (_OPERATOR, _DELEGATE_OPERATOR):
            continue
        name = event.tag.decode(errors="replace")
        if event.event_type == _DELEGATE_OPERATOR or name not in _OUTER:
            name = "Lookup table" if name == _TABLE else name
            yield name, event.elapsed_time_us


def _print_runs(path, threads, rounds, seed):
    """A line of JSON for each run, or one that says what the problem is."""
    try:
        for run in profiled_runs(path, threads, rounds, seed):
            print(json.dumps(run._asdict()), flush=True)
    except (AttributeError, InputError, LookupError, OSError, RuntimeError) as error:
        print(json.dumps({"problem": " ".join(str(error).split())}))


if __name__ == "__main__":
    _print_runs(sys.argv[1], *map(int, sys.argv[2:]))
