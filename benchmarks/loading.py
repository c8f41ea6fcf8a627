"""How soon a model is there, and how fast texts become ids, here and in the peers.

    python benchmarks/loading.py --json loading.json

Each start is a process of its own, its imports included, and they take turns with
those of transformers. So do the tokenizers, in this process; `tokenizers`, the Rust
library that the fast one of ours is built on, is called bare beside it.
"""

import os
import subprocess
import sys
import tempfile
from functools import partial
from statistics import median

import click
import numpy as np
import tensorflow as tf
import tokenizers
from peers_python import peers_python
from turns import report

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizer,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import load_clinc150
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json
from keras_squeezebert.tokenizers.vocabulary import BERT_UNCASED_VOCAB

BATCH = 1000  # texts

# === Starts, each the program of a process

IMPORT = "import keras_squeezebert"

HELP = """
import sys
from keras_squeezebert.cli import main
sys.argv = ["squeezebert", "--help"]
main()
"""

FIRST_MODEL = """
from keras_squeezebert import SqueezeBertConfig, SqueezeBertForSequenceClassification
SqueezeBertForSequenceClassification(SqueezeBertConfig(num_hidden_layers={layers}))
"""

LOAD = """
import numpy as np
from keras_squeezebert import SqueezeBertForSequenceClassification
model = SqueezeBertForSequenceClassification.from_pretrained({folder!r})
"""

PREDICT = """
ids = np.ones((1, 8), "int32")
model(dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ids))
"""

PEER_LOAD = """
import torch
from transformers import SqueezeBertForSequenceClassification
model = SqueezeBertForSequenceClassification.from_pretrained({folder!r})
"""

PEER_PREDICT = """
with torch.no_grad():
    model(torch.ones((1, 8), dtype=torch.long))
"""


def run_python(python, program):
    """Runs a program in a process of its own, and waits for its end."""
    command = [python, "-c", program]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        raise click.ClickException(finished.stderr[-2000:])


def starts(folder, layers, peers_python):
    """Functions that each start a process and end it, by name."""
    values = {"folder": str(folder), "layers": layers}
    programs = {
        "import keras_squeezebert": (sys.executable, IMPORT),
        "squeezebert --help": (sys.executable, HELP),
        "the first model": (sys.executable, FIRST_MODEL),
        "from_pretrained": (sys.executable, LOAD),
        "from_pretrained and one prediction": (sys.executable, LOAD + PREDICT),
    }
    if peers_python:
        programs |= {
            "transformers, from_pretrained": (peers_python, PEER_LOAD),
            "transformers, and one prediction": (
                peers_python,
                PEER_LOAD + PEER_PREDICT,
            ),
        }
    return {
        name: partial(run_python, python, program.format(**values))
        for name, (python, program) in programs.items()
    }


# === Tokenizers


def bare_rust():
    """A function that gives what our tokenizers give, by the bare Rust library."""
    rust = tokenizers.BertWordPieceTokenizer(str(BERT_UNCASED_VOCAB))
    rust.enable_padding()
    rust.enable_truncation(512)

    def run(texts):
        rows = rust.encode_batch(texts)
        return {
            "input_ids": np.array([row.ids for row in rows], np.int32),
            "attention_mask": np.array([row.attention_mask for row in rows], np.int32),
            "token_type_ids": np.array([row.type_ids for row in rows], np.int32),
        }

    return run


def one_by_one(tokenizer):
    def run(texts):
        for text in texts:
            tokenizer([text])

    return run


def in_dataset(tokenizer):
    def run(texts):
        for _ in tf.data.Dataset.from_tensor_slices(texts).batch(BATCH).map(tokenizer):
            pass

    return run


def tokenizer_forms():
    """What turns texts into ids, and the texts it is given, by name."""
    texts = load_clinc150("train").texts
    batch = texts[:BATCH]
    ours, bare, in_graph = (
        SqueezeBertTokenizerFast(),
        bare_rust(),
        SqueezeBertTokenizer(),
    )
    for name, ids in bare(batch).items():
        for tokenizer in (ours, in_graph):
            if not np.array_equal(tokenizer(batch)[name], ids):
                raise click.ClickException(f"The tokenizers differ in {name}.")
    return {
        "SqueezeBertTokenizerFast": (ours, batch),
        "tokenizers, bare": (bare, batch),
        "SqueezeBertTokenizerFast, one by one": (one_by_one(ours), batch),
        "tokenizers, bare, one by one": (one_by_one(bare), batch),
        "SqueezeBertTokenizer, one by one": (one_by_one(in_graph), batch),
        "SqueezeBertTokenizer in tf.data": (in_dataset(in_graph), texts),
    }


def report_speeds(forms, rounds):
    """Times tokenizers in turns, and tells how many texts and tokens a second."""
    calls = {name: partial(run, texts) for name, (run, texts) in forms.items()}
    times = report(f"Tokenizing, a batch of {BATCH}", calls, rounds)
    count_tokens = SqueezeBertTokenizerFast()
    speeds = {}
    click.echo(f"\n{'':38}{'texts/s':>12}{'tokens/s':>12}")
    for name, (_, texts) in forms.items():
        tokens = int(count_tokens(texts)["attention_mask"].sum())
        seconds = median(times[name])
        speeds[name] = {
            "texts_per_second": len(texts) / seconds,
            "tokens_per_second": tokens / seconds,
        }
        click.echo(f"{name:38}{len(texts) / seconds:12,.0f}{tokens / seconds:12,.0f}")
    return speeds


# === Results


@click.command(help=__doc__)
@click.option("--layers", default=12, show_default=True, help="Encoder layers.")
@click.option("--rounds", default=5, show_default=True, help="Turns of each.")
@peers_python
@click.option("--json", "json_path", type=click.Path(), help="Where figures go.")
def main(layers, rounds, peers_python, json_path):
    # Or the Rust library takes all cores, and only in batches.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    config = SqueezeBertConfig(num_hidden_layers=layers)
    with tempfile.TemporaryDirectory() as folder:
        SqueezeBertForSequenceClassification(config).save_pretrained(folder)
        title = f"A process from start to end, {layers} layers"
        times = report(title, starts(folder, layers, peers_python), rounds)
    speeds = report_speeds(tokenizer_forms(), rounds)
    if json_path:
        seconds = {name: median(values) for name, values in times.items()}
        write_json(
            json_path,
            {**surroundings(), "seconds_of_a_process": seconds, "tokenizers": speeds},
        )


if __name__ == "__main__":
    main()
