"""A .tflite is asked and scored without TensorFlow, and readers are heard."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from command_line import run_process
from every_head import EVERY_HEAD

from keras_squeezebert.cli import prefer_onednn

QUESTIONS = {
    "sequence-classification": ("ab cd",),
    "token-classification": ("ab cd",),
    "question-answering": (
        *("ab cd", "--question", "a"),
        *("--doc-stride", "2", "--max-question-length", "3"),
    ),
    "multiple-choice": ("ab", "--choice", "a", "--choice", "bc d"),
    "masked-lm": ("a [MASK] b",),
}


def test_a_tflite_needs_no_tensorflow(heads):
    commands = [
        ["--verbose", "predict", f"{head}.tflite", *arguments]
        for head, arguments in QUESTIONS.items()
    ]
    commands += [
        ["--verbose", "evaluate", f"{head}.tflite", "--data", *map(str, arguments)]
        for head, arguments in EVERY_HEAD.items()
    ]
    code = """
        import json, sys
        from keras_squeezebert.cli import squeezebert
        for command in json.loads(sys.argv[1]):
            squeezebert(command, standalone_mode=False)
            heavy = {"tensorflow", "keras"} & set(sys.modules)
            assert not heavy, (command, heavy)
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), json.dumps(commands)],
        cwd=heads,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("examples") == len(EVERY_HEAD)


def test_what_readers_mend_is_told(heads):
    data = json.loads((heads / "squad.json").read_text())
    (passage,) = data["data"][0]["paragraphs"]
    passage["qas"][0]["answers"][0]["answer_start"] = 7
    (heads / "moved.json").write_text(json.dumps(data))
    arguments = ("--data", "moved.json", *EVERY_HEAD["question-answering"][1:])
    finished = run_process(
        *("evaluate", "question-answering.tflite", *arguments, "--repair"), cwd=heads
    )
    assert finished.returncode == 0, finished.stderr
    assert "moved.json: moved 1 answers" in finished.stderr


@pytest.mark.parametrize(
    ("machine", "given", "expected"),
    [("x86_64", None, "1"), ("AMD64", "0", "0"), ("aarch64", None, None)],
)
def test_onednn_is_on_where_it_is_faster(machine, given, expected, monkeypatch):
    name = "TF_ENABLE_ONEDNN_OPTS"
    environment = {} if given is None else {name: given}
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr("platform.machine", lambda: machine)
    prefer_onednn()
    assert environment.get(name) == expected
