"""A quantized model's .tflite: int8 where it was promised, and the same answers."""

import json
import zipfile
from collections import Counter
from importlib import import_module
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tiny import (
    ARCHITECTURES,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    kernel_limits,
    make_inputs,
    make_model,
    run,
    to_numpy,
)

from keras_squeezebert import SqueezeBertForSequenceClassification
from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import activation_ranges
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import (
    ExportError,
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
    read_ops,
)

CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)
BUILTIN = {name for name in vars(schema.BuiltinOperator) if name.isupper()} - {"CUSTOM"}


OUTPUTS = {"SqueezeBertModel": 2, "SqueezeBertForQuestionAnswering": 2}
EVERY_SCHEME = pytest.mark.parametrize("scheme", SCHEMES)


def quantized_model(config, scheme="mixed", seq=8):
    quantized = quantize_aware(make_model(CLASSIFIER, config), scheme)
    batches = [make_inputs(16, seq, config=config, seed=seed) for seed in range(4)]
    calibrate(quantized, batches, progress=False)
    return quantized


def relative_error(actual, expected):
    """Root mean square of the error over that of the values, the worst output's."""
    return max(
        np.sqrt(np.mean((actual[name] - value) ** 2) / np.mean(value**2))
        for name, value in expected.items()
    )


# === Types


def dtypes(path, name):
    """Of the first input and of the outputs of all operations of a name."""
    return {
        tensor.dtype
        for op in read_ops(path)
        if op.name == name
        for tensor in (op.inputs[0], *op.outputs)
    }


def has_float_head(architecture, scheme):
    """The last layer of the heads but the masked LM's, the last convolution."""
    encoders = ("SqueezeBertModel", "SqueezeBertForMaskedLM")
    return scheme == "mixed" and architecture not in encoders


def convolutions(path, architecture, scheme):
    """The types of each, of input, kernel, bias and output, without a float head's."""
    types = [
        [tensor.dtype for tensor in (*op.inputs, *op.outputs)]
        for op in read_ops(path)
        if op.name == "CONV_2D"
    ]
    if has_float_head(architecture, scheme):
        assert types.pop() == ["FLOAT32"] * 4
    return types


def quantization_of(path, name):
    """Scales and zero points of the inputs of each operation of a name."""
    with zipfile.ZipFile(path) as archive:
        content = path.read_bytes()[: archive.infolist()[0].header_offset]
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    (graph,) = model.subgraphs
    number = getattr(schema.BuiltinOperator, name)
    return [
        [graph.tensors[index].quantization for index in operator.inputs]
        for operator in graph.operators
        if model.operatorCodes[operator.opcodeIndex].builtinCode == number
    ]


def expected_ops(architecture, scheme):
    """The operations of a graph of one layer, counted on the equations."""
    masked_lm = architecture == "SqueezeBertForMaskedLM"
    choices = architecture == "SqueezeBertForMultipleChoice"
    qa = architecture == "SqueezeBertForQuestionAnswering"
    pooled = architecture in ("SqueezeBertModel", CLASSIFIER) or choices
    one_token = pooled and architecture != "SqueezeBertModel"
    norms = 3 + masked_lm
    outputs = OUTPUTS.get(architecture, 1)
    ops = {
        "ADD": 5 + 2 * norms,
        "BATCH_MATMUL": 2,
        "CONV_2D": 6 + pooled + masked_lm + (architecture != "SqueezeBertModel"),
        "DEQUANTIZE": 1,  # the rows of words
        "GATHER": 2,
        "GELU": 1 + masked_lm,
        "MAXIMUM": 2,  # which with MINIMUM keeps ids in their range
        "MINIMUM": 2,
        "MUL": 5 * norms,
        "NOT_EQUAL": 1,
        "RESHAPE": 7 + 2 * (pooled + choices + masked_lm + qa),
        "RSQRT": norms,
        "SELECT_V2": 1,
        "SOFTMAX": 1,
        "STRIDED_SLICE": pooled + one_token + 2 * qa,
        "SUB": norms,
        "SUM": 2 * norms,
        "TANH": int(pooled),
        "TRANSPOSE": 4 - 2 * one_token,
    }
    if scheme != "dynamic":
        # The quantization between pooler and classifier keeps two reshapes that would
        # cancel; the first positions are cut from the table, which is int8.
        ops["RESHAPE"] += 2 * one_token
        ops["STRIDED_SLICE"] += 1
    if scheme == "mixed":
        # A head that is float takes the last layer's output as it is.
        takes_tokens = has_float_head(architecture, scheme) and not pooled
        ops["DEQUANTIZE"] = 7 + masked_lm + (0 if takes_tokens else outputs)
        ops["QUANTIZE"] = 5 + masked_lm - takes_tokens
        ops["MUL"] += 1  # by the units of the channels that are equalized
        # What attends, in int8, and the residual, in float.
        ops["STRIDED_SLICE"] += one_token
    if scheme == "int8":
        # Means are one operation each, γ is a convolution's kernel and β its bias, and
        # there is no epsilon.
        ops |= {"ADD": 5, "MUL": 2 * norms, "SUM": 0, "MEAN": 2 * norms}
        ops |= {"DEPTHWISE_CONV_2D": norms, "MAXIMUM": 2 + norms}
        ops["DEQUANTIZE"] = outputs
    return {name: count for name, count in ops.items() if count}


@EVERY_SCHEME
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_operations(exported, architecture, scheme):
    _, path = exported(architecture, scheme)
    found = dict(Counter(op.name for op in read_ops(path)))
    assert found == expected_ops(architecture, scheme)
    assert found.keys() <= BUILTIN


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_mixed_has_matrices_and_tables_in_int8_and_the_rest_in_float(
    exported, architecture
):
    _, path = exported(architecture, "mixed")
    for types in convolutions(path, architecture, "mixed"):
        assert types == ["INT8", "INT8", "INT32", "INT8"]
    for name in ("BATCH_MATMUL", "GATHER"):
        assert dtypes(path, name) == {"INT8"}, name
    for name in ("SOFTMAX", "GELU", "RSQRT", "SUM", "MUL"):
        assert dtypes(path, name) == {"FLOAT32"}, name
    # Residuals and the mask too: of a sum no term is int8.
    assert dtypes(path, "ADD") == {"FLOAT32"}


def float_ops(path):
    """Of the operations that have a float, the names."""
    return [
        op.name
        for op in read_ops(path)
        if {"FLOAT32", "FLOAT16"} & {t.dtype for t in (*op.inputs, *op.outputs)}
    ]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_int8_has_no_float_but_its_outputs(exported, architecture):
    _, path = exported(architecture, "int8")
    ops, outputs = read_ops(path), OUTPUTS.get(architecture, 1)
    assert float_ops(path) == ["DEQUANTIZE"] * outputs
    read = {tensor.name for op in ops for tensor in op.inputs}
    made = {op.outputs[0].name for op in ops if op.name == "DEQUANTIZE"}
    assert len(made) == outputs and not made & read
    computing = {op.name for op in ops} - {"DEQUANTIZE", "NOT_EQUAL", "SELECT_V2"}
    of_ids = {"MINIMUM", "MAXIMUM", "RESHAPE"}
    for name in computing - of_ids:
        assert dtypes(path, name) == {"INT8"}, name
    for name in of_ids:
        assert dtypes(path, name) <= {"INT8", "INT32"}, name


@pytest.mark.parametrize("architecture", [CLASSIFIER, "SqueezeBertModel"])
def test_int8_outputs(exported, architecture):
    _, with_floats = exported(architecture, "int8")
    _, path = exported(architecture, "int8", output_type="int8")
    assert float_ops(path) == []
    names = [op.name for op in read_ops(with_floats) if op.name != "DEQUANTIZE"]
    assert [op.name for op in read_ops(path)] == names
    details = Interpreter(str(path)).get_signature_runner().get_output_details()
    assert len(details) == OUTPUTS.get(architecture, 1)
    for detail in details.values():
        assert detail["dtype"] is np.int8
        assert detail["quantization"][0] > 0


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_and_biases_are_integers(exported, architecture, scheme):
    _, path = exported(architecture, scheme)
    for types in convolutions(path, architecture, scheme):
        assert types[:3] == ["INT8", "INT8", "INT32"]
    for op in read_ops(path):
        if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            assert [tensor.constant for tensor in op.inputs] == [False, True, True]
        if op.name == "DEPTHWISE_CONV_2D":
            assert [tensor.dtype for tensor in op.inputs] == ["INT8", "INT8", "INT32"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_dynamic_has_large_kernels_and_words_in_int8(exported, architecture):
    _, path = exported(architecture, "dynamic")
    for op in read_ops(path):
        if op.name == "CONV_2D":
            dtype = "INT8" if np.prod(op.inputs[1].shape) >= 1024 else "FLOAT32"
            found = [tensor.dtype for tensor in (*op.inputs, *op.outputs)]
            assert found == ["FLOAT32", dtype, "FLOAT32", "FLOAT32"], op
    of_tables = {
        op.inputs[0].shape: op.inputs[0].dtype
        for op in read_ops(path)
        if op.name == "GATHER"
    }
    assert of_tables == {(101, 96): "INT8", (3, 96): "FLOAT32"}
    rest = {op.name for op in read_ops(path)} - {"CONV_2D", "GATHER", "DEQUANTIZE"}
    of_ids = {"RESHAPE", "NOT_EQUAL", "SELECT_V2", "MINIMUM", "MAXIMUM"}
    for name in rest - of_ids:
        assert dtypes(path, name) == {"FLOAT32"}, name


def expected_scales(model, min_size=0, scheme=None):
    """Of each channel of each kernel."""
    values = {variable.path: to_numpy(variable) for variable in model.weights}
    return [
        kernel_limits(values, path, scheme) / 127
        for path, kernel in values.items()
        if path.endswith("/kernel") and kernel.size >= min_size
    ]


@EVERY_SCHEME
def test_a_kernel_has_a_scale_for_each_channel(exported, scheme):
    model, path = exported(CLASSIFIER, scheme)
    found = [kernel for _, kernel, _ in quantization_of(path, "CONV_2D")]
    if scheme != "int8":
        found = [k for k in found if k is not None and k.scale is not None]
    assert {int(zero) for kernel in found for zero in kernel.zeroPoint} == {0}
    assert {kernel.quantizedDimension for kernel in found} == {0}
    # The classifier's kernel is too small for one scheme, and float in the other.
    expected = expected_scales(model, 0 if scheme == "int8" else 1024, scheme)
    assert len(found) == len(expected) == (8 if scheme == "int8" else 7)
    found, expected = (
        np.sort(np.concatenate(scales))
        for scales in ([kernel.scale for kernel in found], expected)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    # All channels that are equalized have the same, but where the bias is larger.
    assert len(np.unique(found)) > (600 if scheme == "mixed" else 700)


@EVERY_SCHEME
def test_a_tied_decoder_has_a_scale_for_each_word(exported, scheme):
    model, path = exported("SqueezeBertForMaskedLM", scheme)
    words = to_numpy(model.transformer.embeddings.word_embeddings)
    decoder = quantization_of(path, "CONV_2D")[-1][1]
    assert decoder.quantizedDimension == 0
    expected = np.abs(words).max(axis=1) / 127
    np.testing.assert_allclose(decoder.scale, expected, rtol=1e-5)


@pytest.mark.parametrize("architecture", [CLASSIFIER, "SqueezeBertForMaskedLM"])
def test_gamma_has_a_scale_for_each_channel(exported, architecture):
    model, path = exported(architecture, "int8")
    gammas = [to_numpy(v) for v in model.weights if v.name == "gamma"]
    found = [kernel for _, kernel, _ in quantization_of(path, "DEPTHWISE_CONV_2D")]
    assert len(found) == len(gammas) >= 3
    for kernel, gamma in zip(found, gammas, strict=True):
        assert kernel.quantizedDimension == 3
        assert set(kernel.zeroPoint.tolist()) == {0}
        np.testing.assert_allclose(kernel.scale, np.abs(gamma) / 127, rtol=1e-5)


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
def test_keys_and_values_have_their_zero_in_the_middle(exported, scheme):
    model, path = exported(CLASSIFIER, scheme)
    ranges = activation_ranges(model)
    scores, context = quantization_of(path, "BATCH_MATMUL")
    for (_, second), name in [(scores, "key"), (context, "value")]:
        _, high = ranges[f"encoder_layer_0/attention/{name}/output"]
        assert second.zeroPoint.tolist() == [0]
        assert second.scale == pytest.approx([high / 127])
    probabilities, _ = context
    assert (*probabilities.scale, *probabilities.zeroPoint) == (1 / 256, -128)


@EVERY_SCHEME
def test_tables_have_one_scale(exported, scheme):
    model, path = exported(CLASSIFIER, scheme)
    tables = model.transformer.embeddings
    expected = [
        np.abs(to_numpy(table)).max() / 127
        for table in (tables.word_embeddings, tables.token_type_embeddings)
    ]
    tables = [table.scale for table, _ in quantization_of(path, "GATHER")]
    found = [scale.tolist() for scale in tables if scale is not None]
    if scheme == "dynamic":
        expected = expected[:1]
    assert sorted(found) == [[pytest.approx(scale)] for scale in sorted(expected)]


@EVERY_SCHEME
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_inputs_and_outputs_are_those_of_a_float_file(exported, architecture, scheme):
    signatures = [
        Interpreter(str(exported(architecture, quantization)[1])).get_signature_runner()
        for quantization in (scheme, "float32")
    ]
    details = [
        {
            name: (detail["shape"].tolist(), detail["dtype"])
            for part in (signature.get_input_details(), signature.get_output_details())
            for name, detail in part.items()
        }
        for signature in signatures
    ]
    assert details[0] == details[1]


# === Values


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs(exported, architecture, scheme):
    """Random weights are large, and pass on every code that differs."""
    model, path = exported(architecture, scheme)
    litert = LiteRTModel(path)
    inputs = make_inputs(64, *litert.input_shape[1:], seed=9)
    expected, actual = run(model, inputs), litert(inputs)
    if architecture == "SqueezeBertModel":
        # The file has the hidden state as the pooler takes it.
        limits = activation_ranges(model)["pooler/input"]
        expected["last_hidden_state"] = expected["last_hidden_state"].clip(*limits)
    assert relative_error(actual, expected) < 0.02
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype == np.float32
        # No value is cut off: those of the worst are near too.
        assert np.abs(actual[name] - value).max() < 0.7, name


def assert_almost_the_same(actual, expected):
    """But for a few rows in which a value lay on the edge of two codes."""
    assert relative_error(actual, expected) < 2e-3
    for name, value in expected.items():
        axes = tuple(range(1, value.ndim))
        errors = np.abs(actual[name] - value).max(axis=axes)
        assert (errors < 1e-3).mean() > 0.9, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs_of_dynamic(exported, architecture):
    model, path = exported(architecture, "dynamic")
    litert = LiteRTModel(path)
    inputs = make_inputs(64, *litert.input_shape[1:], seed=9)
    assert_almost_the_same(litert(inputs), run(model, inputs))


def test_dynamic_with_a_small_vocabulary(tmp_path):
    """Its table has fewer elements than the converter quantizes."""
    config = CALM.replace(vocab_size=9)
    model = quantized_model(config, "dynamic")
    path = export_tflite(model, tmp_path / "a.tflite", 8)
    inputs = make_inputs(64, 8, config=config, seed=9)
    assert_almost_the_same(LiteRTModel(path)(inputs), run(model, inputs))


@pytest.mark.parametrize("scheme", ["dynamic", "int8"])
def test_without_groups(tmp_path, scheme):
    """In dynamic each position then has a range of its own."""
    names = [name for name in vars(CALM) if name.endswith("_groups")]
    model = quantized_model(CALM.replace(**dict.fromkeys(names, 1)), scheme)
    path = export_tflite(model, tmp_path / "a.tflite", 8, batch_size=2)
    inputs = make_inputs(64, 8, seed=9)
    actual, expected = LiteRTModel(path)(inputs), run(model, inputs)
    if scheme == "dynamic":
        assert_almost_the_same(actual, expected)
    assert relative_error(actual, expected) < 0.02


def test_ranges_of_dynamic_are_each_examples_own(exported):
    model, path = exported(CLASSIFIER, "dynamic", batch_size=4)
    inputs = make_inputs(64, 8, seed=9)
    assert_almost_the_same(LiteRTModel(path)(inputs), run(model, inputs))


@EVERY_SCHEME
def test_a_shuffled_kernel_is_noticed(exported, scheme):
    model, path = exported(CLASSIFIER, scheme)
    copy = quantize_aware(make_model(CLASSIFIER, ONE_LAYER), scheme)
    copy.set_weights(model.get_weights())
    inputs = make_inputs(64, 8, seed=9)
    actual = LiteRTModel(path)(inputs)
    assert relative_error(actual, run(copy, inputs)) < 0.02
    value = copy.transformer.encoder_layers[0].attention.value
    value.kernel.assign(to_numpy(value.kernel)[..., ::-1])
    assert relative_error(actual, run(copy, inputs)) > 0.15


@EVERY_SCHEME
def test_512_tokens(tmp_path, scheme):
    config = CALM.replace(max_position_embeddings=512)
    model = quantized_model(config, scheme, seq=512)
    litert = LiteRTModel(export_tflite(model, tmp_path / "a.tflite", 512))
    inputs = make_inputs(32, 512, config=config, seed=9)
    error = relative_error(litert(inputs), run(model, inputs))
    assert error < (2e-3 if scheme == "dynamic" else 0.02)


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu", "id2label": {0: "score"}},
        {"hidden_act": "silu", "problem_type": "multi_label_classification"},
        {"hidden_act": "gelu_new"},
    ],
    ids=["relu, regression", "silu, multi-label", "gelu_new"],
)
def test_other_activations_and_tasks(tmp_path, changes, scheme):
    model = quantized_model(CALM.replace(**changes), scheme)
    path = export_tflite(model, tmp_path / "a.tflite", 8, batch_size=8)
    assert all(t[0] == t[3] == "INT8" for t in convolutions(path, CLASSIFIER, scheme))
    for name in ("BATCH_MATMUL", "GATHER"):
        assert dtypes(path, name) == {"INT8"}, name
    inputs = make_inputs(64, 8, seed=9)
    expected, actual = run(model, inputs), LiteRTModel(path)(inputs)
    assert actual["logits"].shape == expected["logits"].shape
    assert relative_error(actual, expected) < 0.06


@pytest.mark.parametrize("scheme", ["mixed", "int8"])
def test_a_pooler_of_small_values(tmp_path, scheme):
    """int8 TANH has steps of 1/128: what is trained must have them too."""
    model = make_model(CLASSIFIER, CALM)
    for variable in model.trainable_variables:
        if variable.path.startswith("pooler/"):
            variable.assign(to_numpy(variable) * 0.02)
        elif variable.path == "classifier/bias":
            variable.assign(np.zeros(3))  # or it alone would make the range
    quantized = quantize_aware(model, scheme)
    batches = [make_inputs(32, 8, seed=seed) for seed in range(8)]
    calibrate(quantized, batches, progress=False)
    path = export_tflite(quantized, tmp_path / "a.tflite", 8, batch_size=32)
    inputs = make_inputs(256, 8, seed=99)
    expected = run(quantized, inputs)["logits"]
    error = LiteRTModel(path)(inputs)["logits"] - expected
    assert np.abs(error).mean() <= step_of_logits(quantized, expected)


# === The mask of int8


def whole_rows(*shape, seed=0):
    """Inputs without any padding."""
    inputs = make_inputs(*shape, seed=seed)
    return inputs | {"attention_mask": np.ones(shape, "int32")}


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A model whose scores reach far, calibrated without padding, and its file."""
    model = make_model("SqueezeBertModel", CALM)
    for variable in model.trainable_variables:
        if "/query/" in variable.path:
            variable.assign(to_numpy(variable) * 4)
    quantized = quantize_aware(model, "int8")
    batches = [whole_rows(16, 8, seed=seed) for seed in range(4)]
    calibrate(quantized, batches, progress=False)
    path = tmp_path_factory.mktemp("wide") / "model.tflite"
    return quantized, export_tflite(quantized, path, 8)


def with_other_padding(inputs):
    """Inputs whose masked tokens are other ones."""
    ids, masked = inputs["input_ids"], inputs["attention_mask"] == 0
    assert masked.any()
    return inputs | {"input_ids": np.where(masked, (ids + 50) % 101, ids)}


def softmax_codes(path, inputs):
    """The int8 that the SOFTMAX of the first layer gives, (rows, heads, seq, seq)."""
    interpreter = Interpreter(
        str(path),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        experimental_preserve_all_tensors=True,
    )
    name = next(op.outputs[0].name for op in read_ops(path) if op.name == "SOFTMAX")
    tensors = interpreter.get_tensor_details()
    (index,) = [tensor["index"] for tensor in tensors if tensor["name"] == name]
    signature = interpreter.get_signature_runner()
    codes = []
    for row in range(len(inputs["input_ids"])):
        signature(**{key: value[row : row + 1] for key, value in inputs.items()})
        codes.append(interpreter.get_tensor(index).copy())
    return np.concatenate(codes)


def test_the_scores_of_the_wide_model_reach_far(wide):
    low, high = activation_ranges(wide[0])["encoder_layer_0/attention/scores"]
    assert high - low > 40


@pytest.mark.parametrize("scores", ["usual", "wide"])
def test_a_masked_token_has_a_probability_of_zero(exported, wide, scores):
    usual = scores == "usual"
    model, path = exported("SqueezeBertModel", "int8") if usual else wide
    inputs = make_inputs(32, 8, seed=9)
    attended = inputs["attention_mask"][:, None, None] != 0
    (probabilities,) = model.intermediate_outputs(inputs)["attentions"]
    codes = softmax_codes(path, inputs)
    for share, zero in [(to_numpy(probabilities), 0.0), (codes, -128)]:
        assert (np.where(attended, zero, share) == zero).all()
        assert (np.where(attended, share, zero) != zero).any(axis=-1).all()


@pytest.mark.parametrize("scores", ["usual", "wide"])
def test_masked_tokens_change_nothing(exported, wide, scores):
    usual = scores == "usual"
    model, path = exported("SqueezeBertModel", "int8") if usual else wide
    inputs = make_inputs(32, 8, seed=9)
    other, attended = with_other_padding(inputs), inputs["attention_mask"] == 1
    litert = LiteRTModel(path)
    for outputs in (lambda x: run(model, x), litert):
        before, after = outputs(inputs), outputs(other)
        np.testing.assert_array_equal(after["pooler_output"], before["pooler_output"])
        np.testing.assert_array_equal(
            after["last_hidden_state"][attended], before["last_hidden_state"][attended]
        )
        changed = after["last_hidden_state"] != before["last_hidden_state"]
        assert changed[~attended].any()


def test_a_model_calibrated_without_padding_answers_the_same(wide):
    model, path = wide
    inputs = make_inputs(32, 8, seed=9)
    expected = run(model, inputs)
    limits = activation_ranges(model)["pooler/input"]
    expected["last_hidden_state"] = expected["last_hidden_state"].clip(*limits)
    assert relative_error(LiteRTModel(path)(inputs), expected) < 0.03


# === A trained model

VOCABULARY = 2001


def easy_task(rows, seq=8, seed=0):
    """Texts whose label is the third of the vocabulary that their words are from."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=rows)
    ids = rng.integers(VOCABULARY // 3, size=(rows, seq)) % 40
    ids += VOCABULARY // 3 * labels[:, None]
    mask = np.ones((rows, seq), "int32")
    mask[::2, seq // 2 :] = 0
    inputs = {
        "input_ids": ids.astype("int32"),
        "attention_mask": mask,
        "token_type_ids": np.zeros((rows, seq), "int32"),
    }
    return inputs, labels


def train(model, rate, epochs):
    model.compile(keras.optimizers.Adam(rate))
    history = model.fit(*easy_task(512), batch_size=32, epochs=epochs, verbose=0)
    return history.history["loss"]


@pytest.fixture(scope="module")
def trained():
    """A model of float that has learnt the easy task."""
    keras.utils.set_random_seed(0)
    config = CALM.replace(vocab_size=VOCABULARY)
    model = SqueezeBertForSequenceClassification(config)
    assert train(model, 1e-3, epochs=3)[-1] < 0.2
    return model


def quantized_training(model, scheme, rate=1e-4):
    quantized = quantize_aware(model, scheme)
    batches = [easy_task(128, seed=seed)[0] for seed in (1, 2, 3)]
    calibrate(quantized, batches, progress=False)
    losses = train(quantized, rate, epochs=1)
    assert np.isfinite(losses).all()
    return quantized


@pytest.fixture(scope="module", params=SCHEMES)
def aware(trained, request):
    """The same, trained on with the rounding of int8."""
    return quantized_training(trained, request.param)


@pytest.fixture(scope="module")
def file(aware, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model.tflite"
    return export_tflite(aware, path, 8, batch_size=64)


def step_of_logits(model, logits):
    """Of outputs without a range it is the step that they would have in one."""
    low, high = activation_ranges(model).get(
        "classifier/output", (logits.min(), logits.max())
    )
    return (high - low) / 255


def assert_agreement(path, model, seq=8, agreement=0.998, accuracy=0.99):
    """In the label, and in the logits to a step of int8 on average."""
    inputs, labels = easy_task(1024, seq, seed=9)
    expected = run(model, inputs)["logits"]
    actual = LiteRTModel(path)(inputs)["logits"]
    same = actual.argmax(-1) == expected.argmax(-1)
    assert same.mean() >= agreement
    assert np.abs(actual - expected).mean() <= step_of_logits(model, expected)
    # It is an answer, and not merely the same.
    assert (actual.argmax(-1) == labels).mean() > accuracy
    assert len(set(expected.argmax(-1))) == 3


def test_a_trained_model_agrees(file, aware):
    assert_agreement(file, aware)


def test_another_length_and_a_batch_of_two(aware, tmp_path):
    path = export_tflite(aware, tmp_path / "a.tflite", 13, batch_size=2)
    assert LiteRTModel(path).input_shape == (2, 13)
    assert_agreement(path, aware, seq=13)


def test_the_file_is_small(file, trained):
    assert file.stat().st_size < 0.4 * 4 * trained.count_params()


@EVERY_SCHEME
def test_channels_with_outliers(trained, tmp_path, scheme):
    """What trained BERTs have: a few channels that are far larger than the rest."""
    model = type(trained).from_config(trained.get_config())
    model.set_weights(trained.get_weights())
    for variable in model.trainable_variables:
        if variable.name == "gamma":
            factors = np.where(np.arange(96) % 40 == 7, 8.0, 1.0)
            variable.assign(to_numpy(variable) * factors)
    quantized = quantized_training(model, scheme, rate=1e-3)
    for variable in quantized.weights:
        assert np.isfinite(to_numpy(variable)).all(), variable.path
    path = export_tflite(quantized, tmp_path / "a.tflite", 8, batch_size=64)
    assert_agreement(path, quantized, agreement=0.99, accuracy=0.9)


# === The file


@EVERY_SCHEME
def test_the_scheme_and_the_ranges_are_packed(exported, scheme):
    model, path = exported(CLASSIFIER, scheme)
    with zipfile.ZipFile(path) as archive:
        expected = {"config.json", "labels.txt", "quantization.json"}
        assert set(archive.namelist()) == expected
        values = json.loads(archive.read("quantization.json"))
    assert values["scheme"] == SCHEMES[scheme].to_dict()
    ranges = {point: list(limits) for point, limits in activation_ranges(model).items()}
    assert values["ranges"] == ranges
    assert LiteRTModel(path).config == model.config


# === Errors


@pytest.fixture
def export_module(exported, monkeypatch):
    """Without the seconds that a conversion takes: a file is to come from elsewhere."""
    for quantization in ("float32", *SCHEMES):
        exported(CLASSIFIER, quantization)
    module = import_module("keras_squeezebert.tflite.export")
    monkeypatch.setattr(module, "_write_saved_model", lambda *arguments: None)
    return module


@pytest.fixture
def converter(monkeypatch, export_module):
    """Puts another file in the place of what the converter makes."""

    def returns(content):
        fake = SimpleNamespace(convert=lambda: content, target_spec=SimpleNamespace())
        monkeypatch.setattr(
            tf.lite.TFLiteConverter, "from_saved_model", lambda folder: fake
        )

    return returns


def bare(path):
    with zipfile.ZipFile(path) as archive:
        return path.read_bytes()[: archive.infolist()[0].header_offset]


def test_without_calibration(tmp_path):
    model = quantize_aware(make_model(CLASSIFIER, ONE_LAYER))
    with pytest.raises(InputError, match=r"ranges .* Call `calibrate`"):
        export_tflite(model, tmp_path / "a.tflite", 8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("asked_for", ["float32", "float16", "dynamic_ptq", "int8"])
def test_a_quantized_model_is_exported_only_as_it_is(exported, tmp_path, asked_for):
    model, _ = exported(CLASSIFIER, "mixed")
    with pytest.raises(InputError, match=f"'mixed', .*quantization='{asked_for}'"):
        export_tflite(model, tmp_path / "a.tflite", 8, quantization=asked_for)
    assert list(tmp_path.iterdir()) == []


@EVERY_SCHEME
def test_a_float_model_is_not_exported_as_a_quantized_one(exported, tmp_path, scheme):
    model, _ = exported()
    with pytest.raises(InputError, match=f"`quantize_aware`.*'{scheme}'"):
        export_tflite(model, tmp_path / "a.tflite", 8, quantization=scheme)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("quantization", "output_type", "message"),
    [
        ("float32", "float16", "float32 or int8. Received: output_type='float16'"),
        ("int8", "uint8", "float32 or int8. Received: output_type='uint8'"),
        ("float32", "int8", "Received: output_type='int8', scheme=None"),
        ("mixed", "int8", "Received: output_type='int8', scheme='mixed'"),
        ("dynamic", "int8", "Received: output_type='int8', scheme='dynamic'"),
    ],
)
def test_output_types(exported, tmp_path, quantization, output_type, message):
    model, _ = exported(CLASSIFIER, quantization)
    with pytest.raises(InputError, match=message):
        export_tflite(model, tmp_path / "a.tflite", 8, output_type=output_type)
    assert list(tmp_path.iterdir()) == []


@EVERY_SCHEME
def test_a_float_graph_is_not_taken_for_a_quantized_one(
    exported, converter, tmp_path, scheme
):
    model, _ = exported(CLASSIFIER, scheme)
    converter(bare(exported()[1]))
    (tmp_path / "a.tflite").write_bytes(b"old")
    with pytest.raises(ExportError, match=f"quantization='{scheme}' promises"):
        export_tflite(model, tmp_path / "a.tflite", 8)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_a_graph_with_floats_is_not_taken_for_one_without(
    exported, converter, tmp_path
):
    model, _ = exported(CLASSIFIER, "int8")
    converter(bare(exported(CLASSIFIER, "mixed")[1]))
    with pytest.raises(ExportError, match="not free of floats as quantization='int8'"):
        export_tflite(model, tmp_path / "a.tflite", 8)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_old_file(
    exported, converter, export_module, monkeypatch, tmp_path
):
    model, path = exported(CLASSIFIER, "mixed")
    converter(bare(path))

    def fail(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(export_module, "save_quantization", fail)
    (tmp_path / "a.tflite").write_bytes(b"old")
    with pytest.raises(OSError, match="No space left"):
        export_tflite(model, tmp_path / "a.tflite", 8)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_the_scheme_may_be_named(exported, converter, tmp_path):
    model, path = exported(CLASSIFIER, "mixed")
    converter(bare(path))
    again = export_tflite(model, tmp_path / "a.tflite", 8, quantization="mixed")
    assert read_ops(again) == read_ops(path)
