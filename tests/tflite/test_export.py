"""export_tflite: the same outputs as Keras', from the operations that were meant."""

import zipfile
from collections import Counter
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tiny import (
    ARCHITECTURES,
    CONFIG,
    ONE_LAYER,
    assert_equal_outputs,
    differ,
    make_inputs,
    make_model,
    run,
)

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.errors import InputError
from keras_squeezebert.lowering import to_conv_layout
from keras_squeezebert.tflite import ExportError, LiteRTModel, export_tflite, read_ops

CLASSIFIER = "SqueezeBertForSequenceClassification"
QUANTIZATIONS = ("float32", "float16", "dynamic_ptq")


def inputs_of(litert, rows=4, seed=0):
    return make_inputs(rows, *litert.input_shape[1:], seed=seed)


def relative_error(actual, expected):
    """Root mean square of the error over that of the values, the worst output's."""
    return max(
        np.sqrt(np.mean((actual[name] - value) ** 2) / np.mean(value**2))
        for name, value in expected.items()
    )


# === Outputs


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_float32(exported, architecture):
    model, path = exported(architecture)
    litert = LiteRTModel(path)
    inputs = inputs_of(litert)
    actual = litert(inputs)
    assert_equal_outputs(
        {name: actual[name] for name in run(model, inputs)}, run(model, inputs)
    )
    assert {value.dtype.name for value in actual.values()} == {"float32"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("quantization", "bound"), [("float16", 2e-3), ("dynamic_ptq", 0.05)]
)
def test_quantized(exported, architecture, quantization, bound):
    model, path = exported(architecture, quantization)
    litert = LiteRTModel(path)
    inputs = inputs_of(litert, rows=16)
    expected = run(model, inputs)
    error = relative_error(litert(inputs), expected)
    assert 0 < error < bound
    # A model one of whose kernels is shuffled is far beyond the bound.
    kernel = next(
        v for v in model.weights if v.path.endswith("post_attention/conv/kernel")
    )
    original = np.asarray(kernel).copy()
    kernel.assign(original[..., ::-1])
    shuffled = run(model, inputs)
    kernel.assign(original)
    assert relative_error(shuffled, expected) > 3 * bound


def test_batches(exported):
    model, path = exported(batch_size=2)
    litert = LiteRTModel(path)
    assert litert.input_shape == (2, 8)
    inputs = inputs_of(litert, rows=5)
    assert_equal_outputs(litert(inputs), run(model, inputs))


# Keras doubts that a softmax over one token is meant.
@pytest.mark.filterwarnings("ignore:(?s).*softmax over axis:UserWarning")
@pytest.mark.parametrize("seq", [1, 512])
def test_sequence_lengths(tmp_path, seq):
    config = ONE_LAYER.replace(max_position_embeddings=512)
    model = make_model(CLASSIFIER, config)
    litert = LiteRTModel(export_tflite(model, tmp_path / "a.tflite", seq))
    inputs = inputs_of(litert, rows=2)
    assert_equal_outputs(litert(inputs), run(model, inputs))


def test_without_groups(tmp_path):
    names = [name for name in vars(CONFIG) if name.endswith("_groups")]
    model = make_model(CLASSIFIER, ONE_LAYER.replace(**dict.fromkeys(names, 1)))
    path = export_tflite(model, tmp_path / "a.tflite", 8)
    litert = LiteRTModel(path)
    inputs = inputs_of(litert)
    assert_equal_outputs(litert(inputs), run(model, inputs))
    assert count_ops(path)["CONV_2D"] == 8


def test_a_shuffled_weight_is_noticed(exported):
    _, path = exported()
    litert, other = LiteRTModel(path), make_model(CLASSIFIER, ONE_LAYER)
    kernel = other.transformer.encoder_layers[0].attention.value.kernel
    kernel.assign(np.asarray(kernel)[..., ::-1])
    inputs = inputs_of(litert)
    assert differ(litert(inputs), run(other, inputs), atol=1e-3)


def test_sizes(exported):
    sizes = {
        quantization: exported("SqueezeBertForMaskedLM", quantization)[1].stat().st_size
        for quantization in QUANTIZATIONS
    }
    assert sizes["float16"] < 0.8 * sizes["float32"]
    # Each of the decoder's rows has a scale of its own, which counts in so small a one.
    assert sizes["dynamic_ptq"] < 0.9 * sizes["float16"]


def test_the_lowering_ends_with_the_export(exported):
    exported()
    assert to_conv_layout(np.zeros((1, 2, 3))).shape == (1, 2, 3)


# === Operations


def expected_ops(architecture, layers):
    """The operations of a float32 graph, counted on the equations."""
    masked_lm = architecture == "SqueezeBertForMaskedLM"
    norms = 1 + 2 * layers + masked_lm
    choices = architecture == "SqueezeBertForMultipleChoice"
    qa = architecture == "SqueezeBertForQuestionAnswering"
    pooled = architecture in ("SqueezeBertModel", CLASSIFIER) or choices
    # Heads on pooled outputs compute one token in the last layer.
    one_token = pooled and architecture != "SqueezeBertModel"
    ops = {
        # Sums of three embeddings; a bias on the scores and two residuals a layer;
        # epsilon and β of each LayerNorm. Biases are inside CONV_2D.
        "ADD": 2 + 3 * layers + 2 * norms,
        "BATCH_MATMUL": 2 * layers,
        # The dense layers too: the pooler's, the head's, and the masked LM's decoder.
        "CONV_2D": 6 * layers
        + pooled
        + masked_lm
        + (architecture != "SqueezeBertModel"),
        # Words and token types: positions are a constant.
        "GATHER": 2,
        "GELU": layers + masked_lm,
        # Ids of words and of token types, kept in their range.
        "MAXIMUM": 2,
        "MINIMUM": 2,
        # Two means, each a SUM times a constant; the square; 1/σ and γ.
        "MUL": 5 * norms,
        "NOT_EQUAL": 1,
        # The mask to 4-D, hidden states in and out of 4-D around the encoder; three
        # heads to split and one to merge a layer; in and out of 4-D around pooler and
        # classifier, or around the masked LM's decoder. Choices: ids and types
        # flattened (the mask goes to 4-D at once). Start and end lose their last axis.
        "RESHAPE": 3 + 4 * layers + 2 * (pooled + choices + masked_lm + qa),
        "RSQRT": norms,
        "SELECT_V2": 1,
        "SOFTMAX": layers,
        # The first token, for the last layer and for the pooler; start and end.
        "STRIDED_SLICE": pooled + one_token + 2 * qa,
        "SUB": norms,
        "SUM": 2 * norms,
        "TANH": int(pooled),
        # Those of a single query are none.
        "TRANSPOSE": 4 * layers - 2 * one_token,
    }
    return {name: count for name, count in ops.items() if count}


def count_ops(path):
    return dict(sorted(Counter(op.name for op in read_ops(path)).items()))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_operations(exported, architecture):
    expected = expected_ops(architecture, layers=1)
    assert count_ops(exported(architecture)[1]) == expected
    # The table of positions is stored as int8 and added as float.
    dynamic = count_ops(exported(architecture, "dynamic_ptq")[1])
    assert dynamic == expected | {"DEQUANTIZE": 1} or dynamic == expected
    half = count_ops(exported(architecture, "float16")[1])
    assert half.pop("DEQUANTIZE") >= 6
    assert half == expected


def test_operations_of_two_layers(exported):
    _, path = exported(layers=2)
    assert count_ops(path) == expected_ops(CLASSIFIER, layers=2)


def test_convolutions_are_grouped_and_dense_layers_are_convolutions(exported):
    _, path = exported()
    shapes = [
        (op.inputs[0].shape[-1] // op.inputs[1].shape[-1], op.inputs[1].shape)
        for op in read_ops(path)
        if op.name == "CONV_2D"
    ]
    config = ONE_LAYER
    assert sorted(shapes) == sorted(
        [
            (config.q_groups, (96, 1, 1, 48)),
            (config.k_groups, (96, 1, 1, 32)),
            (config.v_groups, (96, 1, 1, 24)),
            (config.post_attention_groups, (96, 1, 1, 16)),
            (config.intermediate_groups, (192, 1, 1, 12)),
            (config.output_groups, (96, 1, 1, 16)),
            (1, (96, 1, 1, 96)),  # pooler
            (1, (3, 1, 1, 96)),  # classifier
        ]
    )


def conv_kernels(path):
    return [op.inputs[1] for op in read_ops(path) if op.name == "CONV_2D"]


def test_weights_are_of_the_type_asked_for(exported):
    types = {"float32": "FLOAT32", "dynamic_ptq": "INT8"}
    for quantization, dtype in types.items():
        kernels = conv_kernels(exported(quantization=quantization)[1])
        assert {k.dtype for k in kernels if np.prod(k.shape) >= 1024} == {dtype}


def test_small_kernels_stay_float_in_dynamic_ptq(exported):
    kernels = conv_kernels(exported(quantization="dynamic_ptq")[1])
    (small,) = [kernel for kernel in kernels if np.prod(kernel.shape) < 1024]
    assert (small.shape, small.dtype) == ((3, 1, 1, 96), "FLOAT32")


# === Signature


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_signature(exported, architecture):
    _, path = exported(architecture)
    runner = Interpreter(str(path)).get_signature_runner()
    shape = (1, 3, 8) if architecture.endswith("MultipleChoice") else (1, 8)
    assert {
        name: (tuple(detail["shape"]), detail["dtype"])
        for name, detail in runner.get_input_details().items()
    } == dict.fromkeys(
        ("input_ids", "attention_mask", "token_type_ids"), (shape, np.int32)
    )
    outputs = {
        "SqueezeBertModel": {"last_hidden_state", "pooler_output"},
        "SqueezeBertForQuestionAnswering": {"start_logits", "end_logits"},
    }
    assert set(runner.get_output_details()) == outputs.get(architecture, {"logits"})


# === Arguments


@pytest.fixture
def converter(monkeypatch):
    """Puts another file in the place of what the converter makes."""

    def returns(content):
        fake = SimpleNamespace(convert=lambda: content, target_spec=SimpleNamespace())
        monkeypatch.setattr(
            tf.lite.TFLiteConverter, "from_saved_model", lambda folder: fake
        )

    return returns


@pytest.mark.parametrize(
    ("architecture", "arguments", "message"),
    [
        (CLASSIFIER, {"sequence_length": 0}, "from 1 to .*24. Received: sequence_len"),
        (CLASSIFIER, {"sequence_length": 25}, "Received: sequence_length=25"),
        (CLASSIFIER, {"batch_size": 0}, "Received: batch_size=0"),
        (
            CLASSIFIER,
            {"quantization": "int4"},
            "dynamic_ptq. Received: quantiz.*'int4'",
        ),
        (CLASSIFIER, {"num_choices": 2}, "Received: .*SequenceClass.*num_choices=2"),
        ("SqueezeBertForMultipleChoice", {}, "MultipleChoice, num_choices=None"),
        ("SqueezeBertForMultipleChoice", {"num_choices": 0}, "num_choices=0"),
    ],
)
def test_arguments(tmp_path, architecture, arguments, message):
    model = make_model(architecture, ONE_LAYER)
    with pytest.raises(InputError, match=message):
        export_tflite(
            model, tmp_path / "a.tflite", **{"sequence_length": 8} | arguments
        )
    assert list(tmp_path.iterdir()) == []


def test_returns_the_path_in_a_new_folder(exported, tmp_path, converter):
    model, path = exported()
    with zipfile.ZipFile(path) as companions:
        converter(path.read_bytes()[: companions.infolist()[0].header_offset])
    new = tmp_path / "new" / "a.tflite"
    assert export_tflite(model, str(new), 8) == new
    assert [file.name for file in new.parent.iterdir()] == ["a.tflite"]


# === A check that fails


@pytest.fixture(scope="module")
def flex_model():
    """A graph with an operation that TFLite has only through TensorFlow."""
    function = tf.function(
        tf.linalg.inv, input_signature=[tf.TensorSpec((3, 3), tf.float32)]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()]
    )
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    return converter.convert()


@pytest.mark.parametrize("old", [None, b"the old file"])
def test_a_failed_check_leaves_what_was_there(
    exported, tmp_path, converter, flex_model, old
):
    model, path = exported()[0], tmp_path / "a.tflite"
    if old:
        path.write_bytes(old)
    converter(flex_model)
    with pytest.raises(ExportError, match="Received: CUSTOM:FlexMatrixInverse"):
        export_tflite(model, path, 8)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([old] if old else [])


def test_float_weights_where_int8_was_asked_for(exported, converter, tmp_path):
    model, path = exported()
    content = path.read_bytes()
    converter(content)
    for quantization, dtype in [("dynamic_ptq", "INT8"), ("float16", "FLOAT16")]:
        with pytest.raises(ExportError, match=f"not {dtype} as .*FLOAT32"):
            export_tflite(model, tmp_path / "a.tflite", 8, quantization=quantization)
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_companions_leaves_the_old_file(
    exported, converter, monkeypatch, tmp_path
):
    model, path = exported()
    content = path.read_bytes()
    converter(content)

    def fail(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(
        import_module("keras_squeezebert.tflite.export"), "add_companions", fail
    )
    (tmp_path / "a.tflite").write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        export_tflite(
            model, tmp_path / "a.tflite", 8, tokenizer=SqueezeBertTokenizerFast()
        )
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]
