"""float_gelu: int8 GELUs become float ones between int8 tensors, all else stays."""

import math

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tiny import make_inputs

from keras_squeezebert.tflite import LiteRTModel, read_ops
from keras_squeezebert.tflite.float_gelu import float_gelu

# The converter misses a range for the input, which has one right behind it.
pytestmark = pytest.mark.filterwarnings("ignore:Statistics for quantized inputs")

LOW, HIGH = -4.0, 4.0
STEP = 4.2 / 255  # of the output, whose range is -0.2 to 4
X = np.linspace(-5, 5, 1000, dtype="float32")[None]


def convert(function, quantized=True, size=X.shape):
    """The .tflite of a function between two roundings."""

    def graph(x):
        if not quantized:
            return function(x)
        x = tf.quantization.fake_quant_with_min_max_args(x, LOW, HIGH)
        return tf.quantization.fake_quant_with_min_max_args(function(x), -0.2, 4.0)

    traced = tf.function(graph, input_signature=[tf.TensorSpec(size)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [traced.get_concrete_function()]
    )
    if quantized:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return converter.convert()


def run(content, x=X):
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def names(content):
    return [op.name for op in read_ops(content)]


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


@pytest.fixture(scope="module", params=[False, True], ids=["gelu", "gelu_new"])
def graphs(request):
    """A graph with one int8 GELU, the same changed, and the function in numpy."""
    before = convert(lambda x: tf.nn.gelu(x, approximate=request.param))
    return before, float_gelu(before), gelu_tanh if request.param else gelu


def test_operations(graphs):
    before, after, _ = graphs
    assert names(before) == ["QUANTIZE", "GELU", "DEQUANTIZE"]
    assert names(after) == ["QUANTIZE", "DEQUANTIZE", "GELU", "QUANTIZE", "DEQUANTIZE"]
    types = [(op.inputs[0].dtype, op.outputs[0].dtype) for op in read_ops(after)]
    assert types[2] == ("FLOAT32", "FLOAT32")
    assert types[1] == types[4] == ("INT8", "FLOAT32")
    assert types[0] == types[3] == ("FLOAT32", "INT8")


def test_outputs_are_within_a_step_of_those_before(graphs):
    before, after, _ = graphs
    steps = (run(after) - run(before)) / STEP
    np.testing.assert_allclose(steps, np.round(steps), rtol=0, atol=1e-3)
    assert np.abs(steps).max() <= 1.001


def test_outputs_are_the_functions(graphs):
    _, after, function = graphs
    scale = (HIGH - LOW) / 255
    codes = np.clip(np.round(X / scale), -128, 127)
    assert np.abs(run(after) - function(scale * codes)).max() <= 0.51 * STEP


def test_a_second_time_changes_nothing(graphs):
    _, after, _ = graphs
    assert read_ops(float_gelu(after)) == read_ops(after)
    np.testing.assert_array_equal(run(float_gelu(after)), run(after))


def test_several_gelus():
    def twice(x):
        x = tf.quantization.fake_quant_with_min_max_args(tf.nn.gelu(x), -0.2, 4.0)
        return tf.nn.gelu(x)

    before = convert(twice)
    after = float_gelu(before)
    assert (names(before).count("GELU"), names(after).count("GELU")) == (2, 2)
    assert {op.inputs[0].dtype for op in read_ops(after) if op.name == "GELU"} == {
        "FLOAT32"
    }
    assert np.abs(run(after) - run(before)).max() <= 2.001 * STEP


@pytest.mark.parametrize("quantized", [False, True])
def test_a_graph_without_gelu_stays(quantized):
    before = convert(tf.nn.relu, quantized)
    after = float_gelu(before)
    assert read_ops(after) == read_ops(before)
    np.testing.assert_array_equal(run(after), run(before))


def test_a_float_gelu_stays():
    before = convert(tf.nn.gelu, quantized=False)
    after = float_gelu(before)
    assert names(after) == names(before) == ["GELU"]
    np.testing.assert_array_equal(run(after), run(before))


# === In the graph of a model


def test_a_float_model_stays(exported, tmp_path):
    _, path = exported()
    (tmp_path / "a.tflite").write_bytes(float_gelu(path.read_bytes()))
    assert read_ops(tmp_path / "a.tflite") == read_ops(path)
    inputs = make_inputs(3, 8)
    actual, expected = (
        LiteRTModel(file)(inputs)["logits"] for file in (tmp_path / "a.tflite", path)
    )
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    "architecture", ["SqueezeBertForSequenceClassification", "SqueezeBertForMaskedLM"]
)
def test_every_operation_comes_after_those_it_reads(exported, architecture):
    _, path = exported(architecture, "mixed")
    made = {"input_ids", "attention_mask", "token_type_ids"}
    for op in read_ops(path):
        for tensor in op.inputs:
            is_input = any(name in tensor.name for name in made)
            assert tensor.constant or is_input or tensor.name in made, tensor
        made |= {tensor.name for tensor in op.outputs}
    assert any(name.endswith("_float") for name in made)
