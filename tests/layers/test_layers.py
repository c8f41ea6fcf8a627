"""Each layer against its equation, its config, its saved form and dtype policies."""

import contextlib

import keras
import numpy as np
import numpy_int8
import numpy_squeezebert as oracle
import pytest
import tensorflow as tf
from tiny import (
    CONFIG,
    WITHOUT_DROPOUT,
    make_inputs,
    randomize,
    to_numpy,
    weights_of,
)

from keras_squeezebert import layers
from keras_squeezebert.config import ACTIVATIONS
from keras_squeezebert.errors import InputError
from keras_squeezebert.layers.activation import activation
from keras_squeezebert.lowering import (
    from_conv_layout,
    lookup,
    tflite_lowering,
    to_conv_layout,
)
from keras_squeezebert.quantization.fake_quantize import observing
from keras_squeezebert.quantization.points import quantizing
from keras_squeezebert.quantization.scheme import INT8

BATCH, SEQ, HIDDEN, INTERMEDIATE = 2, 5, 96, 192


def make_hidden(width=HIDDEN, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((BATCH, SEQ, width)).astype("float32")


INPUTS = make_inputs(BATCH, SEQ)
MASK = INPUTS["attention_mask"]
IDS = [INPUTS["input_ids"], INPUTS["token_type_ids"]]
BIAS = np.where(MASK, 0, -1e4).astype("float32")[:, None, None]  # (batch, 1, 1, seq)


def make_embeddings(**kwargs):
    return layers.SqueezeBertEmbeddings(CONFIG, **kwargs)


def make_masked_lm_head(**kwargs):
    embeddings = make_embeddings(name="table", dtype=kwargs.get("dtype"))
    embeddings.build((None, None))
    return layers.SqueezeBertMaskedLMHead(CONFIG, embeddings, **kwargs)


def expected_lm_scores(weights, hidden):
    head = {path.removeprefix("layer/"): value for path, value in weights.items()}
    table = next(v for path, v in weights.items() if path.endswith("word_embeddings"))
    return oracle.masked_lm_head(head, CONFIG, hidden, table)


# name: (makes the layer, its inputs, the equation of its weights and inputs)
CASES = {
    "AttentionBias": (
        layers.AttentionBias,
        [MASK],
        lambda w, mask: np.where(mask, 0, -1e4)[:, None, None],
    ),
    "ConvDropoutLayerNorm": (
        lambda **kwargs: layers.ConvDropoutLayerNorm(CONFIG, groups=3, **kwargs),
        [make_hidden(INTERMEDIATE), make_hidden(seed=2)],
        lambda w, x, residual: oracle.conv_layer_norm(w, 3, x, residual),
    ),
    "GroupedConv1D": (
        lambda **kwargs: layers.GroupedConv1D(
            48, 4, 0.5, keras.initializers.RandomNormal(stddev=0.1), **kwargs
        ),
        [make_hidden()],
        lambda w, x: 0.5 * oracle.grouped_dense(x, w, 4),
    ),
    "LayerNorm": (
        lambda **kwargs: layers.LayerNorm(1e-2, **kwargs),
        [make_hidden()],
        lambda w, x: oracle.layer_norm(x, w, 1e-2),
    ),
    "SqueezeBertEmbeddings": (
        make_embeddings,
        IDS,
        lambda w, ids, types: oracle.embeddings(w, CONFIG, ids, types),
    ),
    "SqueezeBertEncoderLayer": (
        lambda **kwargs: layers.SqueezeBertEncoderLayer(CONFIG, **kwargs),
        [make_hidden(), BIAS],
        lambda w, x, _: oracle.encoder_layer(w, CONFIG, x, MASK),
    ),
    "SqueezeBertFeedForward": (
        lambda **kwargs: layers.SqueezeBertFeedForward(CONFIG, **kwargs),
        [make_hidden()],
        lambda w, x: oracle.feed_forward(w, CONFIG, x),
    ),
    "SqueezeBertMaskedLMHead": (
        make_masked_lm_head,
        [make_hidden()],
        expected_lm_scores,
    ),
    "SqueezeBertPooler": (
        lambda **kwargs: layers.SqueezeBertPooler(CONFIG, **kwargs),
        [make_hidden()],
        oracle.pooler,
    ),
    "SqueezeBertSelfAttention": (
        lambda **kwargs: layers.SqueezeBertSelfAttention(CONFIG, **kwargs),
        [make_hidden(), BIAS],
        lambda w, x, _: oracle.self_attention(w, CONFIG, x, MASK),
    ),
}
WITH_DROPOUT = [
    "ConvDropoutLayerNorm",
    "SqueezeBertEmbeddings",
    "SqueezeBertEncoderLayer",
    "SqueezeBertFeedForward",
    "SqueezeBertSelfAttention",
]


@pytest.fixture(params=CASES)
def case(request):
    """A built layer of random weights, its inputs, its equation."""
    make, inputs, equation = CASES[request.param]
    layer = make(name="layer")
    layer(*inputs)
    randomize(layer)
    return layer, inputs, equation


def assert_close(actual, expected, atol=1e-5):
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=atol)


# === All layers alike


def test_every_layer_has_a_case():
    assert sorted(CASES) == sorted(layers.__all__)


def test_equation(case):
    layer, inputs, equation = case
    assert_close(layer(*inputs), equation(weights_of(layer), *inputs))


def test_symbolic_shape_and_dtype(case):
    layer, inputs, _ = case
    symbolic = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    output, expected = layer(*symbolic), layer(*inputs)
    assert output.shape[1:] == expected.shape[1:]
    assert output.shape[0] is None
    assert output.dtype == keras.backend.standardize_dtype(expected.dtype)


def test_config_round_trip(case):
    layer, inputs, _ = case
    config = layer.get_config()
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == config
    copy(*inputs)
    copy.set_weights([w.astype("float32") for w in weights_of(layer).values()])
    assert_close(copy(*inputs), to_numpy(layer(*inputs)), atol=0)


def test_keras_file_round_trip(case, tmp_path):
    layer, inputs, _ = case
    symbolic = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in inputs]
    model = keras.Model(symbolic, layer(*symbolic))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert_close(loaded(inputs), to_numpy(model(inputs)), atol=0)


@pytest.mark.parametrize(
    ("policy", "dtype"), [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")]
)
@pytest.mark.parametrize("name", CASES)
def test_mixed_precision(name, policy, dtype):
    make, inputs, equation = CASES[name]
    layer = make(name="layer", dtype=policy)
    output = layer(*inputs)
    assert keras.backend.standardize_dtype(output.dtype) == dtype
    assert {variable.dtype for variable in layer.weights} <= {"float32"}
    randomize(layer)
    output = to_numpy(keras.ops.cast(layer(*inputs), "float32"))
    expected = equation(weights_of(layer), *inputs)
    # Half precision has 11 bits, bfloat16 has 8.
    error = np.abs(output - expected).max() / np.abs(expected).max()
    assert error < {"float16": 0.005, "bfloat16": 0.05}[dtype]


@pytest.mark.parametrize("name", CASES)
def test_dropout_only_in_training(name):
    make, inputs, _ = CASES[name]
    layer = make(name="layer")
    expected = to_numpy(layer(*inputs))
    assert_close(layer(*inputs, training=False), expected, atol=0)
    if name in WITH_DROPOUT:
        trained = to_numpy(layer(*inputs, training=True))
        assert np.abs(trained - expected).max() > 1e-3
        assert (to_numpy(layer(*inputs, training=True)) != trained).any()


@pytest.mark.parametrize(
    "rate", ["hidden_dropout_prob", "attention_probs_dropout_prob"]
)
def test_each_dropout_has_its_own_rate(rate):
    config = CONFIG.replace(**{**WITHOUT_DROPOUT, rate: 0.5})
    attention = layers.SqueezeBertSelfAttention(config)
    block = layers.ConvDropoutLayerNorm(config, groups=2)
    differs = {
        layer: (
            to_numpy(layer(*inputs, training=True)) != to_numpy(layer(*inputs))
        ).any()
        for layer, inputs in [
            (attention, [make_hidden(), BIAS]),
            (block, [make_hidden(), make_hidden()]),
        ]
    }
    in_attention = rate == "attention_probs_dropout_prob"
    assert differs == {attention: in_attention, block: not in_attention}


def test_new_kernels_have_the_deviation_of_the_config():
    config = CONFIG.replace(initializer_range=0.5)
    layer = layers.SqueezeBertEncoderLayer(config)
    layer.build((None, None, HIDDEN))
    kernels = [to_numpy(v) for v in layer.weights if v.name == "kernel"]
    assert len(kernels) == 6
    for kernel in kernels:
        assert 0.47 < kernel.std() < 0.53
    assert len({float(kernel.flat[0]) for kernel in kernels}) == 6


# === Activations


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name):
    x = np.linspace(-8, 8, 1001).astype("float32")
    assert_close(activation(name)(x), oracle.ACTIVATIONS[name](x.astype(float)), 1e-6)


def test_exact_and_approximate_gelu_are_told_apart():
    x = np.linspace(-8, 8, 1001)
    gap = np.abs(oracle.ACTIVATIONS["gelu"](x) - oracle.ACTIVATIONS["gelu_new"](x))
    assert 1e-4 < gap.max() < 1e-3


# === LayerNorm


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_layer_norm_of_values_whose_square_is_not_a_float16(policy):
    x = np.array([[1e3, -1e3, 3e3, 2e3]], "float32")
    expected = (x - 1250) / x.std()
    assert_close(layers.LayerNorm(dtype=policy)(x), expected, atol=1e-3)


def test_layer_norm_of_a_constant_is_beta():
    layer = layers.LayerNorm(dtype="mixed_float16")
    layer.build((None, 4))
    layer.beta.assign([1.0, 2.0, 3.0, 4.0])
    # Its epsilon is zero in float16: computed in that, this would be NaN.
    assert_close(layer(np.full((1, 4), 7.0)), [[1.0, 2.0, 3.0, 4.0]])


# === LayerNorm in int8


def int8_layer_norm(x):
    """That of a block, whose name patterns know; its ranges are those of `x`."""
    with quantizing(INT8):
        block = layers.ConvDropoutLayerNorm(CONFIG, groups=3, name="block")
        block.build(x.shape, x.shape)
    layer = block.layer_norm
    randomize(block)
    for quantizer in layer.quantizers.values():
        for variable in quantizer.range_variables.values():
            variable.assign(np.zeros(variable.shape))
    with observing("activation", "weight"):
        layer(x)
    return layer


def ranges_of(layer):
    return {
        name: [float(limit) for limit in quantizer.limits()]
        for name, quantizer in layer.quantizers.items()
        if not quantizer.quantizer.per_channel
    }


def norm_weights(layer):
    return {name: to_numpy(getattr(layer, name)) for name in ("gamma", "beta")}


@pytest.mark.parametrize("lowered", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 30.0])
def test_layer_norm_in_int8(scale, lowered):
    x = np.concatenate([make_hidden(seed=seed) for seed in range(50)])
    x *= scale * np.random.default_rng(0).uniform(0.7, 1.4, (*x.shape[:2], 1))
    layer = int8_layer_norm(x.astype("float32"))
    x = x[:, None].astype("float32") if lowered else x.astype("float32")
    with tflite_lowering() if lowered else contextlib.nullcontext():
        actual = to_numpy(tf.function(lambda x: layer(x))(x))
    expected = numpy_int8.layer_norm(x, norm_weights(layer), ranges_of(layer))
    low, high = ranges_of(layer)["normalized"]
    step = (high - low) / 255 * np.abs(to_numpy(layer.gamma))
    numpy_int8.assert_same_codes(actual, expected, step)
    # It is a LayerNorm, and the comparison sees whether its parts are rounded.
    true = oracle.layer_norm(x.astype("float64"), norm_weights(layer), 1e-12)
    error = actual - true
    assert 1e-3 < np.sqrt(np.mean(error**2) / np.mean(true**2)) < 0.05
    with pytest.raises(AssertionError):
        numpy_int8.assert_same_codes(actual, true, step)


@pytest.mark.parametrize("point", ["mean", "square", "variance", "inverse_deviation"])
def test_another_range_in_layer_norm_is_noticed(point):
    x = np.concatenate([make_hidden(seed=seed) for seed in range(10)])
    layer = int8_layer_norm(x)
    ranges, actual = ranges_of(layer), to_numpy(layer(x))
    ranges[point] = [2 * limit for limit in ranges[point]]
    wrong = numpy_int8.layer_norm(x, norm_weights(layer), ranges)
    low, high = ranges["normalized"]
    step = (high - low) / 255 * np.abs(to_numpy(layer.gamma))
    with pytest.raises(AssertionError):
        numpy_int8.assert_same_codes(actual, wrong, step)


@pytest.mark.parametrize("size", [0.0, 1e-20, 1e-4])
def test_a_variance_far_below_a_step(size):
    """int8 makes 0 of it, of which the inverse root would be infinite."""
    x = make_hidden()
    layer = int8_layer_norm(x)
    rows = tf.constant(size * x)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        outputs = layer(rows, training=True)
        loss = tf.reduce_sum(outputs * tf.constant(make_hidden(seed=3)))
    variables = [layer.gamma.value, layer.beta.value]
    for values in (outputs, *tape.gradient(loss, [rows, *variables])):
        assert np.isfinite(to_numpy(values)).all()
    beta = to_numpy(layer.beta)
    unit = (ranges_of(layer)["normalized"][1] / 127) * np.abs(to_numpy(layer.gamma))
    assert (np.abs(to_numpy(outputs) - beta) <= unit).all()


# === The mask in int8


@pytest.mark.parametrize("width", [1.0, 40.0, 100.0, 400.0])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_mask_in_int8_leaves_a_probability_of_zero(width, share):
    """Whatever the scores are; `share` of their range lies above 0."""
    hidden = make_hidden()
    with quantizing(INT8):
        bias = layers.AttentionBias(name="attention_bias")
        layer = layers.SqueezeBertEncoderLayer(CONFIG, name="encoder_layer_0")
        layer(hidden, bias(MASK))
    randomize(layer)
    query, key = layer.attention.query, layer.attention.key
    query.kernel.assign(to_numpy(query.kernel) * 10 * np.sqrt(width))
    key.kernel.assign(to_numpy(key.kernel) * 10 * np.sqrt(width))
    with observing("activation", "weight"):
        layer(hidden, bias(MASK))
    limits = layer.attention.quantizers["scores"].range_variables
    limits["min_var"].assign(-width * (1 - share))
    limits["max_var"].assign(width * share)
    found = to_numpy(layer.probabilities(hidden, bias(MASK)))
    attended = np.broadcast_to(MASK[:, None, None] != 0, found.shape)
    assert found[~attended].size and not found[~attended].any()
    assert found[attended].any()


# === Attention


def test_a_masked_token_has_no_influence():
    layer = layers.SqueezeBertSelfAttention(CONFIG)
    hidden, other = make_hidden(), make_hidden(seed=9)
    masked = MASK == 0
    assert masked.any(axis=1).all()
    other = np.where(masked[..., None], other, hidden)
    layer(hidden, BIAS)
    randomize(layer)
    before, after = to_numpy(layer(hidden, BIAS)), to_numpy(layer(other, BIAS))
    np.testing.assert_array_equal(after[~masked], before[~masked])
    without_bias = np.zeros_like(BIAS)
    assert (to_numpy(layer(hidden, without_bias)) != before)[~masked].any()


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "bfloat16"])
def test_the_bias_leaves_a_probability_of_exactly_zero(dtype):
    bias = layers.AttentionBias(dtype=dtype)(np.array([[1, 0, 1]]))
    probabilities = to_numpy(keras.ops.cast(keras.ops.softmax(bias), "float32")).ravel()
    assert probabilities.tolist() == [0.5, 0.0, 0.5]


def test_any_mask_but_zero_attends():
    assert_close(
        layers.AttentionBias()(np.array([[1, 2, -1, 0]])), [[[[0, 0, 0, -1e4]]]]
    )


# === Embeddings


def test_the_longest_sequence_and_one_longer():
    layer = make_embeddings()
    ids = np.zeros((1, 24), "int32")
    assert layer(ids, ids).shape == (1, 24, HIDDEN)
    ids = np.zeros((1, 25), "int32")
    with pytest.raises(InputError, match=r"max_length=24.*Received: 25 tokens"):
        layer(ids, ids)


# === Masked-LM head


def test_the_decoder_is_the_embedding_table():
    layer, hidden = make_masked_lm_head(), make_hidden()
    before = to_numpy(layer(hidden))
    table = to_numpy(layer.embeddings.word_embeddings).copy()
    table[7] += 1.0
    layer.embeddings.word_embeddings.assign(table)
    changed = (to_numpy(layer(hidden)) != before).any((0, 1))
    assert np.flatnonzero(changed).tolist() == [7]
    own = [v.path for v in layer.weights if not v.path.startswith("table/")]
    assert len(own) == 5  # a dense layer, a LayerNorm, a bias: no second table


# === The form that is exported


def test_layouts():
    hidden = keras.ops.convert_to_tensor(make_hidden())
    assert to_conv_layout(hidden).shape == hidden.shape
    assert from_conv_layout(hidden).shape == hidden.shape
    with tflite_lowering():
        assert to_conv_layout(hidden).shape == (BATCH, 1, SEQ, HIDDEN)
        assert_close(from_conv_layout(to_conv_layout(hidden)), make_hidden(), atol=0)


def test_lookup():
    table = np.arange(12.0, dtype="float32").reshape(4, 3)
    ids = np.array([[3, 0], [1, 1]])
    assert_close(lookup(table, ids), table[ids], atol=0)
    with tflite_lowering():
        assert_close(lookup(table, ids), table[ids], atol=0)


def test_the_lowering_ends_with_its_block():
    hidden = keras.ops.zeros((1, 2, 3))
    with pytest.raises(ValueError), tflite_lowering():
        raise ValueError
    assert to_conv_layout(hidden).shape == (1, 2, 3)


@pytest.mark.parametrize("name", ["SqueezeBertEmbeddings", "SqueezeBertEncoderLayer"])
def test_layers_in_the_exported_form(name):
    make, inputs, equation = CASES[name]
    layer = make(name="layer")
    layer(*inputs)
    randomize(layer)
    with tflite_lowering():
        lowered = tf.function(lambda *x: layer(*x))(*map(tf.constant, inputs))
    assert_close(lowered, equation(weights_of(layer), *inputs))


@pytest.mark.parametrize("num_queries", [1, 3, SEQ])
def test_fewer_queries_change_nothing_for_those_there_are(num_queries):
    layer = layers.SqueezeBertEncoderLayer(CONFIG)
    hidden = make_hidden()
    layer.build(hidden.shape)
    randomize(layer)
    expected = to_numpy(layer(hidden, BIAS))[:, :num_queries]
    actual = to_numpy(layer(hidden, BIAS, num_queries=num_queries))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    symbolic = layer(keras.Input((None, HIDDEN)), BIAS, num_queries=num_queries)
    assert symbolic.shape == (None, num_queries, HIDDEN)
