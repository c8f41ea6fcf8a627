"""The table of keys: every variable once, every key of Hugging Face once."""

import numpy as np
import pytest
from tiny import ARCHITECTURES, CONFIG, make_model

from keras_squeezebert.converters import key_table
from keras_squeezebert.converters.key_table import conv1d, linear, same

# Tied in Hugging Face's model, so that its files lack them.
TIED = {
    "cls.predictions.decoder.weight": "transformer.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_weight_once(architecture):
    model = make_model(architecture)
    paths = [variable.path for variable in model.weights]
    rows = key_table(architecture, CONFIG.num_hidden_layers)
    assert sorted(row.variable for row in rows) == sorted(paths)
    assert len({row.key for row in rows}) == len(rows)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_key_and_shape_of_transformers(architecture):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.SqueezeBertConfig(**CONFIG.to_dict())
    theirs = getattr(transformers, architecture)(config).state_dict()
    for tied, source in TIED.items():
        if tied in theirs:
            assert theirs.pop(tied).data_ptr() == theirs[source].data_ptr()

    model = make_model(architecture)
    shapes = {variable.path: variable.shape for variable in model.weights}
    if architecture == "SqueezeBertForQuestionAnswering":
        # Ours always has two outputs, theirs as many as there are labels.
        shapes |= {"qa_outputs/kernel": (96, 3), "qa_outputs/bias": (3,)}
    ours = {
        row.key: row.transform(np.empty(shapes[row.variable])).shape
        for row in key_table(architecture, CONFIG.num_hidden_layers)
    }
    theirs = {name: tuple(tensor.shape) for name, tensor in theirs.items()}
    theirs.pop("transformer.embeddings.position_ids", None)
    theirs.pop("embeddings.position_ids", None)
    assert ours == theirs


@pytest.mark.parametrize(
    ("transform", "shape", "turned"),
    [
        (same, (2, 3), (2, 3)),
        (linear, (2, 3), (3, 2)),
        (conv1d, (1, 2, 3), (3, 2, 1)),
    ],
)
def test_transforms_are_their_own_inverses(transform, shape, turned):
    array = np.arange(6).reshape(shape)
    assert transform(array).shape == turned
    np.testing.assert_array_equal(transform(transform(array)), array)
