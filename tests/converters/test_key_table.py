"""The table of keys: every variable once, every key of Hugging Face once."""

import numpy as np
import pytest
from tiny import ARCHITECTURES, CONFIG, make_model

from keras_squeezebert.converters import key_table
from keras_squeezebert.converters.key_table import conv1d, conv1d_linear, linear, same

UNTIED = CONFIG.replace(tie_word_embeddings=False)
MASKED_LM = "SqueezeBertForMaskedLM"

# Tied in Hugging Face's model, so that its files lack them.
TIED = {
    "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
# A BERT whose head does not pool has no pooler; SqueezeBERT always has one.
BERT_WITHOUT_POOLER = (
    "SqueezeBertForMaskedLM",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForTokenClassification",
)


def without_groups(config):
    names = [name for name in vars(config) if name.endswith("_groups")]
    return config.replace(**dict.fromkeys(names, 1))


def our_shapes(architecture, config, family="squeezebert"):
    """By their keys, of the tensors that their files must have."""
    model = make_model(architecture, config)
    shapes = {variable.path: variable.shape for variable in model.weights}
    return {
        row.key: row.transform(np.empty(shapes[row.variable])).shape
        for row in key_table(architecture, config, family)
    }


def their_shapes(architecture, config):
    """As transformers has them, tied ones once."""
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    values = config.to_dict()
    if architecture.endswith("QuestionAnswering"):
        # Ours always has two outputs, theirs as many as there are labels.
        values["id2label"] = None
    bert = architecture.startswith("Bert")
    config_class = transformers.BertConfig if bert else transformers.SqueezeBertConfig
    model = getattr(transformers, architecture)(config_class(**values))
    state = model.state_dict()
    base_prefix = f"{model.base_model_prefix}."
    for copy, key in TIED.items() if config.tie_word_embeddings else ():
        if copy in state:
            source = key if key in state else base_prefix + key
            assert state.pop(copy).data_ptr() == state[source].data_ptr()
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


# === SqueezeBERT


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_once(architecture):
    model = make_model(architecture)
    paths = [variable.path for variable in model.weights]
    rows = key_table(architecture, CONFIG)
    assert sorted(row.variable for row in rows) == sorted(paths)
    assert len({row.key for row in rows}) == len(rows)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_key_and_shape_of_transformers(architecture):
    assert our_shapes(architecture, CONFIG) == their_shapes(architecture, CONFIG)


# === A decoder of its own


def test_an_untied_decoder_has_two_rows_for_its_bias():
    model, rows = make_model(MASKED_LM, UNTIED), key_table(MASKED_LM, UNTIED)
    paths = [variable.path for variable in model.weights]
    assert sorted(row.variable for row in rows) == sorted([*paths, "predictions/bias"])
    assert len({row.key for row in rows}) == len(rows)


def test_every_key_and_shape_of_an_untied_decoder():
    assert our_shapes(MASKED_LM, UNTIED) == their_shapes(MASKED_LM, UNTIED)


@pytest.mark.parametrize(
    "architecture", [name for name in ARCHITECTURES if name != MASKED_LM]
)
def test_the_tie_concerns_the_masked_lm_alone(architecture):
    assert key_table(architecture, UNTIED) == key_table(architecture, CONFIG)


# === BERT


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_once_in_a_bert(architecture):
    bert = key_table(architecture, CONFIG, "bert")
    squeezebert = key_table(architecture, CONFIG)
    assert [row.variable for row in bert] == [row.variable for row in squeezebert]
    assert len({row.key for row in bert}) == len(bert)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_key_and_shape_of_a_bert(architecture):
    config = without_groups(CONFIG)
    ours = our_shapes(architecture, config, "bert")
    if architecture in BERT_WITHOUT_POOLER:
        ours = {key: shape for key, shape in ours.items() if ".pooler." not in key}
    assert ours == their_shapes(architecture.removeprefix("Squeeze"), config)


# === Transforms


@pytest.mark.parametrize(
    ("transform", "shape", "turned"),
    [
        (same, (2, 3), (2, 3)),
        (linear, (2, 3), (3, 2)),
        (conv1d, (1, 2, 3), (3, 2, 1)),
        (conv1d_linear, (1, 2, 3), (3, 2)),
        (conv1d_linear, (3, 2), (1, 2, 3)),
    ],
)
def test_transforms_are_their_own_inverses(transform, shape, turned):
    array = np.arange(6).reshape(shape)
    assert transform(array).shape == turned
    np.testing.assert_array_equal(transform(transform(array)), array)


def test_a_linear_layer_is_a_convolution_of_one_group():
    kernel = np.arange(6).reshape(1, 2, 3)
    np.testing.assert_array_equal(conv1d_linear(kernel), conv1d(kernel)[..., 0])
