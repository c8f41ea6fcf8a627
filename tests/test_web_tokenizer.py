"""The tokenizer in JavaScript: its own tests, and random texts beside Python's.

`SQUEEZEBERT_FUZZ_CASES` says how many texts, `SQUEEZEBERT_FUZZ_SEED` which.
"""

import itertools
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from golden import answered, as_lines, questions, tokenizers

from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
from keras_squeezebert.tflite.companions import add_companions

WEB = Path(__file__).parents[1] / "web"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not on the PATH")


def node(*arguments, **options):
    command = [NODE, *map(str, arguments)]
    finished = subprocess.run(command, capture_output=True, text=True, **options)
    assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr[-4000:]
    return finished.stdout


def test_its_own_tests():
    files = sorted((WEB / "test").glob("*.test.js"))
    printed = node("--test", "--test-reporter=tap", *files)
    assert "# fail 0" in printed and "# pass 0" not in printed


def test_random_texts_agree(tmp_path):
    count = int(os.environ.get("SQUEEZEBERT_FUZZ_CASES", "4000"))
    seed = int(os.environ.get("SQUEEZEBERT_FUZZ_SEED", "1"))
    header, texts = tokenizers(seed)
    cases = answered(header, itertools.islice(questions(header, texts, seed), count))
    path = tmp_path / "cases.jsonl"
    with path.open("w", encoding="ascii") as file:
        file.writelines(as_lines(header, cases))
    with path.open() as file:
        printed = node(WEB / "test" / "differences.js", stdin=file)
    assert printed == f"0 of {count} cases differ\n"


def test_differences_are_told(tmp_path):
    header, _ = tokenizers(seed=1)
    case = {"tokenizer": 0, "text": "Hello", "input_ids": [101, 7592, 103]}
    case |= {"token_type_ids": [0] * 3, "length": 3, "offsets": [0, 0, 0, 5, 0, 0]}
    printed = node(
        WEB / "test" / "differences.js", input="".join(as_lines(header, [case]))
    )
    different, summary = printed.splitlines()
    assert json.loads(different)["received"]["input_ids"] == [101, 7592, 102]
    assert summary == "1 of 1 cases differ"


READ_FILE = """
import { readFileSync } from "node:fs";
import { readTfliteFile } from "./tflite_file.js";
console.log(JSON.stringify(await readTfliteFile(readFileSync(process.argv[1]))));
"""


def test_it_reads_what_the_package_writes(tmp_path):
    tokenizer = SqueezeBertTokenizerFast(do_lower_case=False, model_max_length=64)
    config = SqueezeBertConfig(id2label={0: "schlecht", 1: "größer"})
    tokenizer.save_pretrained(tmp_path)
    config.save(tmp_path, architecture="SqueezeBertForSequenceClassification")
    path = tmp_path / "model.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(1000))
    add_companions(path, tmp_path)
    read = json.loads(node("--input-type=module", "-e", READ_FILE, "--", path, cwd=WEB))
    assert read["vocabulary"] == list(tokenizer.vocabulary)
    assert read["config"] == json.loads((tmp_path / "config.json").read_text())
    assert read["config"]["id2label"]["1"] == "größer"
    assert read["tokenizerConfig"] == json.loads(
        (tmp_path / "tokenizer_config.json").read_text()
    )


def test_the_benchmark_runs(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("sentence\tlabel\n" + "a fine film\t1\n" * 50)
    assert "sentences/s" in node(WEB / "benchmark.js", path)
