"""The scripts of examples/ and benchmarks/ run."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import CONFIG, make_model

from keras_squeezebert.tflite import benchmark_tflite, export_tflite

ROOT = Path(__file__).parents[1]
SCHEMES = ("float32", "dynamic_ptq", "mixed", "int8")


def run(script, *arguments, cwd):
    command = [sys.executable, str(ROOT / script), *arguments]
    finished = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-4000:]
    return finished.stdout


def test_text_in_the_graph(tmp_path):
    printed = run("examples/text_in_the_graph.py", cwd=tmp_path)
    assert printed.count("'will it rain in paris tomorrow' is 'weather'") == 2
    assert (tmp_path / "intents.tflite").stat().st_size > 1e6


def test_named_entities(tmp_path):
    printed = run("examples/named_entities.py", cwd=tmp_path)
    scores = re.findall(r"F1 ([\d.]+)", printed)
    assert len(scores) == 2 and min(map(float, scores)) > 0.95
    assert "'type': 'LOC', 'text': 'Rio de Janeiro', 'start': 23" in printed


def test_family_benchmark(tmp_path):
    folder = tmp_path / "shapes"
    command = ("benchmarks/family.py", "--shapes", "1", "--rounds", "1")
    printed = run(*command, "--folder", folder, "--plot", "family.png", cwd=tmp_path)
    assert printed.count("* 4 × 256") == 2  # alone, it is the best, in both forms
    # A file of another program beside them.
    other = folder / "4-256-64-1-float32-128.tflite"
    printed = run(
        *(*command, "--folder", folder, "--peer", "float32", other), cwd=tmp_path
    )
    assert f"{other.stem}: " in printed


def test_grouped_conv_benchmark(tmp_path):
    printed = run(
        "benchmarks/grouped_conv.py", "--layers", "1", "--rounds", "1", cwd=tmp_path
    )
    for form in ("GroupedConv1D", "CONV_2D, float32", "CONV_2D, dynamic_ptq", "BERT"):
        assert form in printed


def test_quantized_benchmark(tmp_path):
    printed = run(
        *("benchmarks/quantized.py", "--layers", "1", "--rounds", "1", "--steps", "1"),
        cwd=tmp_path,
    )
    assert printed.count("mixed, 26.9 MB") == 3
    assert "A training step" in printed


def test_conversion_benchmark(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    printed = run(
        "benchmarks/conversion.py", "--layers", "1", "--rounds", "1", cwd=tmp_path
    )
    assert printed.count("peak above the loaded model, of the file") == 2


def test_latency_benchmark(tmp_path):
    command = (
        *("benchmarks/latency.py", "--layers", "1", "--rounds", "1"),
        *("--folder", "files", "--json", "latency.json", "--plot", "latency.png"),
    )
    printed = run(*command, cwd=tmp_path)
    results = json.loads((tmp_path / "latency.json").read_text())
    forms = [f"keras-squeezebert, SqueezeBERT, {scheme}" for scheme in SCHEMES]
    forms += [f"keras-squeezebert, BERT-base, {scheme}" for scheme in SCHEMES[:3]]
    assert list(results["forms"]) == forms
    assert all(name in printed for name in forms)
    assert len(results["floors_ms"]) == 4
    row = results["ratios"]["keras-squeezebert, SqueezeBERT"]
    assert row["float32/float32"] == row["int8/int8"] == 1
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")

    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "files").iterdir()}
    run(*command, cwd=tmp_path)
    assert files == {path: path.stat().st_mtime_ns for path in files}


def test_lengths_benchmark(tmp_path):
    printed = run(
        *("benchmarks/lengths.py", "--layers", "1", "--rounds", "1"),
        *("--lengths", "16", "--lengths", "32", "--plot", "lengths.png"),
        cwd=tmp_path,
    )
    for form in ("float32, 16 tokens", "mixed, 32 tokens"):
        assert form in printed
    assert printed.count("times its work at the best length's speed") == 2
    assert (tmp_path / "lengths.png").read_bytes().startswith(b"\x89PNG")


def test_floors_are_the_work_of_the_graph(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import floors

    model = make_model("SqueezeBertForSequenceClassification")
    paths = [tmp_path / f"{name}.tflite" for name in ("model", "own", "int8", "large")]
    export_tflite(model, paths[0], sequence_length=20)
    floors.own_products_file(paths[1], CONFIG, 20, is_int8=False)
    floors.own_products_file(paths[2], CONFIG, 20, is_int8=True)
    floors.large_products_file(paths[3], is_int8=True)
    graph, *ours, large = benchmark_tflite(paths, rounds=1)
    pooler_and_head = CONFIG.hidden_size * (CONFIG.hidden_size + CONFIG.num_labels)
    flops = floors.classifier_flops(CONFIG, 20)
    assert flops == 2 * (graph.macs - pooler_and_head)
    assert [2 * own.macs for own in ours] == [flops, flops]
    assert 2 * large.macs == floors.LARGE_FLOPS
    assert {file.xnnpack.count for file in (*ours, large)} == {1}


def test_serving_benchmark(tmp_path):
    sentences = tmp_path / "data/glue/SST-2/test.tsv"
    sentences.parent.mkdir(parents=True)
    rows = [f"{i}\tword {i} of a film\n" for i in range(40)]
    sentences.write_text("index\tsentence\n" + "".join(rows))
    printed = run(
        *("benchmarks/serving.py", "soak", "data", "--requests", "80"),
        *("--rounds", "2"),
        cwd=tmp_path,
    )
    assert "| mini, 80 requests |" in printed
    assert "| without an answer | 0 |" in printed
    assert "| further than 1e-05 from Keras | 0 |" in printed
