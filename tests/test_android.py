"""The Kotlin code of `android/`: its own tests, and random texts beside Python's.

`SQUEEZEBERT_FUZZ_CASES` says how many texts, `SQUEEZEBERT_FUZZ_SEED` which.
"""

import gzip
import itertools
import json
import os
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from filelock import FileLock
from golden import answered, as_lines, questions, tokenizers
from golden_heads import HEADS_FILE, heads_lines

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
