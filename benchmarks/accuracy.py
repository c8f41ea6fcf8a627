"""What int8 costs in accuracy: float, rounded after training, and trained for int8.

    pip install ai-edge-quantizer
    python benchmarks/accuracy.py DATA sst2 --output accuracy
    python benchmarks/accuracy.py DATA conll2003 --output accuracy --seeds 0

DATA is a folder with glue/SST-2 and ner/conll2003; clinc150 comes with the package.
Every figure is of the .tflite on the whole test set, and the agreement is with the
Keras model that it was made of. What has been done is not done again: a run that was
cut off goes on where it was. The tables in docs/design.md come from here.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from statistics import mean

import click
import keras
import numpy as np
from tasks import texts_of

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.data import (
    load_clinc150,
    read_conll,
    read_examples,
)
from keras_squeezebert.tasks import (
    Evaluation,
    Features,
    SequenceClassification,
    Task,
    TokenClassification,
    model_outputs,
)
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
)
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import Recipe, batches, fine_tune
from keras_squeezebert.training.start import scratch_config

BATCH_SIZE = 64
CALIBRATION_BATCHES = 40
# With int8 simulated; the rate is the default of `squeezebert quantize`.
TRAINING_STEPS = 240
LEARNING_RATE = 2e-5
PEER_EXAMPLES = 300  # from which AI Edge Quantizer takes its ranges


@dataclass(frozen=True)
class Benchmark:
    """A data set, and how a small model is trained on it from random weights.

    `read` gives the examples of "train" and "test", in the task's container.
    """

    read: Callable
    task: Task
    max_length: int
    epochs: int
    metric: str
    label_smoothing: float = 0.0

    def recipe(self, seed: int, epochs: int, learning_rate: float) -> Recipe:
        """As the demo is trained."""
        return Recipe(
            epochs=epochs,
            batch_size=BATCH_SIZE,
            learning_rate=learning_rate,
            decay="cosine",
            label_smoothing=self.label_smoothing,
            seed=seed,
        )


def read_clinc150(_data):
    return {name: load_clinc150(name) for name in ("train", "test")}


def read_sst2(data):
    files = {"train": "train.tsv", "test": "dev.tsv"}
    return {
        name: read_examples(data / "glue/SST-2" / file, "sentence")
        for name, file in files.items()
    }


def read_conll2003(data):
    files = {"train": "eng.train", "test": "eng.testb"}
    return {
        name: read_conll(data / "ner/conll2003" / file) for name, file in files.items()
    }


BENCHMARKS = {
    "clinc150": Benchmark(
        read_clinc150, SequenceClassification(), 32, 7, "accuracy", label_smoothing=0.1
    ),
    "sst2": Benchmark(read_sst2, SequenceClassification(), 64, 2, "accuracy"),
    "conll2003": Benchmark(read_conll2003, TokenClassification(), 128, 12, "entity F1"),
}

# === Training


def train_float(benchmark, splits, folder, seed):
    """A model of 4 layers of width 256, trained from random weights."""
    task, train = benchmark.task, splits["train"]
    keras.utils.set_random_seed(seed)
    vocabulary = prune_vocabulary(None, texts_of(train))
    tokenizer = SqueezeBertTokenizerFast(
        vocabulary, model_max_length=benchmark.max_length
    )
    config = scratch_config(
        len(vocabulary),
        task.label_names(train),
        max_position_embeddings=benchmark.max_length,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    model = task.model_class(config)
    fine_tune(
        model,
        task.encode(train, tokenizer, config),
        recipe=benchmark.recipe(seed, benchmark.epochs, learning_rate=1.5e-3),
        hiding=Masking.hiding(tokenizer, 0.15, seed),
        verbose=2,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def some_rows(features: Features, count: int, seed: int) -> Features:
    """As many rows, chosen at random; or all, if there are no more."""
    order = np.random.default_rng(seed).permutation(len(features))
    rows = np.sort(order[:count])
    inputs, labels = features.batch(rows)
    return Features(
        inputs=inputs,
        labels=labels,
        rows=features.rows[rows],
        labels_of_tokens=features.labels_of_tokens,
    )


# === Quantization


def forms(benchmark, model, features, folder, seed):
    """By name, functions that write a form of a model to a path and give its source.

    The first is what the last two start from. The features are those of the training
    data.
    """
    length = benchmark.max_length

    def exported(path, source=model, **arguments):
        export_tflite(source, path, length, **arguments)
        return source

    def calibrated(path, scheme, steps=0):
        quantized = quantize_aware(model, scheme)
        some = batches(features, batch_size=BATCH_SIZE, seed=seed)
        calibrate(quantized, some.take(CALIBRATION_BATCHES), progress=False)
        if steps:
            fine_tune(
                quantized,
                some_rows(features, steps * BATCH_SIZE, seed),
                recipe=benchmark.recipe(seed, 1, LEARNING_RATE),
                verbose=2,
            )
        return exported(path, quantized)

    def by_ai_edge_quantizer(path, recipe_name):
        from ai_edge_quantizer import quantizer, recipe

        float_file = str(folder / "float32.tflite")
        peer = quantizer.Quantizer(float_file, getattr(recipe, recipe_name)())
        ranges = None
        if peer.need_calibration:
            rows = [
                {
                    name: np.pad(ids[i : i + 1], [(0, 0), (0, length - ids.shape[-1])])
                    for name, ids in features.inputs.items()
                }
                for i in range(PEER_EXAMPLES)
            ]
            ranges = peer.calibrate({"serving_default": rows}, num_threads=2)
        path.write_bytes(bytes(peer.quantize(ranges).quantized_model))
        return model

    trained = partial(calibrated, steps=TRAINING_STEPS)
    return {
        "float32": exported,
        "dynamic, TensorFlow's": partial(exported, quantization="dynamic_ptq"),
        "mixed, calibrated": partial(calibrated, scheme="mixed"),
        "int8, calibrated": partial(calibrated, scheme="int8"),
        "mixed, trained": partial(trained, scheme="mixed"),
        "int8, trained": partial(trained, scheme="int8"),
        "dynamic, trained": partial(trained, scheme="dynamic"),
        "dynamic, AI Edge's": partial(
            by_ai_edge_quantizer, recipe_name="dynamic_wi8_afp32"
        ),
        "int8, AI Edge's": partial(by_ai_edge_quantizer, recipe_name="static_wi8_ai8"),
    }


def predicted(task, model, test: Evaluation, progress=False):
    """The answers, and of them the labels of all texts, or of all words."""
    outputs = model_outputs(task, model, test.features, progress=progress)
    answers = task.decode(outputs, test.features, test.examples, test.config)
    if isinstance(task, TokenClassification):
        return answers, list(chain(*(answer["tags"] for answer in answers)))
    return answers, [answer["label"] for answer in answers]


def measure(benchmark, splits, folder, seed):
    """Makes the forms that results.jsonl lacks, and adds what each of them reaches."""
    task = benchmark.task
    model = task.model_class.from_pretrained(folder / "float")
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(folder / "float")
    config = model.config
    train = task.encode(splits["train"], tokenizer, config)
    test = Evaluation(task, splits["test"], tokenizer, config)
    results = folder / "results.jsonl"
    done = {result["form"] for result in read_results(results)}
    for form, make in forms(benchmark, model, train, folder, seed).items():
        if form in done:
            continue
        keras.utils.set_random_seed(seed)
        path = folder / f"{re.sub('[^a-z0-9]+', '-', form.lower())}.tflite"
        source = make(path)
        answers, labels = predicted(task, LiteRTModel(path), test, progress=True)
        _, expected = predicted(task, source, test)
        result = {
            "form": form,
            "score": task.score(test.examples, answers, config)[test.metric.primary],
            "agreement": float(np.equal(labels, expected).mean()),
            "bytes": path.stat().st_size,
        }
        with results.open("a") as file:
            file.write(json.dumps(result) + "\n")


def read_results(path):
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def print_table(task_name, metric, seeds, output):
    """Mean and spread over the seeds, and the difference to float of the same seed."""
    rows = {}
    for seed in seeds:
        results = read_results(output / task_name / str(seed) / "results.jsonl")
        by_form = {result["form"]: result for result in results}
        for form, result in by_form.items():
            difference = result["score"] - by_form["float32"]["score"]
            rows.setdefault(form, []).append(
                (result["score"], difference, result["agreement"], result["bytes"])
            )
    click.echo(f"\n{task_name}, {metric} in % over seeds {', '.join(map(str, seeds))}")
    click.echo(
        f"{'':26}{'mean':>8}{'spread':>8}{'to float (each)':>24}{'agree':>9}{'MB':>7}"
    )
    for form, values in rows.items():
        scores, differences, agreements, sizes = zip(*values, strict=True)
        spread = max(scores) - min(scores)
        each = " ".join(f"{100 * difference:+.2f}" for difference in differences)
        click.echo(
            f"{form:26}{100 * mean(scores):8.2f}{100 * spread:8.2f}{each:>24}"
            f"{min(agreements):9.4f}{mean(sizes) / 1e6:7.2f}"
        )


@click.command(help=__doc__)
@click.argument("data", type=click.Path(file_okay=False, path_type=Path))
@click.argument("task_name", type=click.Choice(list(BENCHMARKS)))
@click.option("--output", required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default=(0, 1, 2), multiple=True, type=int)
def main(data, task_name, output, seeds):
    benchmark = BENCHMARKS[task_name]
    splits = benchmark.read(data)
    for seed in seeds:
        folder = output / task_name / str(seed)
        if not (folder / "float").exists():
            train_float(benchmark, splits, folder / "float", seed)
        measure(benchmark, splits, folder, seed)
    print_table(task_name, benchmark.metric, seeds, output)


if __name__ == "__main__":
    main()
