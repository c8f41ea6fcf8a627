"""A quantized model's .tflite: int8 where it was promised, and the same answers."""

import json
import zipfile
from importlib import import_module
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from tiny import (
    ARCHITECTURES,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    make_inputs,
    make_model,
    run,
    to_numpy,
)

from keras_squeezebert import SqueezeBertForSequenceClassification
from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import activation_ranges
from keras_squeezebert.quantization.scheme import MIXED
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


def quantized_model(config, seq=8):
    quantized = quantize_aware(make_model(CLASSIFIER, config))
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_matrices_and_tables_are_int8_and_the_rest_is_float(exported, architecture):
    _, path = exported(architecture, "mixed")
    assert {op.name for op in read_ops(path)} <= BUILTIN
    for name in ("CONV_2D", "BATCH_MATMUL", "GATHER"):
        assert dtypes(path, name) == {"INT8"}, name
    for name in ("SOFTMAX", "GELU", "RSQRT", "SUM", "MUL"):
        assert dtypes(path, name) == {"FLOAT32"}, name
    decoder = {"INT8"} if architecture == "SqueezeBertForMaskedLM" else set()
    assert dtypes(path, "FULLY_CONNECTED") == decoder
    # Residuals and the mask too: of a sum no term is int8.
    assert dtypes(path, "ADD") == {"FLOAT32"}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_kernels_and_biases_are_integers(exported, architecture):
    _, path = exported(architecture, "mixed")
    for op in read_ops(path):
        if op.name == "CONV_2D":
            assert [tensor.dtype for tensor in op.inputs] == ["INT8", "INT8", "INT32"]
            assert [tensor.constant for tensor in op.inputs] == [False, True, True]


def test_a_kernel_has_a_scale_for_each_channel(exported):
    model, path = exported(CLASSIFIER, "mixed")
    found = [kernel for _, kernel, _ in quantization_of(path, "CONV_2D")]
    assert {int(zero) for kernel in found for zero in kernel.zeroPoint} == {0}
    assert {kernel.quantizedDimension for kernel in found} == {0}
    expected = []
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            factor = (96 / 16) ** -0.5 if "query" in variable.path else 1.0
            kernel = np.abs(to_numpy(variable)).reshape(-1, variable.shape[-1])
            expected.append(kernel.max(axis=0) * factor / 127)
    assert len(found) == len(expected) == 8
    found, expected = (
        np.sort(np.concatenate(scales))
        for scales in ([kernel.scale for kernel in found], expected)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert len(np.unique(found)) > 700


def test_keys_and_values_have_their_zero_in_the_middle(exported):
    model, path = exported(CLASSIFIER, "mixed")
    ranges = activation_ranges(model)
    scores, context = quantization_of(path, "BATCH_MATMUL")
    for (_, second), name in [(scores, "key"), (context, "value")]:
        _, high = ranges[f"encoder_layer_0/attention/{name}/output"]
        assert second.zeroPoint.tolist() == [0]
        assert second.scale == pytest.approx([high / 127])
    probabilities, _ = context
    assert (*probabilities.scale, *probabilities.zeroPoint) == (1 / 256, -128)


def test_tables_have_one_scale(exported):
    model, path = exported(CLASSIFIER, "mixed")
    tables = model.get_layer("transformer").embeddings
    expected = [
        np.abs(to_numpy(table)).max() / 127
        for table in (tables.word_embeddings, tables.token_type_embeddings)
    ]
    found = [table.scale.tolist() for table, _ in quantization_of(path, "GATHER")]
    assert sorted(found) == [[pytest.approx(scale)] for scale in sorted(expected)]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_inputs_and_outputs_are_those_of_a_float_file(exported, architecture):
    signatures = [
        Interpreter(str(exported(architecture, quantization)[1])).get_signature_runner()
        for quantization in ("mixed", "float32")
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


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs(exported, architecture):
    """Random weights are large, and pass on every code that differs."""
    model, path = exported(architecture, "mixed")
    litert = LiteRTModel(path)
    inputs = make_inputs(64, *litert.input_shape[1:], seed=9)
    expected, actual = run(model, inputs), litert(inputs)
    assert relative_error(actual, expected) < 0.05
    if architecture == "SqueezeBertModel":
        # The file has the hidden state as the pooler takes it.
        limits = activation_ranges(model)["pooler/input"]
        expected["last_hidden_state"] = expected["last_hidden_state"].clip(*limits)
    for name, value in expected.items():
        assert actual[name].dtype == value.dtype == np.float32
        # No value is cut off: those of the worst are near too.
        assert np.abs(actual[name] - value).max() < 0.5, name


def test_a_shuffled_kernel_is_noticed(exported):
    model, path = exported(CLASSIFIER, "mixed")
    copy = quantize_aware(make_model(CLASSIFIER, ONE_LAYER))
    copy.set_weights(model.get_weights())
    value = copy.get_layer("transformer").encoder_layers[0].attention.value
    value.kernel.assign(to_numpy(value.kernel)[..., ::-1])
    inputs = make_inputs(64, 8, seed=9)
    assert relative_error(LiteRTModel(path)(inputs), run(copy, inputs)) > 0.15


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_act": "relu", "id2label": {0: "score"}},
        {"hidden_act": "silu", "problem_type": "multi_label_classification"},
        {"hidden_act": "gelu_new"},
    ],
    ids=["relu, regression", "silu, multi-label", "gelu_new"],
)
def test_other_activations_and_tasks(tmp_path, changes):
    model = quantized_model(CALM.replace(**changes))
    path = export_tflite(model, tmp_path / "a.tflite", 8, batch_size=8)
    for name in ("CONV_2D", "BATCH_MATMUL", "GATHER"):
        assert dtypes(path, name) == {"INT8"}, name
    inputs = make_inputs(64, 8, seed=9)
    expected, actual = run(model, inputs), LiteRTModel(path)(inputs)
    assert actual["logits"].shape == expected["logits"].shape
    assert relative_error(actual, expected) < 0.06


def test_a_pooler_of_small_values(tmp_path):
    """int8 TANH has steps of 1/128: what is trained must have them too."""
    model = make_model(CLASSIFIER, CALM)
    for variable in model.trainable_variables:
        if variable.path.startswith("pooler/"):
            variable.assign(to_numpy(variable) * 0.02)
        elif variable.path == "classifier/bias":
            variable.assign(np.zeros(3))  # or it alone would make the range
    quantized = quantize_aware(model)
    batches = [make_inputs(32, 8, seed=seed) for seed in range(8)]
    calibrate(quantized, batches, progress=False)
    path = export_tflite(quantized, tmp_path / "a.tflite", 8, batch_size=32)
    inputs = make_inputs(256, 8, seed=99)
    error = LiteRTModel(path)(inputs)["logits"] - run(quantized, inputs)["logits"]
    low, high = activation_ranges(quantized)["classifier/output"]
    assert np.abs(error).mean() <= (high - low) / 255


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


def quantized_training(model, rate=1e-4):
    quantized = quantize_aware(model)
    batches = [easy_task(128, seed=seed)[0] for seed in (1, 2, 3)]
    calibrate(quantized, batches, progress=False)
    losses = train(quantized, rate, epochs=1)
    assert np.isfinite(losses).all()
    return quantized


@pytest.fixture(scope="module")
def aware(trained):
    """The same, trained on with the rounding of int8."""
    return quantized_training(trained)


@pytest.fixture(scope="module")
def file(aware, tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model.tflite"
    return export_tflite(aware, path, 8, batch_size=64)


def assert_agreement(path, model, seq=8, agreement=0.998, accuracy=0.99):
    """In the label, and in the logits to a step of int8 on average."""
    inputs, labels = easy_task(1024, seq, seed=9)
    expected = run(model, inputs)["logits"]
    actual = LiteRTModel(path)(inputs)["logits"]
    same = actual.argmax(-1) == expected.argmax(-1)
    assert same.mean() >= agreement
    low, high = activation_ranges(model)["classifier/output"]
    assert np.abs(actual - expected).mean() <= (high - low) / 255
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


def test_channels_with_outliers(trained, tmp_path):
    """What trained BERTs have: a few channels that are far larger than the rest."""
    model = type(trained).from_config(trained.get_config())
    model.set_weights(trained.get_weights())
    for variable in model.trainable_variables:
        if variable.name == "gamma":
            factors = np.where(np.arange(96) % 40 == 7, 8.0, 1.0)
            variable.assign(to_numpy(variable) * factors)
    quantized = quantized_training(model, rate=1e-3)
    for variable in quantized.weights:
        assert np.isfinite(to_numpy(variable)).all(), variable.path
    path = export_tflite(quantized, tmp_path / "a.tflite", 8, batch_size=64)
    assert_agreement(path, quantized, agreement=0.99, accuracy=0.9)


# === The file


def test_the_scheme_and_the_ranges_are_packed(exported):
    model, path = exported(CLASSIFIER, "mixed")
    with zipfile.ZipFile(path) as archive:
        assert set(archive.namelist()) == {"config.json", "quantization.json"}
        values = json.loads(archive.read("quantization.json"))
    assert values["scheme"] == MIXED.to_dict()
    ranges = {point: list(limits) for point, limits in activation_ranges(model).items()}
    assert values["ranges"] == ranges
    assert LiteRTModel(path).config == model.config


# === Errors


@pytest.fixture
def export_module(monkeypatch):
    """Without the seconds that a conversion takes: a file is to come from elsewhere."""
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


def test_a_float_model_is_not_exported_as_a_quantized_one(exported, tmp_path):
    model, _ = exported()
    with pytest.raises(InputError, match=r"`quantize_aware`.*quantization='mixed'"):
        export_tflite(model, tmp_path / "a.tflite", 8, quantization="mixed")
    assert list(tmp_path.iterdir()) == []


def test_a_float_graph_is_not_taken_for_a_quantized_one(exported, converter, tmp_path):
    model, _ = exported(CLASSIFIER, "mixed")
    converter(bare(exported()[1]))
    (tmp_path / "a.tflite").write_bytes(b"old")
    with pytest.raises(ExportError, match="quantization='mixed' promises"):
        export_tflite(model, tmp_path / "a.tflite", 8)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


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
