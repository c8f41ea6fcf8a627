import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from keras_squeezebert import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizer, SqueezeBertTokenizerFast

TEXTS = ["The [MASK] sat.", "", "Élan 中文 on and on and on and on"]
PAIRS = ["x", "y z", "w"]


@pytest.fixture(scope="module")
def small(fast):
    """A vocabulary that is quick to build and save."""
    words = [t for t in fast.vocabulary if len(t) < 4]
    return list(dict.fromkeys([*words, *fast.options.special_tokens]))


def assert_same(outputs, wanted):
    assert set(outputs) == set(wanted)
    for name, array in wanted.items():
        assert outputs[name].dtype == np.int32
        np.testing.assert_array_equal(np.asarray(outputs[name]), array)


def test_tf_data(layer, fast):
    data = tf.data.Dataset.from_tensor_slices((TEXTS, PAIRS)).batch(3).map(layer)
    assert_same(next(iter(data)), fast(TEXTS, PAIRS))
    data = tf.data.Dataset.from_tensor_slices(TEXTS)
    arguments = {
        "max_length": 6,
        "padding": "max_length",
        "return_offsets_mapping": True,
    }
    data = data.map(lambda text: layer(text, **arguments))
    assert data.element_spec["input_ids"].shape.as_list() == [None, 6]
    assert data.element_spec["offset_mapping"].shape.as_list() == [None, 6, 2]
    assert_same(next(iter(data)), fast(TEXTS[0], **arguments))


@pytest.mark.parametrize("offsets", [False, True])
def test_tf_function(layer, fast, offsets):
    @tf.function
    def call(texts):
        return layer(texts, return_offsets_mapping=offsets)

    wanted = fast(TEXTS, return_offsets_mapping=offsets)
    assert_same(call(tf.constant(TEXTS)), wanted)


def functional(tokenizer, **arguments):
    first = keras.Input((), dtype="string", name="texts")
    second = keras.Input((), dtype="string", name="pairs")
    return keras.Model([first, second], tokenizer(first, second, **arguments))


@pytest.mark.parametrize("offsets", [False, True])
@pytest.mark.parametrize("padding, width", [("longest", None), ("max_length", 9)])
def test_functional_model(small, tmp_path, padding, width, offsets):
    options = {"max_length": 9, "do_lower_case": False, "strip_accents": True}
    model = functional(
        SqueezeBertTokenizer(small, padding=padding, **options),
        return_offsets_mapping=offsets,
    )
    fast = SqueezeBertTokenizerFast(small, do_lower_case=False, strip_accents=True)
    wanted = fast(
        TEXTS, PAIRS, max_length=9, padding=padding, return_offsets_mapping=offsets
    )
    for name, array in wanted.items():
        assert model.output[name].shape == (None, width, *array.shape[2:])
    inputs = [tf.constant(TEXTS), tf.constant(PAIRS)]
    assert_same(model(inputs), wanted)
    assert_same(model.predict(inputs, verbose=0), wanted)

    model.save(tmp_path / "model.keras")
    assert_same(keras.models.load_model(tmp_path / "model.keras")(inputs), wanted)

    model.export(tmp_path / "saved", verbose=False)
    assert_same(tf.saved_model.load(tmp_path / "saved").serve(inputs), wanted)


@pytest.mark.parametrize("multiple", [2, 5, 8])
def test_lengths_are_rounded_up(small, multiple):
    fast = SqueezeBertTokenizerFast(small)
    layer = SqueezeBertTokenizer(small, pad_to_multiple_of=multiple)
    exact = fast(TEXTS, PAIRS, return_offsets_mapping=True)
    longest = exact["input_ids"].shape[1]
    rounded = layer(TEXTS, PAIRS, return_offsets_mapping=True)
    for name, array in exact.items():
        assert rounded[name].shape[1] == math.ceil(longest / multiple) * multiple
        np.testing.assert_array_equal(rounded[name][:, :longest], array)
        filling = layer.pad_token_id if name == "input_ids" else 0
        assert (rounded[name].numpy()[:, longest:] == filling).all()
    # A length that was asked for is none to round.
    assert_same(
        layer(TEXTS, max_length=7, padding="max_length"),
        fast(TEXTS, max_length=7, padding="max_length"),
    )


def test_tensorflow_serving_has_the_ops(small, tmp_path):
    model = functional(
        SqueezeBertTokenizer(small, max_length=9), return_offsets_mapping=True
    )
    model.export(tmp_path, verbose=False)
    saved = SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    ops = {node.op for node in graph.node}
    ops |= {node.op for f in graph.library.function for node in f.node_def}
    # TensorFlow Text's trimmers, for one, are not in the servers of old.
    assert ops - set(dir(tf.raw_ops)) == {"FastWordpieceTokenizeWithOffsets"}


def test_config_round_trip(small):
    layer = SqueezeBertTokenizer(small, max_length=5, name="words", strip_accents=False)
    copy = SqueezeBertTokenizer.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.name == "words"
    assert copy.options == layer.options


def test_rows_too_long_in_a_graph(layer):
    call = tf.function(lambda text: layer(text, max_length=3, truncation=False))
    assert call(tf.constant(["a"]))["input_ids"].shape == (1, 3)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="longer than max_length=3"
    ):
        call(tf.constant(["a b"]))


@pytest.mark.parametrize(
    "texts",
    [tf.constant([1]), tf.constant([["a"]]), tf.ragged.constant([["a"]])],
    ids=["numbers", "matrix", "ragged"],
)
def test_bad_tensors(layer, texts):
    with pytest.raises(InputError, match="Received: texts"):
        layer(texts)


def test_bad_constructor_arguments(small):
    with pytest.raises(InputError, match="Received: padding='right'"):
        SqueezeBertTokenizer(small, padding="right")
    with pytest.raises(InputError, match="Received: max_length=1"):
        SqueezeBertTokenizer(small, max_length=1)
    with pytest.raises(InputError, match="Received: pad_to_multiple_of=0"):
        SqueezeBertTokenizer(small, pad_to_multiple_of=0)
    with pytest.raises(InputError, match="TensorFlow Text refuses the vocabulary"):
        SqueezeBertTokenizer([*small, "a" * 300])


def test_a_vocabulary_may_hold_the_characters_that_stand_for_special_tokens(small):
    vocabulary = [*small, *map(chr, range(0x100000, 0x100006))]
    texts = ["\U00100000 a\U00100001b", "[UNK][SEP]"]
    layer = SqueezeBertTokenizer(vocabulary)
    assert_same(layer(texts), SqueezeBertTokenizerFast(vocabulary)(texts))
