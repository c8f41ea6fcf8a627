"""`squeezebert serve` under load, on loopback.

    python benchmarks/serving.py speed DATA --json serving.json
    python benchmarks/serving.py soak DATA
    python benchmarks/serving.py connections DATA
    python benchmarks/serving.py fuzz

DATA is a folder with glue/SST-2, whose sentences are what is asked. Models have the
shapes of presets and random weights. Servers and clients run in processes of their own,
on the same cores. Linux only.
"""

import contextlib
import json
import random
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
import numpy as np
from rest_client import (
    Request,
    among_silent,
    closed_loop,
    even_gaps,
    open_loop,
    random_gaps,
)
from scipy.spatial.distance import pdist
from tqdm import trange
from turns import report

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.cli.serve import allow_many_connections
from keras_squeezebert.data import read_glue
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json

# The clients' process imports this file, too: TensorFlow is imported where it is used.

BATCH = 32
CLIENTS = 32
TOLERANCE = 1e-5
ARRIVALS = {"evenly": even_gaps, "at random": random_gaps}
LABELS = {label: f"label {label}" for label in range(8)}


# === What is served, and what is asked


def sentences(data, count):
    """Distinct sentences of SST-2, the test's: as many as there are, or `count`."""
    texts = list(dict.fromkeys(read_glue(data / "glue", "sst2", "test").texts))
    return random.Random(0).sample(texts, min(count, len(texts)))


def make_model(config):
    """A classifier of random weights that tells texts apart, and its tokenizer."""
    import keras

    from keras_squeezebert import (
        SqueezeBertForSequenceClassification,
        SqueezeBertTokenizerFast,
    )

    keras.utils.set_random_seed(0)
    model = SqueezeBertForSequenceClassification(config)
    kernel = model.classifier.kernel
    kernel.assign(np.random.default_rng(0).standard_normal(kernel.shape))
    return model, SqueezeBertTokenizerFast()


def save(model, tokenizer, folder):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


class Server(NamedTuple):
    port: int
    path: str  # of predict
    process: int

    def resident_bytes(self):
        status = Path(f"/proc/{self.process}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


@contextlib.contextmanager
def started_server(folder, *options):
    """`squeezebert serve` of a folder, until the block ends."""
    command = Path(sys.executable).with_name("squeezebert")
    process = subprocess.Popen(
        [command, "serve", folder, "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/\S+)", line)
        if not found:
            raise click.ClickException("The server did not start, as told above.")
        yield Server(int(found[1]), f"{found[2]}:predict", process.pid)
        process.terminate()


@contextlib.contextmanager
def served_model(config):
    """The model in a folder with its server: the model, its tokenizer, the server."""
    model, tokenizer = make_model(config)
    with tempfile.TemporaryDirectory() as folder:
        source = save(model, tokenizer, Path(folder, "model"))
        with started_server(source) as server:
            yield model, tokenizer, server


@contextlib.contextmanager
def other_process():
    """A function that calls another in a process of the clients."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=allow_many_connections
    ) as pool:
        yield lambda function, *values: pool.submit(function, *values).result()


def requests_of(path, texts, rows):
    """Requests to predict, each of so many of the texts."""
    return [
        Request(path, json.dumps({"instances": texts[i : i + rows]}).encode())
        for i in range(0, len(texts), rows)
    ]


def checked(answers):
    """The answers, all of which are answers."""
    for answer in answers:
        if answer.status != 200:
            raise click.ClickException(f"{answer.status}: {answer.body[:500]!r}")
    return answers


# === Results


def print_table(header, rows):
    """A table in Markdown: names left, figures right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    click.echo("\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))


def finish(json_path, command, results):
    """Tells what it was measured with, and writes it all."""
    around = surroundings()
    machine, versions = around["machine"], around["versions"]
    click.echo(
        f"\n{machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        f"{', '.join(' '.join(item) for item in versions.items())}; {around['date']}"
    )
    if json_path:
        write_json(
            json_path,
            {
                "machine": machine,
                "versions": versions,
                "date": around["date"],
                "command": " ".join(["python", *sys.argv]),
                command: results,
            },
        )


def percentiles(answers):
    """Milliseconds that half of the answers took at most, and 99 of 100."""
    return np.percentile([1e3 * answer.seconds for answer in answers], [50, 99])


# === Commands

data_argument = click.argument(
    "data", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
preset_option = click.option(
    "--preset", default="mini", show_default=True, help="The model's shape."
)
json_option = click.option(
    "--json", "json_path", type=click.Path(), help="For figures."
)


@click.group(help=__doc__)
def main():
    pass


def in_process_forms(folder, tokenizer, texts):
    """The SavedModel on ids and on texts, in batches."""
    import tensorflow as tf

    served = tf.saved_model.load(folder)
    batches = [texts[i : i + BATCH] for i in range(0, len(texts), BATCH)]
    ids = [
        {n: tf.constant(x, tf.int32) for n, x in tokenizer(batch).items()}
        for batch in batches
    ]

    def on_ids():
        for inputs in ids:
            served.signatures["tokens"](**inputs)["logits"].numpy()

    def on_texts():
        for batch in batches:
            served.signatures["serving_default"](text=tf.constant(batch))[
                "scores"
            ].numpy()

    return {"ids, bare": on_ids, "texts, bare": on_texts}


def served_forms(elsewhere, server, unbatched, texts):
    """By name, requests of texts to a server, and a function that has them answered."""
    # Of large requests two are on their way at a time, so that one waits when the
    # model is free, and both never run together.
    loads = {
        f"texts, REST, {BATCH} a request": (server, BATCH, 2),
        "texts, REST, single": (server, 1, CLIENTS),
        "texts, REST, single, no batches": (unbatched, 1, CLIENTS),
    }

    def run(port, requests, clients):
        checked(elsewhere(closed_loop, port, requests, clients))

    forms = {}
    for name, (one, rows, clients) in loads.items():
        requests = requests_of(one.path, texts, rows)
        forms[name] = requests, partial(run, one.port, requests, clients)
    return forms


def measure_speed(elsewhere, preset, texts, rounds, seconds):
    """Texts a second of every form; p50 and p99 of the first two loads, halved."""
    from keras_squeezebert.serving import export_saved_model

    model, tokenizer = make_model(SqueezeBertConfig.preset(preset, id2label=LABELS))
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        source = save(model, tokenizer, folder / "model")
        version = export_saved_model(model, folder / "served", tokenizer)
        server = stack.enter_context(started_server(source))
        unbatched = stack.enter_context(started_server(source, "--max-rows", "1"))

        loads = served_forms(elsewhere, server, unbatched, texts)
        forms = in_process_forms(version, tokenizer, texts)
        forms |= {name: run for name, (_, run) in loads.items()}
        times = report(f"{preset}: {len(texts)} sentences", forms, rounds)
        per_second = {
            name: len(texts) / median(values) for name, values in times.items()
        }
        latencies = {}
        for name in list(loads)[:2]:
            requests, _ = loads[name]
            rate = per_second[name] * len(requests) / len(texts) / 2
            click.echo(f"{name}: {rate:.1f} requests a second for {seconds} s")
            asked = random.Random(0).choices(requests, k=max(1, int(rate * seconds)))
            for how, gaps in ARRIVALS.items():
                moments = gaps(len(asked), rate)
                answers = elsewhere(open_loop, server.port, asked, moments)
                latencies[f"{name}, {how}"] = percentiles(checked(answers))
    return per_second, latencies


@main.command()
@data_argument
@click.option(
    "--preset",
    "presets",
    multiple=True,
    default=("mini", "small"),
    show_default=True,
    help="A model's shape; once for each.",
)
@click.option("--texts", "count", default=512, show_default=True, help="Of a turn.")
@click.option("--rounds", default=20, show_default=True, help="Turns of each form.")
@click.option("--seconds", default=30, show_default=True, help="Of each half load.")
@json_option
def speed(data, presets, count, rounds, seconds, json_path):
    """Texts a second, in turns, beside the bare model; and times at half of that.

    The bare model is the SavedModel's signature that takes ids, in batches of 32. At
    half load requests come evenly, and then by a Poisson process; times count from when
    one is due.
    """
    texts = sentences(data, count)
    results = {}
    with other_process() as elsewhere:
        for preset in presets:
            per_second, latencies = measure_speed(
                elsewhere, preset, texts, rounds, seconds
            )
            print_speed(preset, per_second, latencies)
            results[preset] = {
                "texts_per_second": per_second,
                "half_load_ms": {
                    name: dict(zip(("p50", "p99"), values.tolist(), strict=True))
                    for name, values in latencies.items()
                },
            }
    finish(json_path, "speed", results)


def print_speed(preset, per_second, latencies):
    bare = per_second["ids, bare"]
    alone = per_second["texts, REST, single, no batches"]
    print_table(
        [preset, "texts/s", "to bare ids", "to no batches"],
        [
            [name, f"{value:,.0f}", f"{value / bare:.2f}", f"{value / alone:.2f}"]
            for name, value in per_second.items()
        ],
    )
    print_table(
        [f"{preset}, at half of that", "p50 ms", "p99 ms", "p99 / p50"],
        [
            [name, f"{p50:.1f}", f"{p99:.1f}", f"{p99 / p50:.2f}"]
            for name, (p50, p99) in latencies.items()
        ],
    )


def keras_answers(model, tokenizer, texts):
    """What the Keras model says of texts on its own: scores, float (texts, labels)."""
    from keras_squeezebert.inference import softmax

    logits = [
        model(tokenizer(texts[i : i + BATCH])).numpy()
        for i in range(0, len(texts), BATCH)
    ]
    return softmax(np.concatenate(logits))


def is_right(answer, expected):
    """Whether an answer is the one to these texts, in this order."""
    rows = json.loads(answer.body)["predictions"]
    scores = np.array([row["scores"] for row in rows])
    if scores.shape != expected.shape or np.abs(scores - expected).max() > TOLERANCE:
        return False
    return all(row["label"] == LABELS[np.argmax(row["scores"])] for row in rows)


@main.command()
@data_argument
@preset_option
@click.option("--requests", "count", default=100_000, show_default=True)
@click.option("--rounds", default=20, show_default=True, help="Memory is read in each.")
@json_option
def soak(data, preset, count, rounds, json_path):
    """Many requests of one to four texts from 32 clients: are all of them right?

    Each answer is held against those of the Keras model, which were made before. The
    first tenth of the rounds is a warm-up for the server's memory.
    """
    texts = sentences(data, 2000)
    config = SqueezeBertConfig.preset(preset, id2label=LABELS)
    draw = random.Random(0)
    lost, wrong, resident = 0, 0, []
    with (
        served_model(config) as (model, tokenizer, server),
        other_process() as elsewhere,
    ):
        table = keras_answers(model, tokenizer, texts)
        nearest = pdist(table, "chebyshev").min()
        for _ in trange(rounds, desc="soak"):
            asked = [
                draw.sample(range(len(texts)), draw.randint(1, 4))
                for _ in range(count // rounds)
            ]
            requests = [
                requests_of(server.path, [texts[i] for i in numbers], len(numbers))[0]
                for numbers in asked
            ]
            answers = elsewhere(closed_loop, server.port, requests, CLIENTS)
            for numbers, answer in zip(asked, answers, strict=True):
                if answer.status != 200:
                    lost += 1
                    click.echo(f"{answer.status}: {answer.body[:200]!r}", err=True)
                elif not is_right(answer, table[numbers]):
                    wrong += 1
            resident.append(server.resident_bytes() / 1e6)
    warm = resident[max(0, rounds // 10 - 1)]
    print_table(
        [f"{preset}, {rounds * (count // rounds):,} requests", ""],
        [
            ["without an answer", f"{lost}"],
            [f"further than {TOLERANCE:g} from Keras", f"{wrong}"],
            ["the two texts nearest in their answers differ by", f"{nearest:.1e}"],
            ["MB after the warm-up", f"{warm:.1f}"],
            ["MB at the end", f"{resident[-1]:.1f}"],
            ["growth", f"{resident[-1] / warm - 1:+.1%}"],
        ],
    )
    figures = {
        "lost": lost,
        "wrong": wrong,
        "nearest": nearest,
        "resident_mb": resident,
    }
    finish(json_path, "soak", figures)
    if lost or wrong:
        raise click.ClickException(f"{lost} answers were lost, {wrong} were wrong.")


@main.command()
@data_argument
@preset_option
@click.option("--count", default=10_000, show_default=True, help="Of connections.")
@click.option("--requests", default=2000, show_default=True, help="Of the others.")
@json_option
def connections(data, preset, count, requests, json_path):
    """Many open connections that say nothing, or half: do they harm the others?"""
    texts = sentences(data, requests)
    texts = (texts * (requests // len(texts) + 1))[:requests]
    config = SqueezeBertConfig.preset(preset, id2label=LABELS)
    with served_model(config) as (*_, server), other_process() as elsewhere:
        asked = requests_of(server.path, texts, 1)
        for _ in range(2):  # the first warms up
            alone = elsewhere(closed_loop, server.port, asked, CLIENTS)
        among, still, seconds = elsewhere(
            among_silent, server.port, count, asked, CLIENTS, 60
        )
    rows = {"alone": checked(alone), f"beside {count:,}": checked(among)}
    figures = {name: percentiles(answers) for name, answers in rows.items()}
    print_table(
        [f"{preset}, single texts", "p50 ms", "p99 ms"],
        [[name, f"{p50:.1f}", f"{p99:.1f}"] for name, (p50, p99) in figures.items()],
    )
    click.echo(
        f"\nSilent connections: {count:,}, of which {still:,} were open when the "
        f"others had their answers, and the server closed {len(seconds):,}, after "
        f"{max(seconds, default=0):.1f} s at most."
    )
    results = {name: values.tolist() for name, values in figures.items()}
    results |= {"count": count, "open": still, "closed": len(seconds)}
    finish(json_path, "connections", results)


@main.command()
@click.option("--examples", default=6000, show_default=True, help="Of an operation.")
@click.option("--seed", default=0, show_default=True)
def fuzz(examples, seed):
    """schemathesis (extra `dev`) on the server's own description of its API."""
    config = SqueezeBertConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=4
    )
    command = [Path(sys.executable).with_name("schemathesis"), "run"]
    with (
        served_model(config) as (*_, server),
        tempfile.TemporaryDirectory() as folder,  # of what it leaves behind
    ):
        address = f"http://127.0.0.1:{server.port}/openapi.json"
        options = ["--max-examples", str(examples), "--seed", str(seed)]
        # What a schema cannot say: that the rows of `tokens` are equally long.
        options += ["--exclude-checks", "positive_data_acceptance"]
        finished = subprocess.run([*command, address, *options], cwd=folder)
    sys.exit(finished.returncode)


if __name__ == "__main__":
    main()
