"""Scheme: what is quantized and how, in every class of model."""

import json
from dataclasses import replace

import pytest
from tiny import ARCHITECTURES, ONE_LAYER, make_model

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import quantizers
from keras_squeezebert.quantization.scheme import SCHEMES, as_scheme
from keras_squeezebert.tflite import Quantizer, Scheme, quantize_aware

# === What each scheme quantizes

KERNEL = Quantizer("weight", symmetric=True, per_channel=True)
TABLE = Quantizer("weight", symmetric=True, per_channel=False)
TANH = Quantizer("fixed", low=-1.0, high=127 / 128)
ACTIVATION = Quantizer("activation", symmetric=False, per_channel=False)
EQUALIZED = Quantizer("activation", equalized=True)
SYMMETRIC = Quantizer("activation", symmetric=True, per_channel=False)
PROBABILITY = Quantizer("fixed", low=0.0, high=0.99609375)
MASK = Quantizer("fixed", low=-1020.0, high=0.0)
MASKED = Quantizer("extended", of="scores", margin=10.0)
RUN_TIME = Quantizer("run_time", static=False)
RUN_TIME_KERNEL = Quantizer("weight", symmetric=True, per_channel=True, static=False)
RUN_TIME_TABLE = Quantizer("weight", symmetric=True, static=False)


def linear(path, output=ACTIVATION):
    return {f"{path}/kernel": KERNEL, f"{path}/output": output}


def dense(path):
    return {f"{path}/input": ACTIVATION, **linear(path)}


def layer_norm(path):
    names = ("mean", "centered", "square", "variance", "inverse_deviation")
    activations = {
        f"{path}/layer_norm/{name}": ACTIVATION for name in (*names, "normalized")
    }
    return activations | {f"{path}/layer_norm/gamma": KERNEL}


def run_time(*paths):
    points = {f"{path}/kernel": RUN_TIME_KERNEL for path in paths}
    return points | {f"{path}/input": RUN_TIME for path in paths}


# What both schemes quantize whose ranges stand in the file.
STATIC = {
    "embeddings/word_embeddings": TABLE,
    "embeddings/position_embeddings": TABLE,
    "embeddings/token_type_embeddings": TABLE,
    **linear("encoder_layer_0/attention/query"),
    **linear("encoder_layer_0/attention/key", SYMMETRIC),
    **linear("encoder_layer_0/attention/value", SYMMETRIC),
    "encoder_layer_0/attention/scores": ACTIVATION,
    "encoder_layer_0/attention/probabilities": PROBABILITY,
    "encoder_layer_0/attention/context": ACTIVATION,
    **linear("encoder_layer_0/post_attention/conv"),
    **linear("encoder_layer_0/feed_forward/intermediate"),
    "encoder_layer_0/feed_forward/activation": ACTIVATION,
    **linear("encoder_layer_0/feed_forward/output/conv"),
    # The whole sequence, of which the pooler takes the first token.
    "pooler/input": ACTIVATION,
    **linear("pooler/dense"),
    "pooler/output": TANH,
}
EVERY_CLASS = {
    # LayerNorms, softmaxes, the mask and residuals are not among them: they are float.
    "mixed": {
        **STATIC,
        "encoder_layer_0/attention/input": ACTIVATION,
        "encoder_layer_0/feed_forward/input": ACTIVATION,
        **linear("encoder_layer_0/feed_forward/output/conv", EQUALIZED),
    },
    "int8": {
        **STATIC,
        "embeddings/partial_sum": ACTIVATION,
        "embeddings/sum": ACTIVATION,
        **layer_norm("embeddings"),
        "attention_bias/output": MASK,
        "encoder_layer_0/hidden": ACTIVATION,
        "encoder_layer_0/attention/masked_scores": MASKED,
        "encoder_layer_0/post_attention/sum": ACTIVATION,
        **layer_norm("encoder_layer_0/post_attention"),
        "encoder_layer_0/feed_forward/hidden": ACTIVATION,
        "encoder_layer_0/feed_forward/output/sum": ACTIVATION,
        **layer_norm("encoder_layer_0/feed_forward/output"),
    },
    "dynamic": {
        "embeddings/word_embeddings": RUN_TIME_TABLE,
        **run_time(
            "encoder_layer_0/attention/query",
            "encoder_layer_0/attention/key",
            "encoder_layer_0/attention/value",
            "encoder_layer_0/post_attention/conv",
            "encoder_layer_0/feed_forward/intermediate",
            "encoder_layer_0/feed_forward/output/conv",
            "pooler/dense",
        ),
    },
}
OF_A_CLASS = {
    "SqueezeBertModel": {},
    "SqueezeBertForMaskedLM": {
        **dense("predictions/dense"),
        "predictions/decoder_input": ACTIVATION,
        "predictions/decoder": KERNEL,
        "predictions/output": ACTIVATION,
    },
    "SqueezeBertForMultipleChoice": dense("classifier"),
    "SqueezeBertForQuestionAnswering": dense("qa_outputs"),
    "SqueezeBertForSequenceClassification": dense("classifier"),
    "SqueezeBertForTokenClassification": dense("classifier"),
}
# The only head whose kernels are not too small for ranges that are found at run time.
MASKED_LM = {
    "int8": {"predictions/activation": ACTIVATION, **layer_norm("predictions")},
    "dynamic": {
        **run_time("predictions/dense"),
        "predictions/decoder_input": RUN_TIME,
        "predictions/decoder": RUN_TIME_KERNEL,
    },
}


def expected_points(architecture, scheme):
    points = EVERY_CLASS[scheme]
    # The other heads of "mixed" and "dynamic" are float.
    is_masked_lm = architecture == "SqueezeBertForMaskedLM"
    if scheme == "int8" or (scheme == "mixed" and is_masked_lm):
        points = points | OF_A_CLASS[architecture]
    if is_masked_lm:
        points = points | MASKED_LM.get(scheme, {})
    return points


def points(model):
    return {path: layer.quantizer for path, layer in quantizers(model).items()}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_points_of_every_class(calibrated, architecture, scheme):
    _, quantized = calibrated(architecture, scheme)
    assert quantized.scheme == SCHEMES[scheme]
    assert points(quantized) == expected_points(architecture, scheme)


def test_an_untied_decoder_has_the_same_points():
    config = ONE_LAYER.replace(tie_word_embeddings=False)
    quantized = quantize_aware(make_model("SqueezeBertForMaskedLM", config))
    assert points(quantized) == expected_points("SqueezeBertForMaskedLM", "mixed")


@pytest.mark.parametrize(("scheme", "count"), [("mixed", 18), ("int8", 35)])
def test_every_layer_has_the_points_of_the_first(scheme, count):
    config = ONE_LAYER.replace(num_hidden_layers=3)
    found = points(quantize_aware(make_model("SqueezeBertModel", config), scheme))
    for layer in (1, 2):
        of_layer = {
            path.replace(f"encoder_layer_{layer}/", "encoder_layer_0/"): quantizer
            for path, quantizer in found.items()
            if path.startswith(f"encoder_layer_{layer}/")
        }
        assert of_layer.items() <= EVERY_CLASS[scheme].items()
        assert len(of_layer) == count


@pytest.mark.parametrize("groups", [1, 2])
def test_where_ranges_are_found_for_each_position(groups):
    """A convolution of one group is a matmul, whose rows are positions."""
    model = make_model("SqueezeBertModel", ONE_LAYER.replace(q_groups=groups))
    layers = quantizers(quantize_aware(model, "dynamic"))
    by_position = {
        path for path, layer in layers.items() if "input" in path and layer.by_position
    }
    query = {"encoder_layer_0/attention/query/input"} if groups == 1 else set()
    assert by_position == {"pooler/dense/input"} | query


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_float_model_has_no_quantizers(architecture):
    model = make_model(architecture, ONE_LAYER)
    assert (model.scheme, points(model)) == (None, {})


def test_a_scheme_of_ones_own():
    scheme = Scheme("kernels", (("*/attention/*/kernel", KERNEL),))
    quantized = quantize_aware(make_model("SqueezeBertModel", ONE_LAYER), scheme)
    attention = "encoder_layer_0/attention"
    assert points(quantized) == {
        f"{attention}/{name}/kernel": KERNEL for name in ("query", "key", "value")
    }
    assert quantized.scheme == scheme


# === Patterns and JSON


def test_the_first_pattern_that_matches_counts():
    scheme = Scheme("mine", (("a/*", KERNEL), ("*/b", TABLE), ("*/b", ACTIVATION)))
    assert scheme.at("a/b") == KERNEL
    assert scheme.at("c/b") == TABLE
    assert scheme.at("b") is None
    assert scheme.at("A/c") is None


def test_a_pattern_of_none_leaves_a_point_in_float():
    scheme = Scheme("mine", (("*/b", None), ("*", TABLE)))
    assert scheme.at("a/b") is None
    assert scheme.at("a/c") == TABLE


MINE = Scheme("mine", (("a", None), ("b", MASKED), ("*", SYMMETRIC)), float_ops=False)


@pytest.mark.parametrize("moving", [False, True])
@pytest.mark.parametrize("scheme", [*SCHEMES.values(), MINE], ids=lambda s: s.name)
def test_as_json_and_back(scheme, moving):
    scheme = scheme.with_moving_ranges() if moving else scheme
    values = json.loads(json.dumps(scheme.to_dict()))
    assert Scheme.from_dict(values) == scheme
    assert Scheme.from_dict(values).to_dict() == scheme.to_dict()


def test_the_fields_in_json():
    values = json.loads(json.dumps(MINE.to_dict()))
    assert (values["name"], values["float_ops"]) == ("mine", False)
    assert values["points"][:2] == [
        ["a", None],
        [
            "b",
            {
                "kind": "extended",
                "symmetric": False,
                "per_channel": False,
                "equalized": False,
                "low": 0.0,
                "high": 0.0,
                "of": "scores",
                "margin": 10.0,
                "moving": False,
                "static": True,
            },
        ],
    ]


def test_a_scheme_of_an_older_version():
    fields = dict.fromkeys(("symmetric", "per_channel"), True) | {"low": 0.0}
    values = {"name": "old", "points": [["*/kernel", {"kind": "weight", **fields}]]}
    assert Scheme.from_dict(values) == Scheme("old", (("*/kernel", KERNEL),))


@pytest.mark.parametrize("scheme", SCHEMES.values(), ids=lambda s: s.name)
def test_moving_ranges_are_those_of_activations(scheme):
    moving = scheme.with_moving_ranges()
    assert (moving.name, moving.float_ops) == (scheme.name, scheme.float_ops)
    for (pattern, old), (same, new) in zip(scheme.points, moving.points, strict=True):
        assert pattern == same
        is_activation = old is not None and old.kind == "activation"
        assert new == (replace(old, moving=True) if is_activation else old)
    assert moving.with_moving_ranges() == moving


def test_only_int8_is_free_of_floats():
    assert {name for name, s in SCHEMES.items() if not s.float_ops} == {"int8"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"name": "a"},
        {"points": []},
        {"name": "a", "points": 3},
        {"name": "a", "points": [["*"]]},
        {"name": "a", "points": [["*", "weight"]]},
        {"name": "a", "points": [["*", {}]]},
        {"name": "a", "points": [["*", {"kind": "weight", "bits": 4}]]},
        {"name": "a", "points": [["*", {"kind": "int4"}]]},
        {"name": "a", "points": [["*", 0]]},
        [1, 2],
        "mixed",
    ],
)
def test_what_is_no_scheme(values):
    with pytest.raises(InputError, match="Received: "):
        Scheme.from_dict(values)


def test_an_unknown_kind_is_named_with_its_point():
    values = {"name": "a", "points": [["*/kernel", {"kind": "int4"}]]}
    expected = r"run_time, fixed, extended. Received: kind='int4' at '\*/kernel'"
    with pytest.raises(InputError, match=expected):
        Scheme.from_dict(values)


def test_schemes_by_name():
    assert list(SCHEMES) == ["mixed", "int8", "dynamic"]
    for name, scheme in SCHEMES.items():
        assert as_scheme(name) is as_scheme(scheme) is scheme
    with pytest.raises(InputError, match=r"mixed, int8, dynamic, .*scheme='int4'"):
        as_scheme("int4")
