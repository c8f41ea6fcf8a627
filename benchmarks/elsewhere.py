"""Functions in another environment's Python, called from this one in turns.

Peers need packages that do not go together with ours, so they run in a process of
their own, which `start` begins and `serve` is. This file imports nothing but the
standard library, as it runs in both; the script finds it as `elsewhere`.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

# Where the process finds the number of the pipe that its answers go into: not stdout,
# which libraries write to.
ANSWERS = "ELSEWHERE_ANSWERS"


@contextlib.contextmanager
def start(
    python: str | os.PathLike, script: str | os.PathLike, *arguments: str
) -> Iterator[dict[str, Callable[[], None]]]:
    """Functions, by name, that each run one of `script`'s and wait for its end.

    A call costs some tens of microseconds more than the function itself.

    Args:
        python: The other environment's interpreter.
        script: A file that ends in a call of :func:`serve`.
        *arguments: Of the script.

    Raises:
        RuntimeError: The script ended; what it had to say is on stderr.
    """
    readable, writable = os.pipe()
    environment = {ANSWERS: str(writable), "PYTHONPATH": os.path.dirname(__file__)}
    child = subprocess.Popen(
        [python, script, *arguments],
        stdin=subprocess.PIPE,
        stdout=sys.stderr,
        env=os.environ | environment,
        pass_fds=[writable],
        bufsize=0,  # what a process that has gone did not take is not kept
    )
    os.close(writable)
    with child, open(readable) as answers:
        names = _answer(child, answers, script)
        yield {name: partial(_call, child, answers, script, name) for name in names}


def _call(child, answers, script, name):
    with contextlib.suppress(BrokenPipeError):  # then there is no answer, either
        child.stdin.write(json.dumps(name).encode() + b"\n")
    _answer(child, answers, script)


def _answer(child, answers, script):
    line = answers.readline()
    if not line:
        raise RuntimeError(f"{script} ended with exit code {child.wait()}.")
    return json.loads(line)


def serve(forms: dict[str, Callable[[], object]]) -> None:
    """Runs the functions that the other side names, until it has gone."""
    with open(int(os.environ[ANSWERS]), "w", buffering=1) as answers:
        print(json.dumps(list(forms)), file=answers)
        for line in sys.stdin:
            forms[json.loads(line)]()
            print("null", file=answers)
