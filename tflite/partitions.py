"""xnnpack_partitions: what of a .tflite runs in XNNPACK, in how many pieces."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import asdict, dataclass, field

from ai_edge_litert.interpreter import Interpreter

DELEGATE = "DELEGATE"


@dataclass(frozen=True)
class Partitions:
    """How XNNPACK, LiteRT's library for CPUs, divides the graph.

    Attributes:
        count: Pieces that run in XNNPACK; between two of them TFLite's own kernels
            run. None if LiteRT cannot run the file.
        ops: Operations in these pieces.
        outside: Operations left to TFLite's own kernels, how many of each kind.
        problem: Why LiteRT cannot run the file.
    """

    count: int | None = None
    ops: int = 0
    outside: dict[str, int] = field(default_factory=dict)
    problem: str | None = None


def xnnpack_partitions(path: str | os.PathLike) -> Partitions:
    """Has LiteRT prepare a .tflite as an app would, and looks at what it made of it.

    Args:
        path: A .tflite.

    Returns:
        The partitions on this machine, with its version of LiteRT.

    Example:
        >>> xnnpack_partitions("missing.tflite").problem
        "Could not open 'missing.tflite'..."
    """
    # Of a damaged file LiteRT ends the process: it gets one of its own.
    child = subprocess.run(
        [sys.executable, "-m", __name__, os.fspath(path)],
        capture_output=True,
        text=True,
    )
    if child.returncode:
        return Partitions(problem="it ends the process, as it does of damaged files")
    return Partitions(**json.loads(child.stdout))


def _partitions(path):
    try:
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
        # There is no public way: LiteRT tells the partitions to no one.
        nodes = interpreter._get_ops_details()
    except (RuntimeError, ValueError) as error:
        return Partitions(problem=" ".join(str(error).split()))
    delegates = [node for node in nodes if node["op_name"] == DELEGATE]
    ops = [node for node in nodes if node["op_name"] != DELEGATE]
    inside = _taken(ops, delegates)
    outside = Counter(
        op["op_name"] for number, op in enumerate(ops) if number not in inside
    )
    return Partitions(len(delegates), len(inside), dict(outside.most_common()))


def _taken(ops, delegates):
    """Numbers of the operations that delegates have taken.

    LiteRT keeps the originals in its list. A delegate's are all those on the ways
    from its inputs to its outputs.
    """
    producers = {tensor: n for n, op in enumerate(ops) for tensor in op["outputs"]}
    taken = set()
    for delegate in delegates:
        inputs, waiting = set(delegate["inputs"]), list(delegate["outputs"])
        while waiting:
            tensor = waiting.pop()
            number = producers.get(tensor)
            if tensor not in inputs and number is not None and number not in taken:
                taken.add(number)
                waiting.extend(ops[number]["inputs"])
    return taken


if __name__ == "__main__":
    print(json.dumps(asdict(_partitions(sys.argv[1]))))
