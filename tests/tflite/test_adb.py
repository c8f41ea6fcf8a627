"""benchmark_on_phone: the commands, and what is read of their output. No phone."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tiny import HEADS

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.adb import (
    BENCHMARK_MODEL,
    GRAPH,
    PhoneOp,
    benchmark_on_phone,
    parse_benchmark,
    phone_model,
)

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parent / "data"
# Both in the forms of the tool's versions: columns by tabs or by spaces.
OUTPUTS = {
    form: (DATA / f"benchmark_model_{form}.txt").read_text()
    for form in ("tabs", "spaces")
}
every_form = pytest.mark.parametrize("form", OUTPUTS)
FAKE = """#!{python}
import pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    print(repr(sys.argv[1:]), file=calls)
command = sys.argv[-1]
if "getprop" in command:
    print("Pixel 8")
elif "--graph" in command:
    print((folder / "output").read_text(), end="")
    sys.exit(int((folder / "code").read_text()))
"""


@pytest.fixture
def phone(tmp_path, monkeypatch):
    """A folder with an `adb` that notes its arguments, and what it is to print."""
    folder = tmp_path / "phone"
    folder.mkdir()
    adb = folder / "adb"
    adb.write_text(FAKE.format(python=sys.executable, folder=str(folder)))
    adb.chmod(0o755)
    (folder / "output").write_text(OUTPUTS["tabs"])
    (folder / "code").write_text("0")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def calls(phone):
    return [eval(line) for line in (phone / "calls").read_text().splitlines()]


# === Output


@every_form
def test_timing(form):
    timing = parse_benchmark(OUTPUTS[form])
    assert timing.runs == 50
    assert (timing.avg_ms, timing.min_ms, timing.max_ms) == (55.0432, 53.077, 60.727)
    assert (timing.std_ms, timing.init_ms, timing.first_ms) == (1.562, 18.777, 64.791)
    assert timing.memory_mb == 18.7227


@every_form
def test_operations(form):
    ops = parse_benchmark(OUTPUTS[form]).ops
    inside = [op for op in ops if "(" in op.op]
    assert [(op.op, op.count, op.avg_ms) for op in inside] == [
        ("Convolution (NHWC, QC8) GEMM", 74, 40.112),
        ("Batch Matrix Multiply (ND, QD8)", 24, 9.02),
        ("Softmax (NC, F32)", 12, 3.3),
        ("Transpose (ND, X8)", 48, 2.002),
    ]
    assert ("GATHER", 2) in {(op.op, op.count) for op in ops}
    assert "AllocateTensors" not in {op.op for op in ops}
    assert [op.avg_ms for op in ops] == sorted((op.avg_ms for op in ops), reverse=True)


def test_xnnpack_as_a_whole():
    first = parse_benchmark(OUTPUTS["tabs"]).ops[0]
    assert first == PhoneOp("TfLiteXNNPackDelegate", 1, 54.801, 99.789)


def test_missing_pieces_are_none():
    text = "Inference timings in us: Init: 5, Inference (avg): 2.5e+06\n"
    timing = parse_benchmark(text)
    assert (timing.avg_ms, timing.init_ms, timing.ops) == (2500, 0.005, [])
    missing = ("runs", "min_ms", "max_ms", "std_ms", "first_ms", "memory_mb")
    assert {getattr(timing, name) for name in missing} == {None}


def test_a_single_run_has_no_spread():
    text = "count=1 curr=7\ncount=1 curr=6\nInference timings in us: "
    timing = parse_benchmark(text + "Inference (avg): 6\n")
    assert (timing.runs, timing.avg_ms, timing.min_ms) == (1, 0.006, None)


def test_carriage_returns_of_old_adb():
    text = OUTPUTS["tabs"]
    assert parse_benchmark(text.replace("\n", "\r\n")) == parse_benchmark(text)


def test_no_timing_quotes_the_end():
    with pytest.raises(InputError, match=r"(?s)no timing. Received:\n.*Failed to mmap"):
        parse_benchmark("STARTING!\nERROR: Failed to mmap model\n")
    with pytest.raises(InputError, match=r"\(nothing\)"):
        parse_benchmark("")


@given(st.sampled_from(list(OUTPUTS)), st.integers(0, 10_000))
def test_truncated_output(form, end):
    """It is an error, or what is read of it is what the whole says."""
    whole = parse_benchmark(OUTPUTS[form])
    try:
        part = parse_benchmark(OUTPUTS[form][:end])
    except InputError:
        return
    assert part.avg_ms == whole.avg_ms
    for name in ("runs", "min_ms", "max_ms", "std_ms", "init_ms", "memory_mb"):
        assert getattr(part, name) in (None, getattr(whole, name))
    assert set(part.ops) <= set(whole.ops)


LINES = st.sampled_from(
    ["count=", "INFO: count=9 avg=", "==== Summary by node type ====", "Operator-wise "]
)


@given(
    st.lists(LINES | st.text() | st.sampled_from(OUTPUTS["tabs"].splitlines())),
    st.integers(0, 10**20),
)
def test_any_output(lines, number):
    try:
        parse_benchmark("".join(f"{line}{number}\n" for line in lines))
    except InputError as error:
        assert "no timing" in str(error)


# === Commands


def test_commands(exported, phone, tmp_path):
    binary = tmp_path / "my benchmark_model"
    binary.touch()
    path = exported()[1]
    echoed = []
    runs = benchmark_on_phone(
        [path], (1, 4), 20, binary, taskset="f0", echo=echoed.append
    )
    names = [
        f"serving_default_{name}_0"
        for name in ("attention_mask", "input_ids", "token_type_ids")
    ]

    def command(threads):
        return [
            *("taskset", "f0", BENCHMARK_MODEL, f"--graph={GRAPH}"),
            *(f"--num_threads={threads}", "--num_runs=20", "--use_xnnpack=true"),
            "--enable_op_profiling=true",
            f"--input_layer={','.join(names)}",
            "--input_layer_shape=1,8:1,8:1,8",
            f"--input_layer_value_range={names[0]},1,1:{names[1]},0,100:{names[2]},0,0",
        ]

    pushes = calls(phone)
    assert pushes[0] == ["push", str(binary), BENCHMARK_MODEL]
    assert pushes[1] == ["shell", f"chmod +x {BENCHMARK_MODEL}"]
    assert pushes[2] == ["push", str(path), GRAPH]
    assert [shlex.split(call[1]) for call in pushes[3:5]] == [command(1), command(4)]
    assert pushes[5:] == [["shell", f"rm -f {GRAPH}"]]
    assert [shlex.split(line) for line in echoed] == [["adb", *c] for c in pushes[3:5]]
    assert [run.threads for run in runs] == [1, 4]
    assert {run.name for run in runs} == {path.name}
    assert [run.command for run in runs] == [call[1] for call in pushes[3:5]]
    assert runs[0].timing == parse_benchmark(OUTPUTS["tabs"])
    assert phone_model() == "Pixel 8"


@pytest.mark.parametrize(
    ("architecture", "quantization", "command"),
    [
        *(
            ("SqueezeBertForSequenceClassification", quantization, 0)
            for quantization in ("float32", "float16", "dynamic_ptq", "mixed", "int8")
        ),
        *((head, "float32", 0) for head in HEADS if not head.endswith("Choice")),
        ("SqueezeBertForMultipleChoice", "float32", 1),
    ],
)
def test_documented_commands(exported, phone, architecture, quantization, command):
    documented = re.findall(
        r"^    (adb shell '.*)$", (ROOT / "docs/phone.md").read_text(), re.MULTILINE
    )
    # There they are for 128 tokens of the usual vocabulary, and for four choices.
    sizes = {"128": "8", "30521": "100", "1,4,": "1,3,"}
    expected = documented[command]
    for of_docs, of_tests in sizes.items():
        expected = expected.replace(of_docs, of_tests)
    echoed = []
    path = exported(architecture, quantization)[1]
    benchmark_on_phone([path], (4,), 50, taskset="f0", echo=echoed.append)
    assert [shlex.split(shlex.split(line)[2]) for line in echoed] == [
        shlex.split(shlex.split(expected)[2])
    ]


def test_names_that_a_shell_would_take_apart(exported, phone, tmp_path):
    path = tmp_path / "-a; $(reboot) 'b'.tflite"
    path.write_bytes(exported()[1].read_bytes())
    benchmark_on_phone([path], rounds=1)
    assert calls(phone)[0] == ["push", str(path), GRAPH]
    assert not any("reboot" in call[-1] for call in calls(phone)[1:])


def test_names_of_tensors_are_quoted_and_floats_have_no_range(phone, tmp_path):
    function = tf.function(
        lambda x: x * 2, input_signature=[tf.TensorSpec((2, 3), name="a/b;c")]
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()]
    )
    path = tmp_path / "a.tflite"
    path.write_bytes(converter.convert())
    benchmark_on_phone([path], rounds=1, taskset="f0; reboot")
    arguments = shlex.split(calls(phone)[1][1])
    assert arguments[1:3] == ["f0; reboot", BENCHMARK_MODEL]
    assert "--input_layer_shape=2,3" in arguments
    assert "--input_layer_value_range=" in arguments


def test_a_failure_is_told_and_the_file_removed(exported, phone):
    (phone / "code").write_text("1")
    (phone / "output").write_text("adb: no devices/emulators found\n")
    with pytest.raises(InputError, match=r"(?s)failed. Received:\nadb: no devices"):
        benchmark_on_phone([exported()[1]])
    assert calls(phone)[-1] == ["shell", f"rm -f {GRAPH}"]


def test_mistakes(exported, phone, tmp_path, monkeypatch):
    path = exported()[1]
    with pytest.raises(InputError, match=r"No such file: .*missing"):
        benchmark_on_phone([path], benchmark_model=tmp_path / "missing")
    with pytest.raises(InputError, match="`rounds` must be"):
        benchmark_on_phone([path], rounds=0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="`adb`, of Android's"):
        benchmark_on_phone([path])
