"""inspect_tflite: what it tells of a file, against counts of other kinds."""

import json
import zipfile
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tiny import ONE_LAYER, kernel_limits, to_numpy

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import inspect_tflite, read_ops
from keras_squeezebert.tflite.layer_paths import layer_path

CLASSIFIER = "SqueezeBertForSequenceClassification"
FLOAT = ("float32", "float16")
QUANTIZED = ("dynamic_ptq", "dynamic", "mixed", "int8")
every_form = pytest.mark.parametrize("quantization", FLOAT + QUANTIZED)


def inspected(exported, quantization, **options):
    _, path = exported(quantization=quantization, **options)
    return path, inspect_tflite(path)


def converted(function, *shapes):
    """The .tflite of a function, by TensorFlow alone."""
    signature = [tf.TensorSpec(shape) for shape in shapes]
    concrete = tf.function(function, input_signature=signature).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Two matrix products, and between them what XNNPACK does not take."""
    weights = tf.random.stateless_uniform((2, 8, 8), (0, 1))
    content = converted(
        lambda x: tf.math.floormod(x @ weights[0], 0.25) @ weights[1], (4, 8)
    )
    path = tmp_path_factory.mktemp("foreign") / "a.tflite"
    path.write_bytes(content)
    return path


# === Header


@every_form
def test_header(exported, quantization):
    path, inspection = inspected(exported, quantization)
    assert inspection.bytes == path.stat().st_size
    assert {(p.name, p.dtype, p.shape, p.scale) for p in inspection.inputs} == {
        (name, "int32", (1, 8), None)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    (output,) = inspection.outputs
    assert (output.name, output.dtype, output.shape) == ("logits", "float32", (1, 3))
    assert inspection.architecture == CLASSIFIER
    assert inspection.config["hidden_size"] == 96
    has_scheme = quantization in ("dynamic", "mixed", "int8")
    assert inspection.scheme == (quantization if has_scheme else None)
    files = ["config.json", "labels.txt", "quantization.json"][: 2 + has_scheme]
    assert inspection.packed_files == files


def test_codes_that_come_out_have_their_scale(exported):
    path, inspection = inspected(exported, "int8", output_type="int8")
    (output,) = inspection.outputs
    runner = Interpreter(str(path)).get_signature_runner()
    expected = runner.get_output_details()["logits"]["quantization"]
    assert (output.scale, output.zero_point) == expected
    assert output.dtype == "int8" and output.scale > 0


# === Operations


@every_form
def test_operations_are_counted(exported, quantization):
    path, inspection = inspected(exported, quantization)
    counts = Counter()
    for kind in inspection.op_counts:
        counts[kind.op] += kind.count
    assert counts == Counter(op.name for op in read_ops(path))


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ("float32", {"float32×float32×float32→float32": 8}),
        # The classifier is too small for the converter to quantize it.
        (
            "dynamic",
            {
                "float32×int8×float32→float32": 7,
                "float32×float32×float32→float32": 1,
            },
        ),
        (
            "mixed",
            {"int8×int8→int8": 7, "float32×float32×float32→float32": 1},
        ),
        ("int8", {"int8×int8→int8": 8}),
    ],
)
def test_types_of_convolutions(exported, quantization, expected):
    _, inspection = inspected(exported, quantization)
    kinds = {k.signature: k.count for k in inspection.op_counts if k.op == "CONV_2D"}
    assert kinds == expected


@pytest.mark.parametrize("quantization", FLOAT)
def test_a_float_file_has_no_islands(exported, quantization):
    assert inspected(exported, quantization)[1].float_islands is None


def test_islands_of_mixed_are_told_once_for_all_layers(exported):
    path, inspection = inspected(exported, "mixed", layers=2)
    expected = sum(
        any(tensor.dtype == "FLOAT32" for tensor in (*op.inputs, *op.outputs))
        for op in read_ops(path)
    )
    islands = inspection.float_islands
    assert sum(island.ops * island.times for island in islands) == expected
    (softmax,) = (i for i in islands if i.ops == 4 and i.times == 2)
    assert softmax.first == "DEQUANTIZE encoder_layer_*/attention"
    assert softmax.last == "QUANTIZE encoder_layer_*/attention"
    (gelu,) = (i for i in islands if i.ops == 3 and i.times == 2)
    assert gelu.last == "QUANTIZE encoder_layer_*/feed_forward"


def test_the_only_island_of_int8_is_its_output(exported):
    _, inspection = inspected(exported, "int8")
    (island,) = inspection.float_islands
    assert (island.first, island.last) == ("DEQUANTIZE", "DEQUANTIZE")
    assert (island.ops, island.times) == (1, 1)
    _, inspection = inspected(exported, "int8", output_type="int8")
    assert inspection.float_islands == []


# === XNNPACK


@pytest.mark.parametrize("quantization", ["float32", "dynamic_ptq", "dynamic", "mixed"])
def test_one_partition(exported, quantization):
    path, inspection = inspected(exported, quantization)
    xnnpack = inspection.xnnpack
    assert xnnpack.count == 1
    # What is left are the lookups, and the mask before it becomes float.
    assert xnnpack.outside == {
        "MINIMUM": 2,
        "MAXIMUM": 2,
        "GATHER": 2,
        "RESHAPE": 1,
        "NOT_EQUAL": 1,
        "SELECT_V2": 1,
    }
    assert xnnpack.ops == len(read_ops(path)) - 9


def test_int8_falls_into_pieces(exported):
    path, inspection = inspected(exported, "int8")
    xnnpack = inspection.xnnpack
    assert xnnpack.count > 3
    assert xnnpack.ops + sum(xnnpack.outside.values()) == len(read_ops(path))
    assert {"SOFTMAX": 1, "GELU": 1, "RSQRT": 3}.items() <= xnnpack.outside.items()


def test_a_graph_that_is_cut_in_two(foreign):
    xnnpack = inspect_tflite(foreign).xnnpack
    assert (xnnpack.count, xnnpack.ops) == (2, 2)
    assert xnnpack.outside == {"FLOOR_MOD": 1}
    assert [op.name for op in read_ops(foreign)].count("FULLY_CONNECTED") == 2


def test_a_file_that_litert_cannot_run(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec((4,))])
    def unknown(x):
        return tf.raw_ops.Betainc(a=x, b=x, x=x)

    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [unknown.get_concrete_function()]
    )
    converter.allow_custom_ops = True
    (tmp_path / "a.tflite").write_bytes(converter.convert())
    inspection = inspect_tflite(tmp_path / "a.tflite")
    assert [kind.op for kind in inspection.op_counts] == ["CUSTOM:Betainc"]
    assert inspection.xnnpack.count is None
    assert "Betainc" in inspection.xnnpack.problem


# === Weights


@pytest.mark.parametrize("quantization", ["dynamic", "mixed", "int8"])
def test_scales_are_those_of_the_weights(exported, quantization):
    model, path = exported(quantization=quantization)
    kernels = {kernel.name: kernel for kernel in inspect_tflite(path).kernels}
    values = {variable.path: to_numpy(variable) for variable in model.weights}
    for variable in model.trainable_variables:
        if variable.name != "kernel" or np.prod(variable.shape) < 1024:
            continue
        kernel = kernels[variable.path.removesuffix("/kernel")]
        scales = kernel_limits(values, variable.path, quantization) / 127
        assert kernel.scales == len(scales)
        assert np.prod(kernel.shape) == np.prod(variable.shape)
        found = (kernel.min, kernel.median, kernel.max)
        expected = (scales.min(), np.median(scales), scales.max())
        assert found == pytest.approx(expected, rel=1e-5)
        assert kernel.max_to_median == pytest.approx(expected[2] / expected[1])
    assert len(kernels) >= 8


def test_tables_have_one_scale(exported):
    model, path = exported(quantization="mixed")
    kernels = {kernel.name: kernel for kernel in inspect_tflite(path).kernels}
    table = kernels["embeddings/word_embeddings"]
    values = to_numpy(model.transformer.embeddings.word_embeddings)
    assert (table.shape, table.scales) == (values.shape, 1)
    assert table.max == pytest.approx(np.abs(values).max() / 127)
    assert {"position_embeddings", "token_type_embeddings"} < {
        name.partition("/")[2] for name in kernels
    }


@pytest.mark.parametrize("quantization", FLOAT)
def test_a_float_file_has_no_scales(exported, quantization):
    assert inspected(exported, quantization)[1].kernels == []


# === Sizes


def sizes(inspection):
    return {part.name: part.bytes for part in inspection.parts}


@every_form
def test_parts_add_up(exported, quantization):
    path, inspection = inspected(exported, quantization)
    assert sum(sizes(inspection).values()) == path.stat().st_size
    assert all(part.bytes >= 0 for part in inspection.parts)
    with zipfile.ZipFile(path) as archive:
        start = min(file.header_offset for file in archive.infolist())
    assert sizes(inspection)["packed files"] == path.stat().st_size - start


def test_parts_are_as_large_as_their_weights(exported):
    model, path = exported(layers=2)
    inspection = inspect_tflite(path)
    found = sizes(inspection)
    encoder = model.transformer
    unused = (24 - 8) * 96  # positions beyond the sequence
    expected = {
        "embeddings": encoder.embeddings.count_params() - unused,
        "encoder layers": 2 * encoder.encoder_layers[0].count_params(),
        "pooler": encoder.pooler.count_params(),
        "head": model.classifier.count_params(),
    }
    for name, parameters in expected.items():
        # Shapes and other small constants of the graph are part of them.
        assert 4 * parameters <= found[name] <= 4 * parameters + 300, name
    assert [p.count for p in inspection.parts if p.name == "encoder layers"] == [2]


def test_int8_weights_are_a_quarter(exported):
    parts = [
        sizes(inspected(exported, quantization)[1])
        for quantization in ("float32", "mixed")
    ]
    # The units of equalized channels, floats that the other file does not have.
    parts[1]["encoder layers"] -= 4 * ONE_LAYER.hidden_size
    for name in ("embeddings", "encoder layers", "pooler"):
        assert parts[1][name] < 0.3 * parts[0][name]


def test_every_head_has_its_part(exported):
    for architecture in ("SqueezeBertForMaskedLM", "SqueezeBertForQuestionAnswering"):
        inspection = inspect_tflite(exported(architecture)[1])
        assert sizes(inspection)["head"] > 0
        assert "pooler" not in sizes(inspection)
    assert "head" not in sizes(inspect_tflite(exported("SqueezeBertModel")[1]))


# === Files of other programs, and damaged ones


def test_a_file_of_another_program(foreign):
    inspection = inspect_tflite(foreign)
    assert (inspection.config, inspection.scheme) == (None, None)
    assert inspection.packed_files == []
    assert sizes(inspection) == {
        "graph and scales": foreign.stat().st_size,
        "packed files": 0,
    }
    json.dumps(asdict(inspection))


def test_mistakes(tmp_path):
    with pytest.raises(InputError, match="No such file: "):
        inspect_tflite(tmp_path / "missing.tflite")
    for content in (b"", b"TFL3", b"\0" * 100):
        (tmp_path / "a.tflite").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.tflite: Not a \.tflite file"):
            inspect_tflite(tmp_path / "a.tflite")


def test_damaged_files(exported, tmp_path):
    content = bytearray(exported(quantization="int8")[1].read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "a.tflite"
    damaged = 0
    for trial in range(40):
        copy = content.copy()
        if trial % 2:
            del copy[rng.integers(8, len(copy)) :]
        for place in rng.integers(len(copy), size=8):
            copy[place] = rng.integers(256)
        path.write_bytes(copy)
        try:
            inspect_tflite(path)
        except InputError as error:
            damaged += "a.tflite" in str(error)
    assert damaged > 10


# === Names


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a_1/transformer_1/embeddings_1/layer_norm_1/add_1", "embeddings/layer_norm"),
        ("embeddings/GatherV2;", "embeddings"),
        ("m/encoder_layer_3/attention/key/add", "encoder_layer_3/attention/key"),
        (
            "encoder_layer_10_1/attention_1/key_1/output_1/MovingAvgQuantize/Fake",
            "encoder_layer_10/attention/key",
        ),
        ("x;m_1/classifier_1/add_1", "classifier"),
        (
            "encoder_layer_1_1/feed_forward_1/output_1/conv_1/add_1;convolution",
            "encoder_layer_1/feed_forward/output/conv",
        ),
        ("StatefulPartitionedCall_1:0", None),
        ("my_embeddings_table/x", None),
        ("", None),
    ],
)
def test_layer_paths(name, path):
    assert layer_path(name) == path


def test_every_kernel_of_a_quantized_file_has_a_name(exported):
    for quantization in QUANTIZED:
        _, path = exported(quantization=quantization)
        names = [kernel.name for kernel in inspect_tflite(path).kernels]
        assert len(names) == len(set(names))
        assert all(layer_path(name) == name for name in names)
