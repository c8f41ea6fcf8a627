"""squeezebert benchmark: what it prints, here and of a phone, and how it fails."""

import json
import os
import shutil
from pathlib import Path

import pytest
from command_line import run, succeed

from keras_squeezebert import SqueezeBertConfig, SqueezeBertForSequenceClassification
from keras_squeezebert.presets import PRESETS
from keras_squeezebert.tflite import export_tflite

OUTPUT = Path(__file__).parents[1] / "tflite" / "data" / "benchmark_model_spaces.txt"
CONFIG = SqueezeBertConfig(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64
)
FAKE_ADB = """#!/bin/sh
case "$*" in
  *getprop*) echo Pixel 8 ;;
  *--graph*) cat '{output}' ;;
esac
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A .tflite in two folders, one in float and one in int8, and a file of text."""
    folder = tmp_path_factory.mktemp("benchmark")
    model = SqueezeBertForSequenceClassification(CONFIG)
    for name, form in (("a", "float32"), ("b", "dynamic_ptq")):
        export_tflite(model, folder / name / "model.tflite", 16, quantization=form)
    shutil.copy(folder / "a" / "model.tflite", folder / "float.tflite")
    (folder / "notes.tflite").write_text("not a model at all")
    return folder


@pytest.fixture
def adb(tmp_path, monkeypatch):
    (tmp_path / "adb").write_text(FAKE_ADB.format(output=OUTPUT))
    (tmp_path / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


FILES = ("a/model.tflite", "b/model.tflite")


def test_tables(workspace):
    options = ("--threads", 1, "--threads", 2, "--rounds", 2)
    printed = succeed("benchmark", *FILES, *options, cwd=workspace)
    for words in (
        " cores, 20",  # the date
        "with XNNPACK, keras-squeezebert ",
        "\n2 rounds in turns, after 3 to warm up\n",
        "\nFiles ",
        "\n1 thread ",
        "\n2 threads ",
        "\na/model.tflite: operations ",
        "\n  CONV_2D ",
    ):
        assert words in printed
    lines = [line.split() for line in printed.splitlines()]
    for name in FILES:
        assert sum(line[:1] == [name] for line in lines) == 3
    assert "2 GATHER" in printed


def test_json_and_plot(workspace, tmp_path):
    picture = tmp_path / "times.png"
    options = ("--rounds", 2, "--json", "--plot", picture)
    values = json.loads(succeed("benchmark", *FILES, *options, cwd=workspace))
    assert list(values) == [
        *("files", "random_weights", "rounds", "warm_up_rounds", "delegate"),
        *("machine", "versions", "date", "command", "note"),
    ]
    assert [file["name"] for file in values["files"]] == list(FILES)
    assert list(values["files"][0]) == [
        *("path", "name", "bytes", "macs", "ops", "xnnpack", "timings", "profiles")
    ]
    assert [file["profiles"] for file in values["files"]] == [[], []]
    assert list(values["files"][0]["ops"][0]) == ["op", "count", "macs"]
    assert list(values["files"][0]["timings"][0]) == [
        *("threads", "load_ms", "first_ms", "peak_bytes", "min_ms", "median_ms"),
        *("ratio", "gmacs_per_second"),
    ]
    assert {"ai-edge-litert", "keras-squeezebert"} < set(values["versions"])
    assert "by the shapes in the graph" in values["note"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert os.listdir(tmp_path) == [picture.name]  # and no draft of it


@pytest.fixture
def tiny_presets(monkeypatch):
    """Smaller shapes than the presets; the presets' own take long to export."""
    for name, width in (("wide", 64), ("narrow", 16)):
        shape = CONFIG.replace(hidden_size=width).to_dict()
        names = ("hidden_size", "num_hidden_layers", "intermediate_size")
        preset = {field: shape[field] for field in names}
        monkeypatch.setitem(PRESETS, name, {**preset, "num_attention_heads": 4})


def test_profile(workspace):
    options = ("--threads", 1, "--threads", 2, "--rounds", 3, "--profile")
    printed = succeed("benchmark", *FILES, *options, cwd=workspace)
    for name in FILES:
        for threads in ("1 thread", "2 threads"):
            assert f"\n{name}, {threads}: time by operation " in printed
    lines = [line.split() for line in printed.splitlines()]
    assert sum(line[:1] == ["sum"] for line in lines) == 4
    wholes = [line for line in lines if line[:2] == ["whole", "run"]]
    assert [line[-1] for line in wholes] == ["100.0%"] * 4
    assert "\n  Softmax (NC, F32) " in printed


def test_against_in_json(workspace, tiny_presets):
    """Shapes once each, in the first file's form, after the files."""
    options = ("--against", "wide,narrow", "--against", "wide", "--profile")
    arguments = ("b/model.tflite", *options, "--rounds", 2, "--json")
    values = json.loads(succeed("benchmark", *arguments, cwd=workspace))
    names = ["wide (dynamic_ptq, 16 tokens)", "narrow (dynamic_ptq, 16 tokens)"]
    assert values["random_weights"] == names
    assert [file["name"] for file in values["files"]] == ["model.tflite", *names]
    paths = [file["path"] for file in values["files"]]
    assert paths == ["b/model.tflite", None, None]
    own, wide, narrow = (file["macs"] for file in values["files"])
    assert narrow < own < wide
    for file in values["files"]:
        assert len(file["timings"]) == len(file["profiles"]) == 1
        (profile,) = file["profiles"]
        assert list(profile) == ["threads", "rounds", "ops", "sum_ms", "whole_ms"]
        assert list(profile["ops"][0]) == ["op", "count", "ms", "share"]
    assert "by LiteRT's own profiler" in values["note"]


def test_against_in_tables(workspace, tiny_presets, tmp_path):
    picture = tmp_path / "times.png"
    options = ("--against", "narrow", "--rounds", 2, "--plot", picture)
    printed = succeed("benchmark", "float.tflite", *options, cwd=workspace)
    name = "narrow (float32, 16 tokens)"
    assert f"\nRandom weights: {name}\n" in printed
    assert sum(line.startswith(f"  {name} ") for line in printed.splitlines()) == 2
    assert f"\n{name}: operations " in printed
    assert picture.exists()


def test_on_a_phone(workspace, adb):
    options = ("--adb", "--rounds", 20, "--taskset", "f0")
    printed = succeed("benchmark", *FILES, *options, cwd=workspace)
    lines = printed.splitlines()
    assert lines[0].startswith("adb shell 'taskset f0 /data/local/tmp/benchmark_model ")
    assert "--num_runs=20" in lines[0] and lines[1].startswith("adb shell ")
    assert lines[3].startswith("Pixel 8, benchmark_model with XNNPACK, 20")
    assert "    55.043    53.077    60.727     1.562    18.777    64.791    18.7" in (
        printed
    )
    assert "\na/model.tflite, 1 thread: operations " in printed
    assert "\n  Convolution (NHWC, QC8) GEMM " in printed


def test_json_of_a_phone(workspace, adb):
    finished = run("benchmark", *FILES, "--adb", "--json", cwd=workspace)
    values = json.loads(finished.stdout)
    assert list(values) == ["runs", "rounds", "delegate", "phone", "date", "note"]
    assert values["phone"] == "Pixel 8"
    assert [run["name"] for run in values["runs"]] == list(FILES)
    assert values["runs"][0]["timing"]["avg_ms"] == 55.0432
    assert "adb shell " in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing argument"),
        (("missing.tflite",), "No such file: missing.tflite"),
        (("notes.tflite",), "notes.tflite: Not a .tflite file"),
        (("float.tflite", "./float.tflite"), "Each file is to be given once"),
        (("float.tflite", "--rounds", 0), "--rounds"),
        (("float.tflite", "--threads", 0), "--threads"),
        (("float.tflite", "--plot", "times.svg"), "--plot takes a .png"),
        (("float.tflite", "--plot", "times.png", "--adb"), "does not go with --adb"),
        (("float.tflite", "--taskset", "f0"), "go with --adb"),
        (("float.tflite", "--benchmark-model", "x"), "go with --adb"),
        (("float.tflite", "--adb", "--benchmark-model", "x"), "No such file: x"),
        (("missing.tflite", "--adb"), "No such file: missing.tflite"),
        (("float.tflite", "--adb", "--against", "mini"), "--against does not go with"),
        (("float.tflite", "--adb", "--profile"), "--profile does not go with --adb"),
        (("float.tflite", "--against", "mini,huge"), "There are the presets 'base'"),
        (("float.tflite", "missing.tflite", "--against", "mini"), "No such file: "),
        (("notes.tflite", "--against", "mini"), "notes.tflite: Not a .tflite file"),
    ],
)
def test_mistakes(workspace, arguments, message):
    finished = run("benchmark", *arguments, cwd=workspace)
    assert finished.returncode == 2
    assert message in finished.stderr and "Traceback" not in finished.stderr
    assert not (workspace / "times.png").exists()
