"""benchmark_tflite: what it runs, in which order, and what it counts."""

import json
import os
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
import tensorflow as tf
from tiny import ONE_LAYER

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import benchmark, benchmark_tflite, read_ops
from keras_squeezebert.tflite.benchmark import distinct_names, read_inputs
from keras_squeezebert.tflite.graph_file import read_graph

SEQUENCE_LENGTH = 8
INTEGERS = (1, SEQUENCE_LENGTH)


def converted(path, function, *specs):
    """The .tflite of a function, by TensorFlow alone: without a signature."""
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    path.write_bytes(converter.convert())
    return path


def ranges(path):
    return {entry.name: (entry.low, entry.high) for entry in read_inputs(path)}


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """Embeds ids as models of PyTorch do, with inputs that have no telling names."""
    words, types = tf.random.uniform((2, 50, 4)), tf.random.uniform((3, 4))

    def embed(args_0, args_1, args_2):
        ids = tf.where(args_0 < 0, args_0 + 50, args_0)
        found = tf.gather(words[0], tf.reshape(tf.cast(ids, "int32"), (8, 1)))
        kinds = tf.gather(types, args_2)
        mask = tf.cast(args_1, "float32")
        return tf.reduce_sum(found[:, 0] * tf.transpose(mask)) + tf.reduce_sum(kinds)

    spec = tf.TensorSpec(INTEGERS, tf.int64)
    path = tmp_path_factory.mktemp("foreign") / "a.tflite"
    return converted(path, embed, spec, spec, spec)


class Recorder:
    """Stands in for LiteRT's Interpreter, and notes what is done with it."""

    def __init__(self, interpreter, notes):
        self.interpreter, self.notes = interpreter, notes

    def __call__(self, path, **settings):
        notes = {"path": path, **settings, "inputs": {}}
        recorder = Recorder(self.interpreter(path, **settings), notes)
        recorder.calls = self.calls
        return recorder

    def __getattr__(self, name):
        return getattr(self.interpreter, name)

    def set_tensor(self, number, values):
        self.notes["inputs"][number] = values
        self.interpreter.set_tensor(number, values)

    def invoke(self):
        self.calls.append(self.notes)
        self.interpreter.invoke()


@pytest.fixture
def calls(monkeypatch):
    """Every `invoke` of this process, in order."""
    recorder = Recorder(benchmark.Interpreter, {})
    recorder.calls = []
    monkeypatch.setattr(benchmark, "Interpreter", recorder)
    return recorder.calls


# === Order


def test_all_files_run_once_in_every_round(exported, foreign, calls):
    paths = [exported()[1], exported(quantization="mixed")[1], foreign]
    benchmark_tflite(paths, threads=(1, 2), rounds=20)
    names = [str(path) for path in paths]
    rounds = [calls[i : i + 3] for i in range(0, len(calls), 3)]
    assert len(calls) == 3 * 2 * (20 + benchmark.WARM_UP)
    assert all(sorted(c["path"] for c in turn) == sorted(names) for turn in rounds)
    assert [turn[0]["num_threads"] for turn in rounds] == [1] * 23 + [2] * 23
    # Of the orders of three files, more than one, and the same ones again.
    orders = [tuple(c["path"] for c in turn) for turn in rounds]
    assert len(set(orders[3:23])) > 3 and orders[3:23] == orders[26:]


def test_what_is_told(exported, foreign):
    paths = [exported()[1], foreign]
    results = benchmark_tflite(paths, threads=(1, 2, 1), rounds=3)
    for path, result in zip(paths, results, strict=True):
        assert (result.path, result.name) == (os.fspath(path), path.name)
        assert result.bytes == path.stat().st_size
        assert result.xnnpack.count >= 1
        assert [timing.threads for timing in result.timings] == [1, 2]
        for timing in result.timings:
            assert 0 < timing.min_ms <= timing.median_ms
            assert timing.load_ms > 0 and timing.first_ms > 0
            assert timing.peak_bytes >= 0
            expected = result.macs / timing.median_ms / 1e6
            assert timing.gmacs_per_second == pytest.approx(expected)
    for first, second in zip(*(result.timings for result in results), strict=True):
        assert first.ratio == 1
        assert second.ratio == pytest.approx(second.median_ms / first.median_ms)
    json.dumps([asdict(result) for result in results])


def test_the_peak_grows_with_the_weights(tmp_path):
    weights = np.random.default_rng(0).standard_normal((2, 2000, 2000), "float32")
    spec = tf.TensorSpec((1, 2000))
    small = converted(tmp_path / "small.tflite", lambda x: x @ weights[0, :, :8], spec)
    large = converted(tmp_path / "large.tflite", lambda x: x @ weights[0], spec)
    peaks = [
        result.timings[0].peak_bytes
        for result in benchmark_tflite([small, large], rounds=1)
    ]
    assert peaks[1] - peaks[0] > 0.8 * weights[0].nbytes


# === Inputs


def test_inputs_of_our_own(exported, calls):
    _, path = exported()
    assert ranges(path) == {
        "attention_mask": (1, 1),
        "input_ids": (0, ONE_LAYER.vocab_size - 1),
        "token_type_ids": (0, 0),
    }
    benchmark_tflite([path], rounds=1)
    given = {
        name: calls[0]["inputs"][number]
        for name, number in read_graph(path).inputs.items()
    }
    assert all(values.dtype == "int32" for values in given.values())
    assert all(values.shape == INTEGERS for values in given.values())
    assert (given["attention_mask"] == 1).all()
    assert (given["token_type_ids"] == 0).all()
    ids = given["input_ids"]
    assert ids.min() >= 0 and ids.max() < ONE_LAYER.vocab_size
    assert len(np.unique(ids)) > 3


@pytest.mark.parametrize("quantization", ["float16", "dynamic_ptq", "mixed", "int8"])
def test_every_form_tells_its_vocabulary(exported, quantization):
    path = exported(quantization=quantization)[1]
    assert ranges(path)["input_ids"] == (0, ONE_LAYER.vocab_size - 1)


def test_ids_of_a_file_of_another_program(foreign, calls):
    inputs = read_inputs(foreign)
    found = {entry.tensor[-1]: (entry.low, entry.high) for entry in inputs}
    assert found == {"0": (0, 49), "1": (0, 1), "2": (0, 2)}
    benchmark_tflite([foreign], rounds=1)
    for entry in inputs:
        values = calls[0]["inputs"][entry.number]
        assert values.dtype == "int64" and entry.low <= values.min()
        assert values.max() <= entry.high


def test_the_same_seed_gives_the_same_input(exported, calls):
    path = exported()[1]
    for seed in (1, 1, 2):
        benchmark_tflite([path], rounds=1, seed=seed)
    first, second, third = (
        np.concatenate(list(notes["inputs"].values())) for notes in calls[::4]
    )
    assert (first == second).all() and (first != third).any()


def test_positions_of_a_maximum_are_no_ids(tmp_path):
    """The table that the ids reach is not the one their maximum's place picks from."""
    words = tf.random.uniform((9, 4))

    def pick(ids):
        return tf.gather(tf.gather(words, ids[0]), tf.argmax(ids[0]))

    path = converted(tmp_path / "a.tflite", pick, tf.TensorSpec((1, 3), tf.int32))
    assert list(ranges(path).values()) == [(0, 8)]


def test_ids_of_gather_nd(tmp_path):
    words = tf.random.uniform((9, 4))
    spec = tf.TensorSpec((1, 3), tf.int32)
    path = converted(
        tmp_path / "a.tflite", lambda ids: tf.gather_nd(words, ids[..., None]), spec
    )
    assert "GATHER_ND" in {op.name for op in read_ops(path)}
    assert list(ranges(path).values()) == [(0, 8)]


def test_inputs_of_text_are_refused(tmp_path):
    path = converted(tmp_path / "a.tflite", tf.identity, tf.TensorSpec((2,), tf.string))
    with pytest.raises(InputError, match=r"a\.tflite: Inputs of integers and floats"):
        benchmark_tflite([path])


# === Work


def test_operations_are_counted(exported):
    path = exported(layers=2)[1]
    (result,) = benchmark_tflite([path], rounds=1)
    counts = {kind.op: kind.count for kind in result.ops}
    assert counts == Counter(op.name for op in read_ops(path))
    macs = [kind.macs or 0 for kind in result.ops]
    assert sum(macs) == result.macs and macs == sorted(macs, reverse=True)
    assert {kind.macs for kind in result.ops if kind.op == "SOFTMAX"} == {None}


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("quantization", ["float32", "mixed"])
def test_macs_are_those_of_the_config(exported, layers, quantization):
    c, seq = ONE_LAYER, SEQUENCE_LENGTH
    width, inner = c.hidden_size, c.intermediate_size

    def layer(rows):
        """Of a layer whose output has so many rows; keys and values have them all."""
        keys_and_values = seq * width * width * (1 / c.k_groups + 1 / c.v_groups)
        others = width * (width / c.q_groups + width / c.post_attention_groups)
        feed_forward = width * inner * (1 / c.intermediate_groups + 1 / c.output_groups)
        attention = 2 * seq * width  # scores, and values by their probabilities
        return keys_and_values + rows * (others + feed_forward + attention)

    head = width * width + width * len(c.id2label)
    # The last layer computes only the first token, the one that the pooler reads.
    expected = (layers - 1) * layer(seq) + layer(1) + head
    path = exported(layers=layers, quantization=quantization)[1]
    (result,) = benchmark_tflite([path], rounds=1)
    assert result.macs == round(expected)


def test_macs_of_each_kind(tmp_path):
    kernel, depthwise = tf.random.uniform((3, 3, 4, 7)), tf.random.uniform((3, 2, 7, 1))
    dense = tf.random.uniform((7, 11))

    def network(images, vectors):
        images = tf.nn.conv2d(images, kernel, 1, "SAME")
        images = tf.nn.depthwise_conv2d(images, depthwise, (1, 1, 1, 1), "SAME")
        rows = tf.reshape(images, (2, 15, 7))
        by_rows = tf.matmul(rows, vectors, transpose_b=True)
        by_columns = tf.matmul(vectors, rows[:, :13], transpose_a=True)
        return by_rows, by_columns, tf.reshape(rows, (30, 7)) @ dense

    path = converted(
        tmp_path / "a.tflite",
        network,
        tf.TensorSpec((1, 6, 5, 4)),
        tf.TensorSpec((2, 13, 7)),
    )
    assert set(ranges(path).values()) == {(None, None)}
    (result,) = benchmark_tflite([path], rounds=1)
    assert {kind.op: kind.macs for kind in result.ops if kind.macs is not None} == {
        "CONV_2D": 6 * 5 * 7 * 3 * 3 * 4,
        "DEPTHWISE_CONV_2D": 6 * 5 * 7 * 3 * 2,
        "BATCH_MATMUL": 2 * (15 * 13 * 7 + 7 * 7 * 13),
        "FULLY_CONNECTED": 30 * 11 * 7,
    }


# === Names and mistakes


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["a.tflite"], ["a.tflite"]),
        (["x/a.tflite", "x/b.tflite"], ["a.tflite", "b.tflite"]),
        (["x/a.tflite", "y/a.tflite"], ["x/a.tflite", "y/a.tflite"]),
        (["x/z/a.tflite", "y/z/a.tflite"], ["x/z/a.tflite", "y/z/a.tflite"]),
        (["/a.tflite", "/x/../y/a.tflite"], ["/a.tflite", "y/a.tflite"]),
    ],
)
def test_names_are_as_long_as_it_takes(paths, names):
    assert distinct_names(paths) == names


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rounds": 0}, "`rounds` must be at least 1. Received: rounds=0"),
        ({"threads": ()}, r"`threads` must be numbers of at least 1. Received: \[\]"),
        ({"threads": (1, 0)}, r"at least 1. Received: \[1, 0\]"),
    ],
)
def test_numbers_that_do_not_fit(exported, settings, message):
    with pytest.raises(InputError, match=message):
        benchmark_tflite([exported()[1]], **settings)


def test_files_that_do_not_fit(exported, tmp_path):
    path = exported()[1]
    (tmp_path / "same.tflite").symlink_to(path)
    (tmp_path / "notes.tflite").write_text("not a model at all")
    content = bytearray(path.read_bytes())
    del content[len(content) // 2 :]
    (tmp_path / "half.tflite").write_bytes(content)
    for paths, message in [
        ([], "At least one"),
        ([path, tmp_path / "same.tflite"], "Each file is to be given once"),
        ([path, tmp_path / "missing.tflite"], "No such file: "),
        ([path, tmp_path / "notes.tflite"], r"notes\.tflite: Not a \.tflite"),
        ([path, tmp_path / "half.tflite"], r"half\.tflite"),
    ]:
        with pytest.raises(InputError, match=message):
            benchmark_tflite(paths)


def test_a_run_that_fails_is_told(tmp_path):
    """Ids that reach no table by themselves, and do not fit the one they lead to."""
    words = tf.random.uniform((5, 4))

    def out_of_range(ids):
        return tf.gather(words, tf.argmax(ids[0]) + 7)

    spec = tf.TensorSpec((1, 3), tf.int32)
    path = converted(tmp_path / "a.tflite", out_of_range, spec)
    with pytest.raises(InputError, match=r"cannot run the file. Received: .*gather"):
        benchmark_tflite([path])
