"""What every layer computes: equal to the equations, and to the PyTorch original."""

import numpy as np
import numpy_squeezebert as oracle
import pytest
import tensorflow as tf
from tiny import (
    ARCHITECTURES,
    CONFIG,
    HEADS,
    assert_equal_outputs,
    inputs_for,
    make_inputs,
    make_model,
    run,
    weights_of,
)

import keras_squeezebert
from keras_squeezebert.errors import InputError

LAYERS = CONFIG.num_hidden_layers


@pytest.fixture(scope="module")
def model():
    return make_model("SqueezeBertModel")


@pytest.fixture(scope="module")
def inputs():
    return make_inputs(4, 7)


def as_arrays(outputs):
    return {
        f"{name}[{i}]": np.asarray(value)
        for name, values in outputs.items()
        for i, value in enumerate(values)
    }


# === Against the equations


def expected_attentions(model, inputs, states):
    """In every layer the softmax of the masked scores, one head at a time."""
    config, weights = model.config, weights_of(model)
    size = config.hidden_size // config.num_attention_heads
    mask = inputs["attention_mask"][:, None, None, :] != 0
    for i, hidden in enumerate(states[:-1]):
        projections = oracle.under(weights, f"encoder_layer_{i}/attention")
        query, key = (
            oracle.grouped_dense(hidden, oracle.under(projections, name), groups)
            for name, groups in (("query", config.q_groups), ("key", config.k_groups))
        )
        heads = [slice(h, h + size) for h in range(0, config.hidden_size, size)]
        scores = [query[..., h] @ key[..., h].swapaxes(-1, -2) for h in heads]
        scores = np.stack(scores, axis=1) / np.sqrt(size)  # (batch, heads, seq, seq)
        yield oracle.softmax(np.where(mask, scores, -np.inf))


def test_against_the_equations(model, inputs):
    states, _ = oracle.base(weights_of(model), CONFIG, inputs)
    attentions = list(expected_attentions(model, inputs, states))
    expected = {"hidden_states": states, "attentions": attentions}
    actual = model.intermediate_outputs(inputs)
    assert_equal_outputs(as_arrays(actual), as_arrays(expected))


def test_shapes(model, inputs):
    outputs = model.intermediate_outputs(inputs)
    assert {name: [v.shape for v in values] for name, values in outputs.items()} == {
        "hidden_states": [(4, 7, 96)] * (LAYERS + 1),
        "attentions": [(4, 16, 7, 7)] * LAYERS,
    }


def test_attentions_are_probabilities_without_padding(model, inputs):
    masked = inputs["attention_mask"] == 0
    for attention in model.intermediate_outputs(inputs)["attentions"]:
        attention = np.asarray(attention)
        np.testing.assert_allclose(attention.sum(-1), 1, rtol=0, atol=1e-5)
        assert (attention.transpose(0, 3, 1, 2)[masked] == 0).all()


def test_the_last_state_is_the_model_s_output(model, inputs):
    last = model.intermediate_outputs(inputs)["hidden_states"][-1]
    expected = run(model, inputs)["last_hidden_state"]
    np.testing.assert_allclose(last, expected, rtol=0, atol=1e-6)


def test_nothing_is_dropped(inputs):
    model = make_model(
        "SqueezeBertModel",
        CONFIG.replace(hidden_dropout_prob=0.9, attention_probs_dropout_prob=0.9),
    )
    first, again = (as_arrays(model.intermediate_outputs(inputs)) for _ in range(2))
    assert_equal_outputs(first, again, atol=0)


# === In a graph


def test_in_a_function(model, inputs):
    traced = tf.function(model.intermediate_outputs, autograph=False)
    actual = traced({name: tf.constant(value) for name, value in inputs.items()})
    expected = model.intermediate_outputs(inputs)
    assert_equal_outputs(as_arrays(actual), as_arrays(expected))


def test_in_a_function_of_any_shape(model):
    signature = {
        name: tf.TensorSpec((None, None), tf.int32, name) for name in model.input
    }
    traced = tf.function(model.intermediate_outputs, input_signature=[signature])
    for shape in ((4, 7), (2, 24)):
        inputs = make_inputs(*shape)
        expected = model.intermediate_outputs(inputs)
        assert_equal_outputs(as_arrays(traced(inputs)), as_arrays(expected))


def test_gradients_flow_through(model, inputs):
    """For distillation: from the first layer's attention into the embeddings."""
    table = model.embeddings.word_embeddings.value
    with tf.GradientTape() as tape:
        tape.watch(table)
        attention = model.intermediate_outputs(inputs)["attentions"][0]
        loss = tf.reduce_sum(attention**2)
    gradient = tf.convert_to_tensor(tape.gradient(loss, table))
    assert np.abs(gradient).max() > 1e-3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"input_ids": np.full((4, 7), 101, "int32")}, r"`input_ids` .*\[0, 101\)"),
        ({"token_type_ids": np.zeros((4, 6), "int32")}, "one shape with `input_ids`"),
        ({"attention_mask": np.ones((4, 7), "float32")}, "must hold integers"),
    ],
)
def test_inputs_are_checked(model, inputs, changes, message):
    with pytest.raises(InputError, match=message):
        model.intermediate_outputs(inputs | changes)


# === Against the PyTorch original


def flat(inputs):
    """Choices as so many texts, as the encoder of multiple choice sees them."""
    return {name: x.reshape(-1, x.shape[-1]) for name, x in inputs.items()}


def their_outputs(theirs, model, inputs):
    """They give the masked scores before the softmax as `attentions`."""
    with theirs.torch.no_grad():
        outputs = model(
            **theirs.as_torch(inputs), output_hidden_states=True, output_attentions=True
        )
    return {
        "hidden_states": [state.numpy() for state in outputs.hidden_states],
        "attentions": [oracle.softmax(x.double().numpy()) for x in outputs.attentions],
    }


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_against_transformers(architecture, tmp_path):
    theirs = pytest.importorskip("theirs")
    original = theirs.make_theirs(architecture)
    original.save_pretrained(tmp_path)
    ours = getattr(keras_squeezebert, architecture).from_pretrained(tmp_path)
    encoder = getattr(ours, "transformer", ours)
    inputs = inputs_for(architecture)
    expected = as_arrays(their_outputs(theirs, original, inputs))
    assert len(expected) == 2 * LAYERS + 1
    actual = encoder.intermediate_outputs(flat(inputs))
    assert_equal_outputs(as_arrays(actual), expected)
    traced = tf.function(encoder.intermediate_outputs)(flat(inputs))
    assert_equal_outputs(as_arrays(traced), expected)


@pytest.mark.parametrize("architecture", HEADS)
def test_every_head_has_such_an_encoder(architecture):
    model, inputs = make_model(architecture), flat(inputs_for(architecture))
    outputs = model.transformer.intermediate_outputs(inputs)
    expected = run(model.transformer, inputs)["last_hidden_state"]
    np.testing.assert_allclose(outputs["hidden_states"][-1], expected, atol=1e-6)
    assert len(outputs["attentions"]) == LAYERS
