"""export_tflite(runtime=...): the same answers, from what each runtime is fast at."""

import contextlib
import io
import json
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from command_line import run as run_command
from tiny import (
    ARCHITECTURES,
    CONFIG,
    ONE_LAYER,
    assert_equal_outputs,
    inputs_for,
    make_inputs,
    make_model,
    run,
)

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.errors import InputError
from keras_squeezebert.lowering import RUNTIMES
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import (
    ExportError,
    calibrate,
    export_tflite,
    quantize_aware,
    read_ops,
)
from keras_squeezebert.tflite.benchmark import read_inputs
from keras_squeezebert.tflite.op_list import check_ops

CLASSIFIER = "SqueezeBertForSequenceClassification"
GROUPS = [value for name, value in vars(ONE_LAYER).items() if name.endswith("_groups")]

KERNELS = {
    "xnnpack": OpResolverType.AUTO,
    "reference": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "gpu": OpResolverType.AUTO,  # no test machine has one
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Gives a model and the .tflite of it for a runtime, each made once."""
    folder, made = tmp_path_factory.mktemp("runtimes"), {}

    def export(architecture, runtime="xnnpack", quantization="float32", batch_size=1):
        scheme = quantization if quantization in SCHEMES else None
        if (architecture, scheme) not in made:
            model = make_model(architecture, ONE_LAYER)
            if scheme:
                model = quantize_aware(model, scheme)
                batches = [inputs_for(architecture, seed, seq=8) for seed in range(4)]
                calibrate(model, batches, progress=False)
            made[architecture, scheme] = model
        model = made[architecture, scheme]
        key = (architecture, runtime, quantization, batch_size)
        if key not in made:
            made[key] = export_tflite(
                model,
                folder / f"{'-'.join(map(str, key))}.tflite",
                8,
                quantization=quantization,
                batch_size=batch_size,
                num_choices=5 if architecture.endswith("MultipleChoice") else None,
                runtime=runtime,
            )
        return model, made[key]

    return export


def run_file(path, inputs, kernels):
    """Outputs by name of a .tflite, run by some kernels, a batch at a time."""
    runner = Interpreter(
        str(path), experimental_op_resolver_type=kernels
    ).get_signature_runner()
    batch = runner.get_input_details()["input_ids"]["shape"][0]
    rows = len(inputs["input_ids"])
    results = [
        runner(**{name: value[i : i + batch] for name, value in inputs.items()})
        for i in range(0, rows, batch)
    ]
    return {name: np.concatenate([r[name] for r in results]) for name in results[0]}


def count_ops(path):
    return Counter(op.name for op in read_ops(path))


def in_order(outputs, like):
    return {name: outputs[name] for name in like}


# === Outputs


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs(exported, architecture, runtime):
    model, path = exported(architecture, runtime)
    inputs = inputs_for(architecture, seq=8)
    expected = run(model, inputs)
    actual = run_file(path, inputs, KERNELS[runtime])
    assert_equal_outputs(in_order(actual, expected), expected)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_batches(exported, runtime):
    model, path = exported(CLASSIFIER, runtime, batch_size=2)
    inputs = make_inputs(4, 8)
    actual = run_file(path, inputs, KERNELS[runtime])
    assert_equal_outputs(actual, run(model, inputs))


def test_float16_by_the_reference_kernels(exported):
    model, path = exported(CLASSIFIER, "reference", "float16")
    inputs = make_inputs(4, 8)
    actual = run_file(path, inputs, KERNELS["reference"])
    assert_equal_outputs(actual, run(model, inputs), atol=5e-3)


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
@pytest.mark.parametrize("kernels", KERNELS.values())
def test_split_kernels_are_rounded_as_whole_ones(exported, scheme, kernels):
    inputs = make_inputs(32, 8, seed=9)
    grouped, split = (
        run_file(exported(CLASSIFIER, runtime, scheme)[1], inputs, kernels)["logits"]
        for runtime in ("xnnpack", "reference")
    )
    if kernels == OpResolverType.AUTO:
        np.testing.assert_array_equal(split, grouped)
    # TFLite's own kernels without groups round an in-between result otherwise.
    model = exported(CLASSIFIER, "reference", scheme)[0]
    expected = run(model, inputs)["logits"]
    error = np.sqrt(np.mean((split - expected) ** 2) / np.mean(expected**2))
    assert error < 0.06
    assert np.mean(split.argmax(-1) == expected.argmax(-1)) >= 0.96


@pytest.mark.parametrize("quantization", ["dynamic_ptq", "dynamic"])
def test_ranges_of_each_group(exported, quantization):
    model, path = exported(CLASSIFIER, "reference", quantization)
    inputs = make_inputs(32, 8, seed=9)
    expected = run(model, inputs)["logits"]
    actual = run_file(path, inputs, KERNELS["reference"])["logits"]
    assert 0 < np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2)) < 0.05
    assert np.mean(actual.argmax(-1) == expected.argmax(-1)) >= 0.96


# === Operations


@pytest.mark.parametrize("quantization", ["float32", "dynamic_ptq", *SCHEMES])
def test_split_operations(exported, quantization):
    ops = count_ops(exported(CLASSIFIER, quantization=quantization)[1])
    # No two group counts are equal, so that no two convolutions share a split.
    ops["SPLIT"] = ops["CONCATENATION"] = len(GROUPS)
    ops["CONV_2D"] += sum(groups - 1 for groups in GROUPS)
    path = exported(CLASSIFIER, "reference", quantization)[1]
    assert count_ops(path) == ops


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reference_has_no_groups(exported, architecture):
    ops = read_ops(exported(architecture, "reference")[1])
    kernels = [op.inputs[:2] for op in ops if op.name == "CONV_2D"]
    assert len(kernels) >= sum(GROUPS)
    assert all(x.shape[-1] == kernel.shape[-1] for x, kernel in kernels)
    # The bias is inside.
    ops = {name: count_ops(exported(architecture, name)[1]) for name in RUNTIMES[:2]}
    assert ops["reference"]["ADD"] == ops["xnnpack"]["ADD"]


def test_equal_groups_share_a_split(tmp_path):
    groups = {name: 4 for name in vars(ONE_LAYER) if name.endswith("_groups")}
    model = make_model("SqueezeBertModel", ONE_LAYER.replace(**groups))
    path = export_tflite(model, tmp_path / "a.tflite", 8, runtime="reference")
    assert count_ops(path)["SPLIT"] == 4  # one for queries, keys and values


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gpu_operations(exported, architecture):
    ops = count_ops(exported(architecture)[1])
    # Ids of words and of token types go along one axis; those of choices do so in the
    # RESHAPE that flattens them, and instead the rows come back from it.
    ops["RESHAPE"] += 2
    del ops["MINIMUM"], ops["MAXIMUM"]
    path = exported(architecture, "gpu")[1]
    assert count_ops(path) == ops
    for op in read_ops(path):
        if op.name == "GATHER":
            assert len(op.inputs[1].shape) == 1
            # A RESHAPE after it would change places with the sum of positions, which
            # the delegate then computes wrongly.
            assert len(op.outputs[0].shape) == 3


def test_benchmark_finds_the_tables_of_gpu_files(exported):
    model, path = exported(CLASSIFIER, "gpu")
    high = {entry.name: entry.high for entry in read_inputs(path)}
    assert high["input_ids"] == model.config.vocab_size - 1


# === What TensorFlow's Analyzer says of the GPU delegate

ANALYZER = Path(__file__).parents[2] / "benchmarks/analyzer"
ADD = {"ADD: Doesn't support broadcasting": 1}  # of the positions
GATHER = {"GATHER: Only support 1D indices": 2}
SLICE = {
    "STRIDED_SLICE: STRIDED_SLICE supports for 3 or 4 dimensional tensors only.": 1
}
SELECT = {
    "SELECT_V2: Cond must be float or bool type, if, else tensors must be float and "
    "either be same the shape as output or constant, scalar.": 1
}
# All of them, whose float16 weights a DEQUANTIZE gives.
CONV = {"CONV_2D: Expected 1 or 2 input tensor(s), but node has 3 runtime inputs.": 8}
PROBLEMS = {
    ("xnnpack", "float32"): {**GATHER, **ADD},
    ("xnnpack", "float16"): {**GATHER, **ADD, **CONV},
    ("xnnpack", "dynamic_ptq"): {**GATHER, **ADD},
    ("xnnpack", "dynamic"): {**GATHER, **ADD},
    ("xnnpack", "mixed"): {**GATHER, **ADD, **SLICE},
    ("xnnpack", "int8"): {**GATHER, **ADD, **SLICE, **SELECT},
    ("reference", "float32"): {**GATHER, **ADD},
    ("gpu", "float32"): ADD,
}


def test_the_analyzer_of_this_tensorflow_lets_all_pass():
    """Or else it could tell what the tests below need another one for."""

    @tf.function(input_signature=[tf.TensorSpec((4,), "int32")])
    def unique(x):
        return tf.unique(x)[0]

    function = unique.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        tf.lite.experimental.Analyzer.analyze(
            model_content=converter.convert(), gpu_compatibility=True
        )
    assert "Op#0 UNIQUE" in printed.getvalue()
    assert "looks compatible with GPU delegate" in printed.getvalue()


@pytest.mark.skipif(
    not (ANALYZER / ".venv").exists(), reason=f"{ANALYZER / 'setup'} was not run"
)
def test_what_the_gpu_delegate_leaves_out(exported):
    expected = {
        **{
            exported(CLASSIFIER, runtime, quantization)[1]: problems
            for (runtime, quantization), problems in PROBLEMS.items()
        },
        **{exported(head, "gpu")[1]: ADD for head in ARCHITECTURES},
    }
    python = ANALYZER / ".venv/bin/python"
    finished = subprocess.run(
        [python, ANALYZER / "analyze.py", *expected],
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in finished.stdout.splitlines()]
    assert {Path(row["file"]): row["problems"] for row in found} == expected


# === What is refused


@pytest.mark.parametrize("runtime", ["npu", "XNNPACK", None])
def test_unknown_runtime(tmp_path, runtime):
    model = make_model(CLASSIFIER, ONE_LAYER)
    with pytest.raises(InputError, match=r"xnnpack, reference, gpu\. Received: "):
        export_tflite(model, tmp_path / "a.tflite", 8, runtime=runtime)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("quantization", ["float16", "dynamic_ptq"])
def test_gpu_takes_float32_only(tmp_path, quantization):
    model = make_model(CLASSIFIER, ONE_LAYER)
    with pytest.raises(InputError, match=f"float32.*Received: .*'{quantization}'"):
        export_tflite(
            model, tmp_path / "a.tflite", 8, runtime="gpu", quantization=quantization
        )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_gpu_takes_no_quantized_model(exported, tmp_path, scheme):
    model, _ = exported(CLASSIFIER, quantization=scheme)
    with pytest.raises(InputError, match=f"float32.*Received: .*'{scheme}'"):
        export_tflite(model, tmp_path / "a.tflite", 8, runtime="gpu")


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"k_groups": 16}, r"attention/key, groups=16 of \(6, 6\)"),
        ({"intermediate_groups": 16}, r"intermediate, groups=16 of \(6, 12\)"),
        ({"output_groups": 16}, r"output/conv, groups=16 of \(12, 6\)"),
    ],
)
def test_gpu_groups(tmp_path, groups, message):
    model = make_model(CLASSIFIER, CONFIG.replace(**groups))
    with pytest.raises(InputError, match=message):
        export_tflite(model, tmp_path / "a.tflite", 8, runtime="gpu")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("made", "promised", "found"),
    [
        ("xnnpack", "reference", "CONV_2D"),
        ("gpu", "reference", "CONV_2D"),
        ("xnnpack", "gpu", "GATHER, MAXIMUM, MINIMUM"),
        ("reference", "gpu", "CONCATENATION, GATHER, MAXIMUM, MINIMUM, SPLIT"),
    ],
)
def test_a_file_for_another_runtime_is_noticed(exported, made, promised, found):
    path = exported(CLASSIFIER, made)[1]
    with pytest.raises(ExportError, match=f"Received: {found}$"):
        check_ops(path, "float32", runtime=promised)
    check_ops(path, "float32", runtime=made)
    check_ops(path, "float32", runtime="xnnpack")  # which takes them all


# === Command line


@pytest.fixture
def folder(tmp_path):
    config = ONE_LAYER.replace(vocab_size=30522)
    make_model(CLASSIFIER, config).save_pretrained(tmp_path / "model")
    SqueezeBertTokenizerFast().save_pretrained(tmp_path / "model")
    return tmp_path


@pytest.mark.parametrize("runtime", ["reference", "gpu"])
def test_command_line(folder, exported, runtime):
    arguments = ("model", "a.tflite", "--sequence-length", 8, "--runtime", runtime)
    finished = run_command("export", *arguments, cwd=folder)
    assert finished.returncode == 0, finished.stderr
    expected = count_ops(exported(CLASSIFIER, runtime)[1])
    assert count_ops(folder / "a.tflite") == expected


def test_command_line_with_an_unknown_runtime(folder):
    finished = run_command(
        "export", "model", "a.tflite", "--runtime", "npu", cwd=folder
    )
    assert finished.returncode == 2
    assert "xnnpack" in finished.stderr and "npu" in finished.stderr
