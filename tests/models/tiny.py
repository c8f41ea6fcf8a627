"""Tiny models with random weights, and inputs for them."""

import keras
import numpy as np

import keras_squeezebert
from keras_squeezebert import SqueezeBertConfig

# No two group counts are equal, nor is the number of heads one of them, so that none
# can stand in for another; the epsilon is large enough to be seen in float32. The
# kernels of `post_attention` and `output` have one shape here as in the full model.
CONFIG = SqueezeBertConfig(
    vocab_size=101,
    hidden_size=96,
    num_hidden_layers=2,
    num_attention_heads=16,
    intermediate_size=192,
    max_position_embeddings=24,
    type_vocab_size=3,
    hidden_dropout_prob=0.2,
    attention_probs_dropout_prob=0.3,
    layer_norm_eps=1e-2,
    q_groups=2,
    k_groups=3,
    v_groups=4,
    post_attention_groups=6,
    intermediate_groups=8,
    output_groups=12,
    id2label={0: "a", 1: "b", 2: "c"},
)
# Fewer parts to build where a test is not about them.
ONE_LAYER = CONFIG.replace(num_hidden_layers=1)
WITHOUT_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}

ARCHITECTURES = (
    "SqueezeBertModel",
    "SqueezeBertForMaskedLM",
    "SqueezeBertForMultipleChoice",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
)
HEADS = ARCHITECTURES[1:]


def make_model(architecture, config=CONFIG, seed=0, **kwargs):
    """A model of random weights, large ones, so that each of them matters."""
    model = getattr(keras_squeezebert, architecture)(config, **kwargs)
    randomize(model, seed)
    return model


def randomize(layer, seed=0):
    rng = np.random.default_rng(seed)
    for variable in layer.weights:
        noise = rng.standard_normal(variable.shape)
        if variable.name == "kernel":
            noise *= 1.5 / np.sqrt(np.prod(variable.shape[:-1]))
        else:
            noise *= 0.3
        variable.assign(noise + (variable.name == "gamma"))


def weights_of(layer):
    """The weights by path, in float64; those of a layer by the path inside it."""
    prefix = "" if isinstance(layer, keras.Model) else f"{layer.name}/"
    return {
        variable.path.removeprefix(prefix): to_numpy(variable).astype("float64")
        for variable in layer.weights
    }


def make_inputs(*shape, config=CONFIG, seed=0):
    """Ids of which the last ones of most rows, and one in the middle, are masked."""
    rng = np.random.default_rng(seed)
    seq = shape[-1]
    lengths = rng.integers(1, seq + 1, shape[:-1])
    lengths.flat[0] = seq
    mask = (np.arange(seq) < lengths[..., None]).astype("int32")
    mask[..., 2:3] = 0
    return {
        "input_ids": rng.integers(config.vocab_size, size=shape, dtype="int32"),
        "attention_mask": mask,
        "token_type_ids": rng.integers(
            config.type_vocab_size, size=shape, dtype="int32"
        ),
    }


def inputs_for(architecture, seed=0, seq=7):
    """Inputs of the shape that a class takes."""
    choices = (5,) if architecture == "SqueezeBertForMultipleChoice" else ()
    return make_inputs(4, *choices, seq, seed=seed)


def to_numpy(tensor):
    return np.asarray(tensor)


def named(outputs):
    """Outputs as arrays by name; that of a head without names is `logits`."""
    outputs = outputs if isinstance(outputs, dict) else {"logits": outputs}
    return {name: to_numpy(value) for name, value in outputs.items()}


def run(model, inputs):
    return named(model(inputs))


def assert_equal_outputs(actual, expected, atol=1e-5):
    assert list(actual) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(
            actual[name], value, rtol=0, atol=atol, err_msg=name, strict=False
        )


def differ(actual, expected, atol=1e-5):
    """Whether some output is further off than a comparison allows."""
    return any(
        not np.allclose(actual[name], value, rtol=0, atol=atol)
        for name, value in expected.items()
    )


def kernel_limits(weights, path, scheme):
    """Of each channel of a kernel, the largest weight, as a scheme rounds it.

    Args:
        weights: Arrays of a model of `ONE_LAYER` by their paths.
        path: The kernel's.
        scheme: The name of the scheme.
    """
    limits = np.abs(weights[path]).reshape(-1, weights[path].shape[-1]).max(axis=0)
    if "query" in path:  # 1/√d is part of it
        limits = limits * np.float32((96 / 16) ** -0.5)
    if scheme == "mixed" and "feed_forward/output" in path:  # it is equalized
        bias = weights[path.replace("kernel", "bias")]
        limits = limits / equalized_units(weights[path], bias)
    return limits


def equalized_units(kernel, bias):
    """The largest weight or bias of each channel, the unit of an equalized one."""
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(axis=0)
    return np.maximum(largest, np.abs(bias))
