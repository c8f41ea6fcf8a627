"""What the models compute: equal to the equations, written out in numpy."""

import keras
import numpy as np
import numpy_squeezebert as oracle
import pytest
from tiny import (
    ARCHITECTURES,
    CONFIG,
    ONE_LAYER,
    assert_equal_outputs,
    differ,
    inputs_for,
    make_inputs,
    make_model,
    named,
    run,
    to_numpy,
    weights_of,
)

import keras_squeezebert
from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.config import ACTIVATIONS


@pytest.fixture(scope="module")
def models():
    return {name: make_model(name) for name in ARCHITECTURES}


@pytest.fixture(scope="module")
def classifier(models):
    return models["SqueezeBertForSequenceClassification"]


def expected_outputs(model, inputs):
    return oracle.outputs(type(model).__name__, weights_of(model), model.config, inputs)


# === Against the equations


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_outputs(models, architecture):
    model, inputs = models[architecture], inputs_for(architecture)
    expected = expected_outputs(model, inputs)
    assert_equal_outputs(run(model, inputs), expected)
    assert_equal_outputs(named(model.predict(inputs, verbose=0)), expected)


@pytest.mark.parametrize(
    ("architecture", "shapes"),
    [
        (
            "SqueezeBertModel",
            {"last_hidden_state": (4, 7, 96), "pooler_output": (4, 96)},
        ),
        ("SqueezeBertForMaskedLM", {"logits": (4, 7, 101)}),
        ("SqueezeBertForMultipleChoice", {"logits": (4, 5)}),
        (
            "SqueezeBertForQuestionAnswering",
            {"start_logits": (4, 7), "end_logits": (4, 7)},
        ),
        ("SqueezeBertForSequenceClassification", {"logits": (4, 3)}),
        ("SqueezeBertForTokenClassification", {"logits": (4, 7, 3)}),
    ],
)
def test_output_names_and_shapes(models, architecture, shapes):
    model = models[architecture]
    outputs = run(model, inputs_for(architecture))
    assert {name: value.shape for name, value in outputs.items()} == shapes
    assert {value.dtype.name for value in outputs.values()} == {"float32"}
    symbolic = model.output if len(shapes) > 1 else {"logits": model.output}
    assert {name: len(tensor.shape) for name, tensor in symbolic.items()} == {
        name: len(shape) for name, shape in shapes.items()
    }


@pytest.mark.parametrize("hidden_act", ACTIVATIONS)
def test_activations(hidden_act):
    config = ONE_LAYER.replace(hidden_act=hidden_act)
    model, inputs = make_model("SqueezeBertForMaskedLM", config), make_inputs(2, 5)
    assert_equal_outputs(run(model, inputs), expected_outputs(model, inputs))


# Keras doubts that a softmax over one token is meant.
@pytest.mark.filterwarnings("ignore:(?s).*softmax over axis:UserWarning")
@pytest.mark.parametrize("seq", [1, 24])
def test_shortest_and_longest_sequence(classifier, seq):
    inputs = make_inputs(2, seq)
    assert_equal_outputs(run(classifier, inputs), expected_outputs(classifier, inputs))


@pytest.mark.parametrize("choices", [1, 2, 3, 5])
def test_any_number_of_choices(models, choices):
    model = models["SqueezeBertForMultipleChoice"]
    inputs = make_inputs(2, choices, 6, seed=choices)
    assert_equal_outputs(run(model, inputs), expected_outputs(model, inputs))


def test_output_of_every_layer(models):
    model, inputs = models["SqueezeBertModel"], inputs_for("SqueezeBertModel")
    names = ["embeddings", "encoder_layer_0", "encoder_layer_1"]
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names])
    states, _ = oracle.base(weights_of(model), model.config, inputs)
    for actual, expected in zip(probe(inputs), states, strict=True):
        np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=1e-5)


# === The comparison above is one that a mistake fails


def test_every_shuffled_weight_is_noticed(models):
    model, inputs = models["SqueezeBertModel"], inputs_for("SqueezeBertModel")
    outputs, weights = run(model, inputs), weights_of(model)
    unnoticed = []
    for name, value in weights.items():
        shuffled = {**weights, name: value[..., ::-1]}
        wrong = oracle.outputs("SqueezeBertModel", shuffled, CONFIG, inputs)
        if not differ(outputs, wrong):
            unnoticed.append(name)
    # What is added to all keys of a head alike changes no probability.
    assert unnoticed == [f"encoder_layer_{i}/attention/key/bias" for i in range(2)]


def test_swapped_kernels_of_one_shape_are_noticed(classifier):
    inputs = make_inputs(2, 7)
    weights = weights_of(classifier)
    first, second = (
        f"encoder_layer_1/{name}/conv/kernel"
        for name in ("post_attention", "feed_forward/output")
    )
    assert weights[first].shape == weights[second].shape
    weights[first], weights[second] = weights[second], weights[first]
    name = type(classifier).__name__
    wrong = oracle.outputs(name, weights, CONFIG, inputs)
    assert differ(run(classifier, inputs), wrong)


@pytest.mark.parametrize(
    "changes",
    [
        {"layer_norm_eps": 1e-3},
        {"num_attention_heads": 8},
        {"hidden_act": "gelu_new"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_hyperparameter_is_noticed(models, changes):
    model, inputs = models["SqueezeBertForMaskedLM"], make_inputs(2, 7)
    other = model.config.replace(**changes)
    wrong = oracle.outputs("SqueezeBertForMaskedLM", weights_of(model), other, inputs)
    assert differ(run(model, inputs), wrong)


def test_the_encoder_ignores_the_epsilon_of_the_config(classifier, monkeypatch):
    inputs = make_inputs(2, 7)
    monkeypatch.setattr(oracle, "ENCODER_EPS", CONFIG.layer_norm_eps)
    assert differ(run(classifier, inputs), expected_outputs(classifier, inputs))


@pytest.mark.parametrize("name", ["input_ids", "attention_mask", "token_type_ids"])
def test_every_input_matters(classifier, name):
    inputs = make_inputs(2, 7)
    other = {**inputs, name: np.ones_like(inputs[name])}
    assert differ(run(classifier, other), run(classifier, inputs))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_has_no_influence(models, architecture):
    model, inputs = models[architecture], inputs_for(architecture)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    other = {**inputs, "input_ids": np.where(mask, ids, (ids + 1) % 101)}
    by_token = {
        "SqueezeBertModel": ["last_hidden_state"],
        "SqueezeBertForMaskedLM": ["logits"],
        "SqueezeBertForQuestionAnswering": ["start_logits", "end_logits"],
        "SqueezeBertForTokenClassification": ["logits"],
    }
    before, after = run(model, inputs), run(model, other)
    kept = mask.astype(bool)
    for name, expected in before.items():
        actual = after[name]
        if name in by_token.get(architecture, ()):
            # What is said of the masked tokens themselves does change.
            assert np.any(actual[~kept] != expected[~kept])
            actual, expected = actual[kept], expected[kept]
        np.testing.assert_array_equal(actual, expected)


def test_one_text_does_not_depend_on_the_others(classifier):
    inputs = make_inputs(3, 7)
    for row, expected in enumerate(run(classifier, inputs)["logits"]):
        alone = {name: array[row : row + 1] for name, array in inputs.items()}
        actual = run(classifier, alone)["logits"][0]
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def test_a_text_that_is_masked_throughout_is_finite(classifier):
    inputs = make_inputs(2, 7)
    inputs["attention_mask"] = np.zeros_like(inputs["attention_mask"])
    assert np.isfinite(run(classifier, inputs)["logits"]).all()


def test_dropout_only_in_training(classifier):
    inputs = make_inputs(2, 7)
    assert not differ(
        named(classifier(inputs, training=False)), run(classifier, inputs)
    )
    assert differ(
        named(classifier(inputs, training=True)), run(classifier, inputs), 0.1
    )


# === Sizes


def test_question_answering_has_two_outputs_whatever_the_labels():
    model = make_model("SqueezeBertForQuestionAnswering", ONE_LAYER)
    assert ONE_LAYER.num_labels == 3
    assert model.config.num_labels == 2
    assert model.get_layer("qa_outputs").kernel.shape == (96, 2)


# Of Hugging Face's classes, counted there.
PARAMETERS = {
    "SqueezeBertModel": 51_089_664,
    "SqueezeBertForMaskedLM": 51_712_314,
    "SqueezeBertForMultipleChoice": 51_090_433,
    "SqueezeBertForQuestionAnswering": 51_091_202,
    "SqueezeBertForSequenceClassification": 51_091_202,
    "SqueezeBertForTokenClassification": 51_091_202,
}
PARAMETERS_PER_LAYER = 2_221_824


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameters_at_full_size(architecture):
    # Eleven of the twelve layers are counted, not built: they would fill the memory.
    config = SqueezeBertConfig(num_hidden_layers=1)
    model = getattr(keras_squeezebert, architecture)(config)
    assert model.count_params() + 11 * PARAMETERS_PER_LAYER == PARAMETERS[architecture]


@pytest.mark.parametrize(
    ("groups", "parameters"), [(None, PARAMETERS_PER_LAYER), (1, 7_087_872)]
)
def test_parameters_of_a_layer(groups, parameters):
    config = SqueezeBertConfig()
    if groups:
        names = [name for name in vars(config) if name.endswith("_groups")]
        config = config.replace(**dict.fromkeys(names, groups))
    layer = keras_squeezebert.layers.SqueezeBertEncoderLayer(config)
    layer.build((None, None, 768))
    assert layer.count_params() == parameters
