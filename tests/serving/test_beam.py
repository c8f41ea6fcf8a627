"""RunInference and the transforms around it: each line its answer, or the reason."""

import bz2
import collections
import gzip
import json
import pickle
import subprocess
import sys
import textwrap

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
from apache_beam.metrics import MetricsFilter
from apache_beam.ml.inference.base import RunInference
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from every_head import assert_close
from explosive import write_explosive
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_squeezebert.beam import SavedModelHandler, ScoreFiles, ScoreLines, Unanswered
from keras_squeezebert.errors import InputError


@pytest.fixture(scope="module")
def explosive(tmp_path_factory):
    return write_explosive(tmp_path_factory.mktemp("explosive") / "1")


def read(prefix):
    """The records in the files of a prefix."""
    return [
        json.loads(line)
        for path in sorted(prefix.parent.glob(f"{prefix.name}-*-of-*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


def score(model, folder, pattern="*", batch_size=4, **settings):
    """Scored lines, errors, and the counters, of files in a folder."""
    out, errors = folder / "out" / "scored", folder / "out" / "errors"
    pipeline = beam.Pipeline(FnApiRunner())
    handler = SavedModelHandler(model, batch_size)
    pipeline | ScoreFiles(handler, folder / pattern, out, errors, **settings)
    result = pipeline.run()
    result.wait_until_finish()
    found = result.metrics().query(MetricsFilter().with_namespace("squeezebert"))
    counts = {c.key.metric.name: c.result for c in found["counters"]}
    return read(out), read(errors), counts


# === Answers


def test_answers_are_those_to_a_row_alone(served, questions, head, tmp_path):
    """Whatever stands beside it in its batch, and in whatever order."""
    inputs = questions(head, "serving_default")
    signature = tf.saved_model.load(served[head]).signatures["serving_default"]
    rows = [
        {"id": place, **dict(zip(inputs, row, strict=True))}
        for place, row in enumerate(zip(*inputs.values(), strict=True))
    ]
    if head == "multiple-choice":
        rows[-1]["choices"] = ["a", "b", "d"]  # of three alike none is the best
        # Of another length than its neighbours.
        rows.append({"id": len(rows), "context": "ab", "choices": ["c", "a b"]})
    expected = {}
    for row in rows:
        outputs = signature(**{name: tf.constant([row[name]]) for name in inputs})
        expected[row["id"]] = {
            name: np.vectorize(bytes.decode, otypes=[object])(x[0]).tolist()
            if x.dtype == tf.string
            else x[0].numpy().tolist()
            for name, x in sorted(outputs.items())
        }
    lines = [json.dumps(row) + "\n" for row in [*rows, *rows[::-1]]]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    scored, errors, counts = score(served[head].parent, tmp_path)
    assert errors == []
    assert counts == {"scored": 2 * len(rows)}
    assert collections.Counter(line["id"] for line in scored) == {
        row["id"]: 2 for row in rows
    }
    for line in scored:
        answer = line.pop("prediction")
        assert line == rows[line["id"]]
        assert_close(answer, expected[line["id"]])


def test_a_model_that_fails_at_one(explosive):
    texts = ["a", "boom", "abc", "boom", "", "ab"]
    handler = SavedModelHandler(explosive, batch_size=6)

    def told(result):
        failed = isinstance(result.inference, Unanswered)
        return result.example["text"], None if failed else result.inference["length"]

    with beam.Pipeline(FnApiRunner()) as pipeline:
        found = (
            pipeline
            | beam.Create([{"text": text} for text in texts])
            | RunInference(handler)
            | beam.Map(told)
        )
        expected = [(text, None if text == "boom" else len(text)) for text in texts]
        assert_that(found, equal_to(expected))


def test_processes_can_share_a_model(explosive, tmp_path):
    handler = SavedModelHandler(explosive, large_model=True)
    lines = [("here", b'{"text": "abc"}'), ("here", b'{"text": "boom"}')]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        scored, errors = pipeline | beam.Create(lines) | ScoreLines(handler)
        assert_that(
            scored | "Answers" >> beam.Map(json.loads),
            equal_to([{"text": "abc", "prediction": {"length": 3.0}}]),
        )
        assert_that(
            errors | "Sources" >> beam.Map(lambda line: json.loads(line)["source"]),
            equal_to(["here"]),
            label="errors",
        )


# === Lines that have none

BAD_LINES = {
    b"": "JSON Parse error",
    b"{": "JSON Parse error",
    b"[" * 5000: "JSON Parse error",
    b'{"text": "a", "n": ' + b"1" * 5000 + b"}": "JSON Parse error",
    b'["a"]': "must be a JSON object",
    b'{"text": "\xff"}': "must be UTF-8. Received: byte 0xff",
    b'{"text": "\xed\xa0\x80"}': "must be UTF-8",
    rb'{"text": "\ud800"}': "cannot hold it",
    rb'["\ud800"]': "must be a JSON object",
    b'{"text": "a", "n": NaN}': "cannot hold it",
    b'{"text": "a", "n": 1e999}': "cannot hold it",
    b'{"text": "a", "n": ' + b"[" * 64 + b"]" * 64 + b"}": "64 deep",
    b'{"text": "a", "prediction": 1}': "must not be there yet. Received: prediction",
    b'{"words": "a"}': "The inputs are text. Received: words",
    b'{"text": 1}': "must be of strings",
    b'{"text": null}': "must be of strings",
    b'{"text": ["a"]}': "must be of strings",
    b'{"text": "boom"}': "assertion failed: [it went off]",
    b'{"text": "nan"}': "cannot hold it",
}
GOOD_LINES = {
    b'{"text": ""}': 0,
    b'\xef\xbb\xbf{"text": "ab", "n": 12345678901234567890123}': 2,
    '{"n": [1.5, null, {"é": "\u2028"}], "text": "中"}'.encode(): 3,
    b'{"text": {"b64": "/w=="}}': 1,
    b'{"text": "a", "n": ' + b"[" * 60 + b"]" * 60 + b"}\r": 1,
}


def test_every_line_is_written_once(explosive, tmp_path):
    lines = [line for pair in zip(BAD_LINES, [*GOOD_LINES] * 4) for line in pair]  # noqa: B905
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines))
    scored, errors, counts = score(explosive, tmp_path)
    assert counts == {"scored": len(scored), "not_scored": len(errors)}
    assert len(errors) == len(BAD_LINES)
    reasons = {error["line"]: error["reason"] for error in errors}
    for line, words in BAD_LINES.items():
        assert words in reasons[line.decode("utf-8", "backslashreplace")]
    assert {error["source"] for error in errors} == {str(tmp_path / "a.jsonl")}
    assert len(scored) == len(lines) - len(errors)
    for line in lines:
        if line in GOOD_LINES:
            expected = json.loads(line) | {"prediction": {"length": GOOD_LINES[line]}}
            assert expected in scored


@pytest.mark.parametrize("choices", ["[]", '[""]', '"a"', "[1]", "[[]]", "null"])
def test_choices_that_are_none(served, choices):
    example = {"context": "a", "choices": json.loads(choices)}
    handler = SavedModelHandler(served["multiple-choice"])
    (result,) = handler.run_inference([example], model=None)
    assert "`choices` must" in result.inference.reason


_RECORDS = st.dictionaries(
    st.sampled_from(["text", "prediction", "id"]),
    st.text(max_size=5) | st.sampled_from(["boom", "nan", None, 1.5]),
).map(lambda record: json.dumps(record).encode())
_LINES = st.lists(
    st.binary(max_size=8).map(lambda line: line.replace(b"\n", b"")) | _RECORDS,
    min_size=1,
    max_size=20,
)


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(lines=_LINES)
def test_lines_of_any_bytes(explosive, tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("lines")
    (folder / "a").write_bytes(b"".join(line + b"\n" for line in lines))
    scored, errors, counts = score(explosive, folder)
    assert len(scored) + len(errors) == sum(counts.values()) == len(lines)
    texts = [line.removesuffix(b"\r") for line in lines]
    texts = collections.Counter(x.decode("utf-8", "backslashreplace") for x in texts)
    texts -= collections.Counter(error["line"] for error in errors)
    assert texts.total() == len(scored)
    for line in scored:
        length = line.pop("prediction")["length"]
        assert length == len(line["text"].encode())
        assert texts[json.dumps(line)] > 0


# === Files


def test_compressed_files_and_patterns(explosive, tmp_path):
    line = b'{"text": "%s"}\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_bytes(line % b"plain" * 300)
    (tmp_path / "in" / "b.jsonl.gz").write_bytes(gzip.compress(line % b"gzip" * 200))
    (tmp_path / "in" / "c.jsonl.bz2").write_bytes(bz2.compress(line % b"bz2" * 100))
    (tmp_path / "in" / "d.txt").write_bytes(line % b"not asked for")
    scored, errors, _ = score(explosive, tmp_path, "in/*.jsonl*", field="answer")
    assert errors == []
    texts = [record["text"] for record in scored]
    assert collections.Counter(texts) == {"plain": 300, "gzip": 200, "bz2": 100}
    assert all(r["answer"] == {"length": len(r["text"])} for r in scored)
    # Nothing half written, and no file of errors where there are none.
    (only,) = (tmp_path / "out").iterdir()
    assert only.name == "scored-00000-of-00001.jsonl"


def test_an_empty_file(explosive, tmp_path):
    (tmp_path / "a.jsonl").touch()
    assert score(explosive, tmp_path) == ([], [], {})
    assert (tmp_path / "out" / "scored-00000-of-00001.jsonl").read_bytes() == b""


def test_files_of_another_run_stay(explosive, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    handler = SavedModelHandler(explosive)
    old = tmp_path / "errors-00001-of-00003.jsonl"
    old.touch()
    with pytest.raises(InputError, match=r"Files of another run .*errors-00001-of"):
        ScoreFiles(handler, tmp_path / "a*", tmp_path / "out", tmp_path / "errors")
    with pytest.raises(InputError, match="files of other names"):
        ScoreFiles(handler, tmp_path / "a*", tmp_path / "out", tmp_path / "out")


# === The model's folder, and what travels


def test_the_newest_version(explosive, tmp_path):
    for version in ("2", "10"):
        write_explosive(tmp_path / version)
    (tmp_path / "11").mkdir()  # still on its way
    (result,) = (handler := SavedModelHandler(tmp_path)).run_inference(
        [{"text": "ab"}], handler.load_model()
    )
    assert result.inference == {"length": 2.0}
    assert result.model_id == str(tmp_path / "10")


def test_folders_without_a_model_of_strings(models, tmp_path):
    with pytest.raises(InputError, match="A SavedModel is expected, or a folder"):
        SavedModelHandler(tmp_path)
    models["sequence-classification"].export(tmp_path / "keras", verbose=False)
    with pytest.raises(InputError, match="must take strings by its signature"):
        SavedModelHandler(tmp_path / "keras")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "saved_model.pb").write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match="damaged is not a SavedModel"):
        SavedModelHandler(tmp_path / "damaged")


def test_little_travels_to_workers(served):
    """The files' place; and there, neither Keras' models nor their tokenizers."""
    handler = pickle.dumps(SavedModelHandler(served["sequence-classification"]))
    assert len(handler) < 2000
    code = f"""
        import pickle, sys
        handler = pickle.loads({handler!r})
        (result,) = handler.run_inference([{{"text": "ab"}}], handler.load_model())
        assert set(result.inference) == {{"label", "score", "scores"}}, result
        heavy = {{"models", "tokenizers", "serving"}}
        assert not heavy & {{name.split(".")[1] for name in sys.modules
                             if name.startswith("keras_squeezebert.")}}
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


def test_beam_is_imported_by_nothing_else():
    code = """
        import sys
        import keras_squeezebert.cli.score, keras_squeezebert.saved_model
        assert "apache_beam" not in sys.modules
    """
    finished = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr
