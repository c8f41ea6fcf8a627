"""What the README shows works as it stands there."""

import re
import shlex
from pathlib import Path

import click
import pytest

from keras_squeezebert.cli import squeezebert

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["path"].stat().st_size > 1e6
    assert names["model"].load_report.initialized == {}


INDENTED = "\n".join(re.findall(r"^    (.*)$", README, re.MULTILINE))
COMMANDS = re.findall(r"bin/squeezebert (.*)", INDENTED.replace("\\\n", " "))


def test_the_commands_are_found():
    assert len(COMMANDS) >= 4


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_parse(command, tmp_path, monkeypatch):
    """Every option exists; the files need not."""
    monkeypatch.chdir(tmp_path)
    for name in ("my-model", "demo-output", "GLUE_DIR"):
        (tmp_path / name).mkdir()
    for name in ("train.csv", "dev.csv", "test.csv", "my-model.tflite"):
        (tmp_path / name).touch()
    (tmp_path / "demo-output" / "model-int8.tflite").touch()
    arguments = shlex.split(command)
    group, context = squeezebert, click.Context(squeezebert)
    while isinstance(group, click.Group):
        group, arguments = group.get_command(context, arguments[0]), arguments[1:]
    assert group.make_context("squeezebert", arguments)
