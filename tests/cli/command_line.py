"""Runs the command line, in this process or as a user would."""

import contextlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from keras_squeezebert.cli import main


class Finished(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


def run(*arguments, cwd):
    """`squeezebert ARGUMENTS` in this process, which has TensorFlow loaded already."""
    # --verbose: this process' stderr is pytest's.
    command = ["squeezebert", "--verbose", *map(str, arguments)]
    stdout, stderr = io.StringIO(), io.StringIO()
    logger = logging.getLogger("keras_squeezebert")
    level = logger.level  # which the command sets for its whole process
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        mock.patch.object(sys, "argv", command),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    logger.setLevel(level)
    return Finished(stop.value.code or 0, stdout.getvalue(), stderr.getvalue())


def run_process(*arguments, cwd):
    """`squeezebert ARGUMENTS` as a user runs it."""
    code = "from keras_squeezebert.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


def succeed(*arguments, cwd):
    finished = run(*arguments, cwd=cwd)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
