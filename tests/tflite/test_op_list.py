"""read_ops and check_ops: what a file holds, and what it must not."""

import pytest
import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import ExportError, read_ops
from keras_squeezebert.tflite.op_list import (
    Op,
    Tensor,
    _without_float_kernels,
    check_ops,
)

QUANTIZATIONS = ("float32", "float16", "dynamic_ptq", *SCHEMES)


@pytest.fixture(scope="module")
def small_graph():
    """y = relu(x @ w): one operation whose weight is too small to quantize."""
    weight = tf.ones((4, 3))
    function = tf.function(
        lambda x: tf.nn.relu(x @ weight), input_signature=[tf.TensorSpec((2, 4))]
    )
    return tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()]
    ).convert()


# The classifier's, which "mixed" leaves in float.
FLOAT_KERNELS = {"mixed": [(3, 1, 1, 96)]}


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_file_keeps_its_own_promise(exported, quantization):
    _, path = exported(quantization=quantization)
    check_ops(path, quantization, float_kernels=FLOAT_KERNELS.get(quantization, ()))


@pytest.mark.parametrize("float_kernels", [[], [(96, 1, 1, 3)], [(96, 1, 1, 96)]])
def test_only_the_kernels_named_may_be_float(exported, float_kernels):
    with pytest.raises(ExportError, match="CONV_2D is not INT8"):
        check_ops(exported(quantization="mixed")[1], "mixed", True, float_kernels)


def test_each_kernel_named_may_be_float_once():
    def tensor(constant, shape):
        return Tensor("x", "FLOAT32", shape, constant)

    kernels = [(3, 1, 1, 96), (96, 1, 1, 96), (3, 1, 1, 96)]
    ops = [
        Op("CONV_2D", (tensor(False, (1, 1, 8, 96)), tensor(True, shape)), ())
        for shape in kernels
    ]
    assert _without_float_kernels(ops, kernels[:1]) == ops[1:]
    assert _without_float_kernels(ops, kernels) == []
    assert _without_float_kernels(ops, [(8, 1, 1, 96)]) == ops


@pytest.mark.parametrize(
    ("made", "promised"),
    [
        ("float32", "float16"),
        ("float32", "dynamic_ptq"),
        ("float16", "float32"),
        ("float16", "dynamic_ptq"),
        ("dynamic_ptq", "float32"),
        ("dynamic_ptq", "float16"),
        ("float32", "mixed"),
        ("dynamic_ptq", "mixed"),
        ("mixed", "float32"),
        ("float32", "dynamic"),
        ("float16", "int8"),
        ("dynamic", "mixed"),
        ("int8", "float32"),
    ],
)
def test_a_file_keeps_no_other_promise(exported, made, promised):
    _, path = exported(quantization=made)
    with pytest.raises(ExportError, match=f"quantization='{promised}' promises"):
        check_ops(path, promised)


def test_only_int8_is_free_of_floats(exported):
    check_ops(exported(quantization="int8")[1], "int8", float_ops=False)
    for made in ("float32", "dynamic_ptq", "dynamic", "mixed"):
        _, path = exported(quantization=made)
        with pytest.raises(ExportError, match=f"free of floats .*'{made}' promises"):
            check_ops(path, made, False, FLOAT_KERNELS.get(made, ()))


def test_the_operation_with_a_float_is_named(exported):
    _, path = exported(quantization="mixed")
    with pytest.raises(ExportError, match=r"^[A-Z_0-9]+ is not .*: .* FLOAT32 \("):
        check_ops(path, "mine", float_ops=False)


def test_operations_with_their_tensors(small_graph):
    (op,) = read_ops(small_graph)
    assert isinstance(op, Op)
    assert op.name == "FULLY_CONNECTED"
    data, weight = op.inputs[:2]
    assert (data.shape, data.dtype, data.constant) == ((2, 4), "FLOAT32", False)
    assert (weight.shape, weight.dtype, weight.constant) == ((3, 4), "FLOAT32", True)
    assert [tensor.shape for tensor in op.outputs] == [(2, 3)]


def test_small_weights_stay_in_float(small_graph):
    check_ops(small_graph, "dynamic_ptq")


def test_the_order_is_that_of_execution(exported):
    _, path = exported()
    names = [op.name for op in read_ops(path)]
    assert names.index("SOFTMAX") < names.index("GELU") < names.index("TANH")


def test_path_and_content_are_alike(exported):
    _, path = exported()
    assert read_ops(path) == read_ops(str(path)) == read_ops(path.read_bytes())


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\0" * 100, b"1234TFL2" + b"\0" * 50]
)
def test_other_files(content, tmp_path):
    (tmp_path / "a.tflite").write_bytes(content)
    with pytest.raises(InputError, match=r"Not a \.tflite file"):
        read_ops(tmp_path / "a.tflite")


@pytest.mark.parametrize("size", [8, 1000, -5000])
def test_truncated_files(exported, size):
    _, path = exported()
    with pytest.raises(InputError):
        read_ops(path.read_bytes()[:size])
