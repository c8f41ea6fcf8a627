"""squeezebert score: files in, files out, and a last line that tells how it went."""

import importlib.util
import json

import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.fn_runner import RunnerResult
from command_line import run
from explosive import write_explosive

FILES = ("--output", "out/scored", "--errors", "out/failed")


@pytest.fixture
def folder(tmp_path):
    for version in ("1", "2"):
        write_explosive(tmp_path / "served" / version)
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "ab"}\n{"text": "boom"}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 2, "text": "a"}\n')
    return tmp_path


@pytest.mark.parametrize("model", ["served", "served/1"])
def test_files(folder, model):
    finished = run("score", model, "--input", "*.jsonl", *FILES, cwd=folder)
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    assert finished.stdout.splitlines() == [
        "Scored 2 lines: out/scored-*.jsonl",
        "Could not score 1 line: out/failed-*.jsonl tell why.",
    ]
    (scored,) = (folder / "out").glob("scored-*")
    lines = sorted(map(json.loads, scored.read_text().splitlines()), key=str)
    assert lines == [
        {"id": 1, "text": "ab", "prediction": {"length": 2.0}},
        {"id": 2, "text": "a", "prediction": {"length": 1.0}},
    ]
    (failed,) = (folder / "out").glob("failed-*")
    (error,) = map(json.loads, failed.read_text().splitlines())
    assert error["line"] == '{"text": "boom"}'
    assert error["source"] == "./a.jsonl"
    assert "it went off" in error["reason"]
    again = run("score", model, "--input", "*.jsonl", *FILES, cwd=folder)
    assert again.returncode == 2
    assert "Files of another run" in again.stderr


def test_without_errors(folder):
    files = ("--input", "b*", "--output", "here", "--errors", "there")
    options = ("--field", "bytes", "--batch-size", 1)
    finished = run("score", "served", *files, *options, cwd=folder)
    assert finished.stdout.splitlines()[-1] == "Could not score 0 lines."
    (scored,) = folder.glob("*here*")
    assert json.loads(scored.read_text())["bytes"] == {"length": 1.0}


def test_options_of_the_runner(folder, monkeypatch):
    taken, run_pipeline = [], FnApiRunner.run_pipeline

    def spy(self, pipeline, options):
        taken.append(options.get_all_options())
        return run_pipeline(self, pipeline, options)

    monkeypatch.setattr(FnApiRunner, "run_pipeline", spy)
    options = ("--", "--project", "mine", "--temp_location=gs://mine/tmp")
    finished = run("score", "served", "--input", "b*", *FILES, *options, cwd=folder)
    assert finished.returncode == 0, finished.stderr
    (taken,) = taken
    assert (taken["project"], taken["temp_location"]) == ("mine", "gs://mine/tmp")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MODEL": "nowhere"}, "A SavedModel is expected"),
        ({"--input": "no*"}, "There must be files to read. Received: ./no*"),
        ({"--input": "foo://a"}, "Beam must be able to look for the files"),
        ({"--errors": "out/scored"}, "files of other names. Received: out/scored"),
        ({"--": ["--runner", "Nope"]}, "Beam must know the runner and its options"),
        ({"--": ["--runner", "Dataflow"]}, "Missing required option: project"),
        ({"--": ["more"]}, "go after --. Received: more"),
        ({"--input": "damaged.gz"}, "damaged.gz"),
        ({"--input": "folder"}, "folder"),
        ({"--output": "a.jsonl/out"}, "a.jsonl"),
    ],
)
def test_mistakes(folder, changes, words):
    (folder / "damaged.gz").write_text("no gzip")
    (folder / "folder").mkdir()
    options = dict(zip(FILES[::2], FILES[1::2], strict=True))
    options |= {"--input": "*.jsonl", "MODEL": "served", "--": []} | changes
    model, runner = options.pop("MODEL"), options.pop("--")
    arguments = [part for option in options.items() for part in option]
    finished = run("score", model, *arguments, "--", *runner, cwd=folder)
    assert finished.returncode == 2
    assert finished.stderr.startswith("Error: ")
    assert words in finished.stderr
    assert not list(folder.glob("out/*-of-*"))


def test_a_runner_that_fails(folder, monkeypatch):
    monkeypatch.setattr(RunnerResult, "wait_until_finish", lambda self: "FAILED")
    finished = run("score", "served", "--input", "b*", *FILES, cwd=folder)
    assert finished.returncode == 1
    assert finished.stderr == "Error: The runner ended in the state FAILED.\n"


def test_without_the_extra(folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    finished = run("score", "served", "--input", "b*", *FILES, cwd=folder)
    assert finished.returncode == 2
    assert "pip install keras-squeezebert[beam]" in finished.stderr
