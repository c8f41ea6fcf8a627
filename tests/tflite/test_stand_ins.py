"""export_stand_in: that it has the form of the file, and what it makes of others'."""

import shutil

import keras
import pytest
import tensorflow as tf
from tiny import CONFIG, ONE_LAYER

from keras_squeezebert import config as config_module
from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import LiteRTModel, export_stand_in, read_ops
from keras_squeezebert.tflite.graph_file import read_graph
from keras_squeezebert.tflite.inspection import inspect_tflite
from keras_squeezebert.tflite.stand_ins import Form, read_form

SEQUENCE_LENGTH = 8
# No presets are as small as tests should be.
TINY = {
    "hidden_size": 48,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 96,
}


@pytest.fixture(autouse=True)
def tiny_preset(monkeypatch):
    # Whether XNNPACK takes a SUB of codes depends on the ratio of its scales, and so on
    # the random weights.
    keras.utils.set_random_seed(0)
    monkeypatch.setitem(config_module.PRESETS, "tiny", TINY)


def converted(path, function, *specs):
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    path.write_bytes(converter.convert())
    return path


def weights(path):
    """Types of the kernels of convolutions, and what is done with them."""
    found = set()
    for op in read_ops(path):
        if op.name in ("CONV_2D", "FULLY_CONNECTED") and len(op.inputs[1].shape) == 4:
            found.add((op.inputs[1].dtype, op.inputs[0].dtype))
    return found


# === Our own files


@pytest.mark.parametrize(
    "quantization", ["float32", "float16", "dynamic_ptq", *SCHEMES]
)
def test_every_form_is_taken_over(exported, tmp_path, quantization):
    like = exported(quantization=quantization, layers=2)[1]
    form = read_form(like)
    scheme = SCHEMES.get(quantization)
    assert form == Form(quantization, scheme, "float32", 1, 8, CONFIG.vocab_size)
    path = export_stand_in("tiny", like, tmp_path / "a.tflite")
    config = LiteRTModel(path).config
    assert {name: getattr(config, name) for name in TINY} == TINY
    assert config.vocab_size == CONFIG.vocab_size
    assert read_form(path) == form
    assert weights(path) == weights(like)
    names = {op.name for op in read_ops(like)}
    assert {op.name for op in read_ops(path)} == names
    first, second = inspect_tflite(like), inspect_tflite(path)
    assert second.scheme == first.scheme == (scheme and scheme.name)
    assert second.xnnpack.outside.keys() == first.xnnpack.outside.keys()


def test_codes_as_outputs(exported, tmp_path):
    like = exported(quantization="int8", output_type="int8")[1]
    assert read_form(like).output_type == "int8"
    path = export_stand_in("tiny", like, tmp_path / "a.tflite")
    (output,) = inspect_tflite(path).outputs
    assert output.dtype == "int8"


def test_batches(exported, tmp_path):
    like = exported(batch_size=5)[1]
    form = read_form(like)
    assert str(form) == "float32, 5 × 8 tokens"
    path = export_stand_in("tiny", like, tmp_path / "a.tflite")
    assert LiteRTModel(path).input_shape == (5, SEQUENCE_LENGTH)


def test_choices_are_sequences(exported):
    like = exported("SqueezeBertForMultipleChoice", batch_size=2)[1]
    assert read_form(like).batch_size == 2 * 3


def test_only_what_is_packed_counts(exported, tmp_path):
    """The graph alone, in a folder with another model's files."""
    like = exported()[1]
    graph = read_graph(like)
    content = like.read_bytes()[: graph.file_bytes - graph.packed_bytes]
    (tmp_path / "bare.tflite").write_bytes(content)
    ONE_LAYER.replace(vocab_size=77).save(tmp_path)
    (tmp_path / "quantization.json").write_text("{}")
    form = read_form(tmp_path / "bare.tflite")
    assert form == Form("float32", None, "float32", 1, 8, None)
    path = export_stand_in("tiny", tmp_path / "bare.tflite", tmp_path / "a.tflite")
    config = LiteRTModel(path).config
    assert config.vocab_size == 30522 and config.max_position_embeddings == 512


# === Files of other programs


def dense(dtype="int32", shape=(1, 600)):
    """What embeds ids and multiplies them, and the spec of the ids."""
    words, kernel = tf.random.uniform((50, 64)), tf.random.uniform((64, 64))

    def model(ids):
        return tf.reshape(tf.gather(words, ids), (-1, 64)) @ kernel

    return model, tf.TensorSpec(shape, dtype)


def test_a_length_beyond_that_of_the_preset(tmp_path):
    like = converted(tmp_path / "like.tflite", *dense("int64"))
    assert read_form(like) == Form("float32", None, "float32", 1, 600, None)
    path = export_stand_in("tiny", like, tmp_path / "a.tflite")
    assert LiteRTModel(path).input_shape == (1, 600)


def test_int8_of_unknown_ranges_is_refused(exported, tmp_path):
    """Ours without the packed files is like another program's: it has no scheme."""
    like = exported(quantization="mixed")[1]
    graph = read_graph(like)
    content = like.read_bytes()[: graph.file_bytes - graph.packed_bytes]
    (tmp_path / "bare.tflite").write_bytes(content)
    message = r"quantization\.json, which is missing.*bare\.tflite with INT8 on INT8"
    with pytest.raises(InputError, match=message):
        read_form(tmp_path / "bare.tflite")


@pytest.mark.parametrize(
    ("function", "specs", "message"),
    [
        (tf.identity, [tf.TensorSpec((1, 6, 6, 3))], r"inputs of ids.*FLOAT32 \(1, 6"),
        (*dense(shape=(7,)), r"\(batch, seq\).*INT32 \(7,\)"),
        (
            lambda x, y: (x, y),
            [tf.TensorSpec((1, n), tf.int32) for n in (5, 6)],
            r"all alike.*\(1, 5\).*\(1, 6\)",
        ),
        (tf.identity, [tf.TensorSpec((1, 6), tf.int32)], "with no such weights"),
    ],
)
def test_what_cannot_be_told_is_asked_for(tmp_path, function, specs, message):
    specs = specs if isinstance(specs, list) else [specs]
    like = converted(tmp_path / "like.tflite", function, *specs)
    with pytest.raises(InputError, match=message):
        export_stand_in("tiny", like, tmp_path / "a.tflite")
    assert not (tmp_path / "a.tflite").exists()


def test_mistakes(exported, tmp_path):
    like = exported()[1]
    shutil.copy(__file__, tmp_path / "notes.tflite")
    for preset, file, message in [
        ("huge", like, "There are the presets 'base', .* Received: 'huge'"),
        ("tiny", tmp_path / "missing.tflite", "No such file"),
        ("tiny", tmp_path / "notes.tflite", r"Not a \.tflite"),
    ]:
        with pytest.raises(InputError, match=message):
            export_stand_in(preset, file, tmp_path / "a.tflite")
    assert not (tmp_path / "a.tflite").exists()
