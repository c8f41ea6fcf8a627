"""Scheme: what is quantized and how, in every class of model."""

import json

import pytest
from tiny import ARCHITECTURES, ONE_LAYER, make_model

from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.ranges import quantizers
from keras_squeezebert.quantization.scheme import MIXED, as_scheme
from keras_squeezebert.tflite import Quantizer, Scheme, quantize_aware

# === What "mixed" quantizes

KERNEL = Quantizer("weight", symmetric=True, per_channel=True)
TABLE = Quantizer("weight", symmetric=True, per_channel=False)
TANH = Quantizer("fixed", low=-1.0, high=127 / 128)
ACTIVATION = Quantizer("activation", symmetric=False, per_channel=False)
SYMMETRIC = Quantizer("activation", symmetric=True, per_channel=False)
PROBABILITY = Quantizer("fixed", low=0.0, high=0.99609375)


def linear(path, output=ACTIVATION):
    return {f"{path}/kernel": KERNEL, f"{path}/output": output}


def dense(path):
    return {f"{path}/input": ACTIVATION, **linear(path)}


# LayerNorms, softmaxes, the mask and residuals are not among them: they are float.
EVERY_CLASS = {
    "embeddings/word_embeddings": TABLE,
    "embeddings/position_embeddings": TABLE,
    "embeddings/token_type_embeddings": TABLE,
    "encoder_layer_0/attention/input": ACTIVATION,
    **linear("encoder_layer_0/attention/query"),
    **linear("encoder_layer_0/attention/key", SYMMETRIC),
    **linear("encoder_layer_0/attention/value", SYMMETRIC),
    "encoder_layer_0/attention/scores": ACTIVATION,
    "encoder_layer_0/attention/probabilities": PROBABILITY,
    "encoder_layer_0/attention/context": ACTIVATION,
    **linear("encoder_layer_0/post_attention/conv"),
    "encoder_layer_0/feed_forward/input": ACTIVATION,
    **linear("encoder_layer_0/feed_forward/intermediate"),
    "encoder_layer_0/feed_forward/activation": ACTIVATION,
    **linear("encoder_layer_0/feed_forward/output/conv"),
    # The whole sequence, of which the pooler takes the first token.
    "pooler/input": ACTIVATION,
    **linear("pooler/dense"),
    "pooler/output": TANH,
}
OF_A_CLASS = {
    "SqueezeBertModel": {},
    "SqueezeBertForMaskedLM": {
        **dense("predictions/dense"),
        "predictions/decoder_input": ACTIVATION,
        "predictions/output": ACTIVATION,
    },
    "SqueezeBertForMultipleChoice": dense("classifier"),
    "SqueezeBertForQuestionAnswering": dense("qa_outputs"),
    "SqueezeBertForSequenceClassification": dense("classifier"),
    "SqueezeBertForTokenClassification": dense("classifier"),
}


def points(model):
    return {path: layer.quantizer for path, layer in quantizers(model).items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_points_of_every_class(calibrated, architecture):
    _, quantized = calibrated(architecture)
    assert points(quantized) == EVERY_CLASS | OF_A_CLASS[architecture]


def test_an_untied_decoder_is_a_table_of_its_own():
    config = ONE_LAYER.replace(tie_word_embeddings=False)
    quantized = quantize_aware(make_model("SqueezeBertForMaskedLM", config))
    own = {"predictions/decoder": TABLE}
    expected = EVERY_CLASS | OF_A_CLASS["SqueezeBertForMaskedLM"] | own
    assert points(quantized) == expected


def test_every_layer_has_the_points_of_the_first():
    config = ONE_LAYER.replace(num_hidden_layers=3)
    found = points(quantize_aware(make_model("SqueezeBertModel", config)))
    for layer in (1, 2):
        of_layer = {
            path.replace(f"encoder_layer_{layer}/", "encoder_layer_0/"): quantizer
            for path, quantizer in found.items()
            if path.startswith(f"encoder_layer_{layer}/")
        }
        assert of_layer.items() <= EVERY_CLASS.items()
        assert len(of_layer) == 18


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


def test_as_json_and_back():
    values = json.loads(json.dumps(MIXED.to_dict()))
    assert Scheme.from_dict(values) == MIXED
    assert values["name"] == "mixed"
    assert values["points"][0] == [
        "embeddings/*_embeddings",
        {
            "kind": "weight",
            "symmetric": True,
            "per_channel": False,
            "low": 0.0,
            "high": 0.0,
        },
    ]


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
        [1, 2],
        "mixed",
    ],
)
def test_what_is_no_scheme(values):
    with pytest.raises(InputError, match="Received: "):
        Scheme.from_dict(values)


def test_an_unknown_kind_is_named_with_its_point():
    values = {"name": "a", "points": [["*/kernel", {"kind": "int4"}]]}
    expected = r"weight, activation, fixed. Received: kind='int4' at '\*/kernel'"
    with pytest.raises(InputError, match=expected):
        Scheme.from_dict(values)


def test_schemes_by_name():
    assert as_scheme("mixed") is MIXED
    assert as_scheme(MIXED) is MIXED
    with pytest.raises(InputError, match=r"one of mixed, .*Received: scheme='int4'"):
        as_scheme("int4")
