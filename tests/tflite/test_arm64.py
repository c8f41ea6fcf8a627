"""benchmarks/arm64: exported files on emulated ARM64 processors."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from click.testing import CliRunner
from tiny import HEADS, assert_equal_outputs, inputs_for, make_inputs, run

from keras_squeezebert.tflite import LiteRTModel
from keras_squeezebert.tflite.graph_file import read_graph

HERE = Path(__file__).parents[2] / "benchmarks/arm64"
CLASSIFIER = "SqueezeBertForSequenceClassification"
DOT_PRODUCTS, MATRIX_PRODUCTS = "cortex-a76", "cortex-a710"

emulated = pytest.mark.skipif(
    not (HERE / ".arm64").exists(), reason=f"{HERE / 'setup'} was not run"
)


@pytest.fixture(scope="module")
def compare():
    sys.path.insert(0, str(HERE))
    import compare

    yield compare
    sys.path.remove(str(HERE))


@pytest.fixture
def on_arm64(compare, exported, tmp_path):
    """Runs a file there: the model, its inputs, the outputs, and the instructions."""

    def run_there(architecture, quantization, cpu):
        model, path = exported(architecture, quantization)
        (tmp_path / "a.tflite").symlink_to(path)
        inputs = inputs_for(architecture, seed=3, seq=8)
        if architecture.endswith("MultipleChoice"):
            inputs = {name: ids[:, :3] for name, ids in inputs.items()}
        order = [entry.name for entry in compare.read_inputs(path)]
        np.savez(tmp_path / "a.inputs.npz", *[inputs[name][:, None] for name in order])
        counts = compare.run_on_arm64(tmp_path, ["a"], cpu)
        names = {number: name for name, number in read_graph(path).outputs.items()}
        order = [names[d["index"]] for d in Interpreter(str(path)).get_output_details()]
        values = (output[:, 0] for output in compare.read_outputs(tmp_path, ["a"])["a"])
        return model, inputs, dict(zip(order, values, strict=True)), counts

    return run_there


# === There, against Keras


@emulated
@pytest.mark.parametrize("architecture", HEADS)
def test_outputs(on_arm64, architecture):
    model, inputs, actual, counts = on_arm64(architecture, "float32", DOT_PRODUCTS)
    expected = run(model, inputs)
    assert_equal_outputs({name: actual[name] for name in expected}, expected)
    assert counts["fmla"] > 100
    assert {counts[name] for name in ("sdot", "smmla", "smopa", "half")} == {0}


@emulated
@pytest.mark.parametrize("cpu", [DOT_PRODUCTS, MATRIX_PRODUCTS])
@pytest.mark.parametrize("quantization", ["float16", "dynamic_ptq", "mixed", "int8"])
def test_quantized_outputs(on_arm64, quantization, cpu):
    model, inputs, actual, counts = on_arm64(CLASSIFIER, quantization, cpu)
    actual, expected = actual["logits"], run(model, inputs)["logits"]
    error = np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2))
    assert error < (5e-3 if quantization == "float16" else 0.05)
    product = {DOT_PRODUCTS: "sdot", MATRIX_PRODUCTS: "smmla"}[cpu]
    assert (counts[product] > 50) == (quantization != "float16")
    assert counts["half"] == 0


# === The comparison


@pytest.mark.parametrize(
    ("quantization", "off", "is_close"),
    [
        ("float32", 9e-6, True),
        ("float32", 2e-5, False),
        ("mixed", 0.01, True),
        ("mixed", 0.1, False),
    ],
)
def test_what_is_too_far(compare, exported, quantization, off, is_close):
    path = exported(CLASSIFIER, quantization)[1]
    expected = [np.linspace(-1, 1, 24, dtype="float32").reshape(8, 1, 3)]
    actual = [expected[0] + np.float32(off)]
    found = compare.difference(actual, expected, "a cpu", "a group", path)
    assert found.is_close == is_close
    assert found.largest == pytest.approx(off, rel=0.02)
    assert found.mean_steps == pytest.approx(off / (2 / 255), rel=0.02)
    assert found.agreement == 1


@pytest.mark.parametrize(("wrong", "is_close"), [(1, True), (2, False)])
def test_other_answers_are_too_far(compare, exported, wrong, is_close):
    path = exported(CLASSIFIER, "int8", output_type="int8")[1]
    expected = [np.tile(np.array([[-5, 5, 4]], "int8"), (16, 1, 1))]
    actual = [expected[0].copy()]
    actual[0][:wrong] = [-5, 3, 4]
    found = compare.difference(actual, expected, "a cpu", "a group", path)
    assert found.mean_steps == pytest.approx(2 * wrong / 48)
    assert found.agreement == 1 - wrong / 16
    assert found.is_close == is_close


def test_steps_of_codes_that_became_floats(compare, exported):
    path = exported(CLASSIFIER, "int8")[1]
    logits = LiteRTModel(path)(make_inputs(32, 8))["logits"]
    codes = logits / compare.code_steps(path)[0]
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)
    assert len(np.unique(np.round(codes))) > 16
    for form, steps in [("mixed", [None]), ("float32", [None])]:
        assert compare.code_steps(exported(CLASSIFIER, form)[1]) == steps


def test_instructions(compare, tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "IN: \n"
        "0x7f2d96cfa890:  44940233  sdot     z19.s, z17.b, z20.b\n"
        "0x7f2d96cfa894:  4f8ce0a3  sdot     v3.4s, v5.16b, v12.4b[0]\n"
        "0x7f2d96cfa898:  65a30440  fmla     z0.s, p1/m, z2.s, z3.s\n"
        "0x7f2d96cfa89c:  4fa11042  fmla     v2.4s, v2.4s, v1.s[1]\n"
        "0x7f2d96cfa8a0:  4e411c40  fmla     v0.8h, v2.8h, v1.8h\n"
        "0x7f2d96cfa8a4:  4e81a440  smmla    v0.4s, v2.16b, v1.16b\n"
        "0x7f2d96cfa8a8:  d65f03c0  ret      \n"
    )
    assert compare.count_instructions(log) == {
        "sdot": 2,
        "fmla": 2,
        "half": 1,
        "smmla": 1,
    }


def test_without_the_machine(compare, tmp_path, monkeypatch):
    monkeypatch.setattr(compare, "MACHINE", tmp_path / "missing")
    finished = CliRunner().invoke(compare.main, [])
    assert finished.exit_code == 1
    assert "First run" in finished.output and "setup" in finished.output


@emulated
def test_report(compare, exported, tmp_path, monkeypatch):
    path, report = exported(CLASSIFIER)[1], tmp_path / "report.json"
    command = [str(path), "--cpu", DOT_PRODUCTS, "--rows", "4", "--json", str(report)]
    finished = CliRunner().invoke(compare.main, command)
    assert finished.exit_code == 0, finished.output
    content = json.loads(report.read_text())
    assert content["versions"]["ai-edge-litert"] == version("ai-edge-litert")
    (difference,) = content["differences"]
    assert difference["file"] == path.stem and difference["is_close"]
    assert 0 < difference["largest"] < 1e-5
    assert content["instructions"][0]["fmla"] > 100

    strict = compare.Limits(largest=0, mean_steps=1, agreement=1)
    monkeypatch.setitem(compare.LIMITS, "float", strict)
    finished = CliRunner().invoke(compare.main, command)
    assert finished.exit_code == 1 and "Too far: " in finished.output


@emulated
def test_unknown_processor(compare, exported):
    path = exported(CLASSIFIER)[1]
    finished = CliRunner().invoke(compare.main, [str(path), "--cpu", "z80"])
    assert finished.exit_code == 1
    assert "z80" in finished.output and "Traceback" not in finished.output
