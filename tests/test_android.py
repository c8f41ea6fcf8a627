"""The Kotlin code of `android/`: its own tests, and random texts beside Python's.

`SQUEEZEBERT_FUZZ_CASES` says how many texts, `SQUEEZEBERT_FUZZ_SEED` which.
"""

import base64
import gzip
import itertools
import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from filelock import FileLock
from golden import answered, as_lines, questions, tokenizers
from golden_heads import HEADS_FILE, heads_lines

from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast, models
from keras_squeezebert.data import (
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
)
from keras_squeezebert.inference import load_model
from keras_squeezebert.tasks import (
    FillMask,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    model_outputs,
    word_spans,
)
from keras_squeezebert.tflite import export_tflite

ANDROID = Path(__file__).parents[1] / "android"
TOOLS = ANDROID / "build" / "tools"
JUNIT = Path("/usr/share/java/junit-jupiter-api.jar")

needs_ktlint = pytest.mark.skipif(
    not (shutil.which("java") and (TOOLS / "package").is_dir()),
    reason="java, or what `android/check tools` fetches, is missing",
)
needs_compiler = pytest.mark.skipif(
    not (shutil.which("java") and (TOOLS / "kotlin").is_dir() and JUNIT.is_file()),
    reason="java, JUnit, or what `android/check tools` fetches, is missing",
)


def check(*arguments, out=None, **options):
    finished = subprocess.run(
        [ANDROID / "check", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **({"OUT": str(out)} if out else {})},
        **options,
    )
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    return finished.stdout


@pytest.fixture(scope="session")
def compiled(tmp_path_factory, worker_id):
    """The folder of the compiled classes, which all workers share."""
    base = tmp_path_factory.getbasetemp()
    out = (base if worker_id == "master" else base.parent) / "kotlin-classes"
    with FileLock(f"{out}.lock"):
        done = out / "compiled"
        if not done.exists():
            check("compile", out=out)
            done.touch()
    return out


@needs_ktlint
def test_its_style():
    check("lint")


@needs_compiler
def test_its_own_tests(compiled):
    printed = check("test", out=compiled)
    assert "[         0 tests failed          ]" in printed


@needs_compiler
def test_random_texts_agree(compiled, tmp_path):
    count = int(os.environ.get("SQUEEZEBERT_FUZZ_CASES", "4000"))
    seed = int(os.environ.get("SQUEEZEBERT_FUZZ_SEED", "1"))
    header, texts = tokenizers(seed)
    cases = answered(header, itertools.islice(questions(header, texts, seed), count))
    path = tmp_path / "cases.jsonl"
    with path.open("w", encoding="ascii") as file:
        file.writelines(as_lines(header, cases))
    with path.open() as file:
        printed = check(
            "run", "keras.squeezebert.DifferencesKt", out=compiled, stdin=file
        )
    assert printed == f"0 of {count} cases differ\n"


@needs_compiler
def test_differences_are_told(compiled):
    header, _ = tokenizers(seed=1)
    case = {"tokenizer": 0, "text": "Hello", "input_ids": [101, 7592, 103]}
    case |= {"token_type_ids": [0] * 3, "length": 3, "offsets": [0, 0, 0, 5, 0, 0]}
    printed = check(
        "run",
        "keras.squeezebert.DifferencesKt",
        out=compiled,
        input="".join(as_lines(header, [case])),
    )
    different, summary = printed.splitlines()
    assert "received Tokens(inputIds=[101, 7592, 102]" in different
    assert summary == "1 of 1 cases differ"


@needs_compiler
def test_words_are_those_of_python(compiled):
    kinds = check("run", "keras.squeezebert.CharacterKindsKt", out=compiled).strip("\n")
    assert len(kinds) == 0x110000
    different = [
        hex(code)
        for code, kind in enumerate(kinds)
        # Of what is newer than the one Unicode or the other, nothing is asked.
        if kind != "?"
        and unicodedata.category(chr(code)) != "Cn"
        and kind != _python_kind(chr(code))
    ]
    assert different == []


def _python_kind(character):
    if character.isspace():
        return "s"
    return "w" if character.isalnum() or character == "_" else "."


@needs_compiler
def test_the_benchmark_runs(compiled, tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("sentence\tlabel\n" + "a fine film\t1\n" * 50)
    printed = check("run", "keras.squeezebert.BenchmarkKt", str(path), out=compiled)
    assert "sentences/s" in printed


# === The files that the package writes, in LiteRT

TEXT = "Ada Lovelace left [MASK] in 1843 (don't ask why)."
QUESTION, CHOICES = "Who left?", ["She slept.", "It rained for days."]


def _labels(answer):
    return list(answer["scores"].items())


def _tags(answer):
    return list(zip(answer["tags"], answer["scores"], strict=True))


def _passages(answer):
    return [(best["start"], best["text"], best["score"]) for best in answer["n_best"]]


def _choices(answer):
    return [(score,) for score in answer["scores"]]


def _guesses(answer):
    return [(guess["token"], guess["score"]) for gap in answer for guess in gap]


WORDS = [TEXT[start:end] for start, end in word_spans(TEXT)]
HEADS = {
    "SequenceClassification": (
        SequenceClassification(),
        TextExamples([TEXT]),
        _labels,
        {},
    ),
    "SequenceClassification, probabilities": (
        SequenceClassification(),
        TextExamples([TEXT]),
        _labels,
        {"probabilities": True},
    ),
    "TokenClassification": (TokenClassification(), TokenExamples([WORDS]), _tags, {}),
    "QuestionAnswering": (
        QuestionAnswering(doc_stride=4, max_question_length=8),
        QuestionExamples(["0"], [QUESTION], [TEXT]),
        _passages,
        {},
    ),
    "MultipleChoice": (
        MultipleChoice(),
        ChoiceExamples([TEXT], [CHOICES]),
        _choices,
        {"num_choices": 3},
    ),
    "MaskedLM": (FillMask(), TextExamples([TEXT]), _guesses, {}),
}


@needs_compiler
@pytest.mark.parametrize("head", HEADS)
def test_files_are_answered_as_in_python(compiled, tmp_path, head):
    task, examples, as_rows, options = HEADS[head]
    config = SqueezeBertConfig(
        vocab_size=30522,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        q_groups=2,
        k_groups=4,
        v_groups=8,
        intermediate_groups=1,
        output_groups=2,
        initializer_range=1.0,  # so that scores differ
        id2label={0: "O", 1: "B-PER", 2: "I-PER"},
    )
    model = getattr(models, f"SqueezeBertFor{head.split(',')[0]}")(config)
    path = export_tflite(
        model,
        tmp_path / "model.tflite",
        sequence_length=18,
        tokenizer=SqueezeBertTokenizerFast(),
        **options,
    )
    loaded = load_model(path)
    features = task.encode(examples, loaded.tokenizer, loaded.config, 18)
    outputs = model_outputs(task, loaded.model, features)
    (expected,) = task.decode(outputs, features, examples, loaded.config)
    received = _asked_in_kotlin(compiled, path)
    assert len(received) > 1
    assert received == [
        [pytest.approx(x, abs=1e-5) if isinstance(x, float) else x for x in row]
        for row in as_rows(expected)
    ]


def _asked_in_kotlin(compiled, path):
    """What the Kotlin code answers, for which this side is the interpreter."""
    interpreter = Interpreter(str(path))
    keys = list(interpreter.get_signature_list())
    runner = interpreter.get_signature_runner()
    process = subprocess.Popen(
        [ANDROID / "check", "run", "keras.squeezebert.litert.AnswersKt", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OUT": str(compiled)},
    )
    with process:
        answers = []
        while len(answers) < 2:
            ((what, value),) = json.loads(process.stdout.readline()).items()
            if what == "describe":
                sent = {
                    "keys": keys,
                    "inputs": _described(runner.get_input_details()),
                    "outputs": _described(runner.get_output_details()),
                }
            elif what == "run":
                sent = _run(runner, value)
            else:
                answers.append(value)
                sent = {"text": TEXT, "question": QUESTION, "choices": CHOICES}
            if len(answers) < 2:
                process.stdin.write(json.dumps(sent) + "\n")
                process.stdin.flush()
        process.stdin.close()
    assert process.returncode == 0
    return answers[1]


def _described(tensors):
    return {
        name: {
            "type": np.dtype(tensor["dtype"]).name.upper(),
            "shape": tensor["shape"].tolist(),
            "scale": float(tensor["quantization"][0]),
            "zero_point": int(tensor["quantization"][1]),
        }
        for name, tensor in tensors.items()
    }


def _run(runner, value):
    tensors = runner.get_input_details()
    inputs = {
        name: np.array(value[name], "int32").reshape(tensor["shape"])
        for name, tensor in tensors.items()
    }
    return {
        name: base64.b64encode(output.tobytes()).decode()
        for name, output in runner(**inputs).items()
    }


# === The golden file


def test_the_golden_file_of_the_heads_is_what_python_says():
    with gzip.open(HEADS_FILE, "rt", encoding="ascii") as file:
        kept = list(map(json.loads, file))
    assert kept == _approximately(list(map(json.loads, heads_lines())))


def _approximately(value):
    """Machines differ in the last digits of a probability."""
    if isinstance(value, dict):
        return {key: _approximately(of_key) for key, of_key in value.items()}
    if isinstance(value, list):
        return [_approximately(item) for item in value]
    return pytest.approx(value, abs=2e-6) if isinstance(value, float) else value
