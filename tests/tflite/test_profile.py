"""profile_tflite: which operations it tells of, and that their times add up."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import profile, profile_tflite, read_ops
from keras_squeezebert.tflite.partitions import xnnpack_partitions
from keras_squeezebert.tflite.profile import OpTime


def converted(path, function, *specs):
    """The .tflite of a function, by TensorFlow alone: without a signature."""
    concrete = tf.function(function, input_signature=specs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    path.write_bytes(converter.convert())
    return path


def counts(path, **settings):
    """Operations by name, of which times have been checked to be plausible."""
    result = profile_tflite(path, rounds=5, **settings)
    assert 0 < result.sum_ms <= result.whole_ms
    assert result.sum_ms == pytest.approx(sum(kind.ms for kind in result.ops))
    for kind in result.ops:
        assert kind.ms >= 0
        assert kind.share == pytest.approx(kind.ms / result.whole_ms)
    times = [kind.ms for kind in result.ops]
    assert times == sorted(times, reverse=True)
    json.dumps(asdict(result))
    return {kind.op: kind.count for kind in result.ops}


def grouped(found, words):
    """How many operations there are whose names begin with each of the words."""
    return {
        word: sum(n for op, n in found.items() if op.lower().startswith(word.lower()))
        for word in words
    }


# === Our own files


def test_what_multiplies_matrices_is_there_once(exported):
    """A dense layer and an ungrouped convolution are fully connected for XNNPACK."""
    path = exported(layers=2)[1]
    kinds = Counter(op.name for op in read_ops(path))
    found = grouped(counts(path), ("convolution", "fully connected", "batch matrix"))
    assert found["batch matrix"] == kinds["BATCH_MATMUL"] == 4
    convolutions = found["convolution"] + found["fully connected"]
    assert convolutions == kinds["CONV_2D"] + kinds["FULLY_CONNECTED"]


@pytest.mark.parametrize(
    "quantization", ["float32", "float16", "dynamic_ptq", "mixed", "int8"]
)
def test_what_xnnpack_leaves_is_there_by_tflites_names(exported, quantization):
    path = exported(quantization=quantization)[1]
    own = {op: n for op, n in counts(path).items() if re.fullmatch("[A-Z0-9_]+", op)}
    # Conversions of constants are left to TFLite, and run once, when the file loads.
    outside = Counter(xnnpack_partitions(path).outside)
    assert Counter(own) - outside == Counter()
    assert set(outside - Counter(own)) <= {"DEQUANTIZE"}
    assert own["GATHER"] == 2


def test_the_element_wise_ones_of_a_float_file(exported):
    path = exported(layers=2)[1]
    kinds = Counter(op.name for op in read_ops(path))
    names = {"GELU": "GELU", "SOFTMAX": "Softmax", "ADD": "Add", "TANH": "TanH"}
    found = grouped(counts(path), names.values())
    for kind, name in names.items():
        assert found[name] == kinds[kind] > 0


def test_int8_gelus_are_tables(exported):
    path = exported(quantization="mixed", layers=2)[1]
    kinds = Counter(op.name for op in read_ops(path))
    found = counts(path)
    assert found["Lookup table"] == kinds["GELU"] == 2
    assert grouped(found, ("GELU",)) == {"GELU": 0}


def test_threads_reach_litert(exported):
    """With more of them there are more threads in the process."""
    path = exported()[1]
    code = (
        "import os, sys; from keras_squeezebert.tflite.native_profiler import "
        "profiled_runs; list(profiled_runs(sys.argv[1], int(sys.argv[2]), 1, 0)); "
        "print(len(os.listdir('/proc/self/task')))"
    )
    if not Path("/proc/self/task").is_dir():
        pytest.skip("Linux lists the threads of a process")
    found = [
        int(
            subprocess.run(
                [sys.executable, "-c", code, path, str(threads)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for threads in (1, 3)
    ]
    assert found[1] - found[0] == 2


def test_times_are_means_of_the_middle_runs(exported, monkeypatch):
    """Of 8 runs the two fastest and the two slowest are left out."""
    runs = [
        {"whole": 1000 * whole, "ops": [["A", 100 * whole], ["B", 300], ["A", whole]]}
        for whole in (900, 3, 1, 4, 2, 5, 6, 70)
    ]
    monkeypatch.setattr(profile, "_runs", lambda *settings: runs)
    result = profile_tflite(exported()[1], rounds=8)
    assert result.whole_ms == pytest.approx((3 + 4 + 5 + 6) / 4)
    assert result.ops == [
        OpTime("A", 2, pytest.approx(0.4545), pytest.approx(0.4545 / 4.5)),
        OpTime("B", 1, pytest.approx(0.3), pytest.approx(0.3 / 4.5)),
    ]
    assert result.sum_ms == pytest.approx(0.7545)


# === Files of other programs


def test_a_file_without_a_signature(tmp_path):
    """Its inputs are known by the names of its tensors, and each gets its own."""
    words = tf.random.uniform((2000, 512))
    kernel = tf.random.uniform((512, 1024))

    def embed(ids, floats):
        return tf.nn.softmax(tf.gather(words, ids) @ kernel) * floats

    specs = tf.TensorSpec((900,), tf.int64), tf.TensorSpec((900, 1024))
    path = converted(tmp_path / "a.tflite", embed, *specs)
    found = counts(path)
    assert found["GATHER"] == 1
    words = ("fully connected", "softmax", "multiply")
    assert grouped(found, words) == dict.fromkeys(words, 1)


def test_no_constants_and_no_bias(tmp_path):
    spec = tf.TensorSpec((1, 200, 200))
    path = converted(tmp_path / "a.tflite", lambda x, y: x @ y, spec, spec)
    assert grouped(counts(path), ("batch matrix",)) == {"batch matrix": 1}


def test_an_optional_input_that_is_absent(tmp_path):
    kernel = tf.random.uniform((512, 512))
    path = converted(
        tmp_path / "a.tflite", lambda x: x @ kernel, tf.TensorSpec((256, 512))
    )
    assert [len(op.inputs) for op in read_ops(path)] == [2]  # without the bias
    assert grouped(counts(path), ("fully connected",)) == {"fully connected": 1}


def test_operations_in_a_loop_count_as_often_as_they_run(tmp_path):
    """Their time is not counted again as that of the loop."""
    kernel = tf.random.uniform((128, 128))

    def loop(x):
        def step(i, x):
            return i + 1, tf.nn.softmax(x @ kernel)

        return tf.while_loop(lambda i, x: i < 7, step, (0, x))[1]

    path = converted(tmp_path / "a.tflite", loop, tf.TensorSpec((256, 128)))
    assert "WHILE" in {op.name for op in read_ops(path)}
    found = counts(path)
    assert "WHILE" not in found
    softmaxes = sum(n for op, n in found.items() if op.lower().startswith("softmax"))
    assert softmaxes == 7


# === Mistakes


def test_files_that_do_not_fit(exported, tmp_path):
    path = exported()[1]
    (tmp_path / "notes.tflite").write_text("not a model at all")
    spec = tf.TensorSpec((2,), tf.string)
    text = converted(tmp_path / "text.tflite", tf.identity, spec)
    for arguments, message in [
        ((path, 0), r"at least 1. Received: \[0\]"),
        ((path, 1, 0), "`rounds` must be at least 1"),
        ((tmp_path / "missing.tflite",), "No such file: "),
        ((tmp_path / "notes.tflite",), r"notes\.tflite: Not a \.tflite"),
        ((text,), "Inputs of integers and floats can be made up"),
    ]:
        with pytest.raises(InputError, match=message):
            profile_tflite(*arguments)


def test_a_run_that_fails_is_told(tmp_path):
    """Ids that reach no table by themselves, and do not fit the one they lead to."""
    words = tf.random.uniform((5, 4))

    def out_of_range(ids):
        return tf.gather(words, tf.argmax(ids[0]) + 7)

    spec = tf.TensorSpec((1, 3), tf.int32)
    path = converted(tmp_path / "a.tflite", out_of_range, spec)
    with pytest.raises(InputError, match=r"cannot profile .*: LiteRtRun\w+ gives"):
        profile_tflite(path)


def test_an_end_of_the_process_is_told(exported, monkeypatch):
    monkeypatch.setattr(profile, "_RUNNER", "keras_squeezebert.no_such_module")
    with pytest.raises(InputError, match="it ends the process"):
        profile_tflite(exported()[1])
