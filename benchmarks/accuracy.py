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
from pathlib import Path
from statistics import mean

import click
import keras
import numpy as np

from keras_squeezebert import (
    SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import (
    load_clinc150,
    read_conll,
    read_examples,
    sorted_labels,
)
from keras_squeezebert.metrics import entities
from keras_squeezebert.models.objectives import IGNORED_LABEL, SmoothedCrossentropy
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
)
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.training import fine_tune, token_batches
from keras_squeezebert.training.start import scratch_config

CALIBRATION_BATCHES = 40
# With int8 simulated; the rate is the default of `squeezebert quantize`.
TRAINING_STEPS = 240
LEARNING_RATE = 2e-5
PEER_EXAMPLES = 300  # from which AI Edge Quantizer takes its ranges


@dataclass(frozen=True)
class Task:
    """A data set, and how a small model is trained on it from random weights.

    `read` gives the texts and labels of "train" and "test"; a label is a string, or a
    list of them, one for each word of the text.
    """

    read: Callable
    model_class: type
    max_length: int
    epochs: int
    metric: str
    loss: object = "auto"


def read_clinc150(_data):
    splits = {name: load_clinc150(name) for name in ("train", "test")}
    return {name: (split.texts, split.labels) for name, split in splits.items()}


def read_sst2(data):
    splits = {}
    for name, file in [("train", "train.tsv"), ("test", "dev.tsv")]:
        split = read_examples(data / "glue/SST-2" / file, "sentence")
        splits[name] = (split.texts, split.labels)
    return splits


def read_conll2003(data):
    splits = {}
    for name, file in [("train", "eng.train"), ("test", "eng.testb")]:
        split = read_conll(data / "ner/conll2003" / file)
        splits[name] = ([" ".join(words) for words in split.words], split.tags)
    return splits


TASKS = {
    "clinc150": Task(
        read_clinc150,
        SqueezeBertForSequenceClassification,
        32,
        7,
        "accuracy",
        SmoothedCrossentropy(0.1),  # as the demo is trained
    ),
    "sst2": Task(read_sst2, SqueezeBertForSequenceClassification, 64, 2, "accuracy"),
    "conll2003": Task(
        read_conll2003, SqueezeBertForTokenClassification, 128, 12, "entity F1"
    ),
}

# === From texts to arrays


def encoded(split, tokenizer, label2id, max_length):
    """Inputs (texts, seq), and label ids (texts,) or (texts, seq)."""
    texts, labels = split
    inputs = tokenizer(
        texts, max_length=max_length, padding="max_length", return_offsets_mapping=True
    )
    offsets = inputs.pop("offset_mapping")  # (texts, seq, 2)
    if isinstance(labels[0], str):
        return inputs, np.array([label2id[label] for label in labels])
    ids = np.full(offsets.shape[:2], IGNORED_LABEL)  # (texts, seq)
    for row, (text, tags) in enumerate(zip(texts, labels, strict=True)):
        starts = np.cumsum([0] + [len(word) + 1 for word in text.split(" ")])
        word_at = dict(zip(starts.tolist(), tags, strict=False))
        for position, (start, end) in enumerate(offsets[row].tolist()):
            if end and start in word_at:  # the first piece of a word
                ids[row, position] = label2id[word_at[start]]
    return inputs, ids


def score(logits, labels, config):
    """Accuracy; of labels of tokens, the F1 of whole entities."""
    predicted = logits.argmax(axis=-1)
    if labels.ndim == 1:
        return float((predicted == labels).mean())
    rows = [labels[i] != IGNORED_LABEL for i in range(len(labels))]

    def names(ids):
        return [
            [config.id2label[int(i)] for i in ids[r][kept]]
            for r, kept in enumerate(rows)
        ]

    return entities(names(labels), names(predicted))["f1"]


# === Training


def distinct(labels):
    return sorted_labels(
        labels
        if isinstance(labels[0], str)
        else [tag for tags in labels for tag in tags]
    )


def train_float(task, splits, folder, seed):
    """A model of 4 layers of width 256, trained from random weights."""
    texts, labels = splits["train"]
    keras.utils.set_random_seed(seed)
    vocabulary = prune_vocabulary(None, texts)
    tokenizer = SqueezeBertTokenizerFast(vocabulary, model_max_length=task.max_length)
    config = scratch_config(
        len(vocabulary),
        distinct(labels),
        max_position_embeddings=task.max_length,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    model = task.model_class(config)
    inputs, ids = encoded(splits["train"], tokenizer, config.label2id, task.max_length)
    batches = token_batches(
        inputs, ids, tokenizer, batch_size=64, shuffle_seed=seed, mask_rate=0.15
    )
    fine_tune(
        model,
        batches,
        epochs=task.epochs,
        learning_rate=1.5e-3,
        loss=task.loss,
        verbose=2,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


# === Quantization


def forms(model, loss, batches, folder, examples):
    """By name, functions that write a form of a model to a path and give its source.

    The first is what the last two start from.
    """
    length = examples["input_ids"].shape[-1]

    def exported(path, source=model, **arguments):
        export_tflite(source, path, length, **arguments)
        return source

    def calibrated(path, scheme, steps=0):
        quantized = quantize_aware(model, scheme)
        calibrate(quantized, batches.take(CALIBRATION_BATCHES), progress=False)
        if steps:
            some = batches.take(steps)
            fine_tune(
                quantized,
                some,
                epochs=1,
                learning_rate=LEARNING_RATE,
                loss=loss,
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
                {name: ids[i : i + 1] for name, ids in examples.items()}
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


def measure(task, splits, folder, seed):
    """Makes the forms that results.jsonl lacks, and adds what each of them reaches."""
    model = task.model_class.from_pretrained(folder / "float")
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(folder / "float")
    config = model.config
    train, test = (
        encoded(splits[name], tokenizer, config.label2id, task.max_length)
        for name in ("train", "test")
    )
    batches = token_batches(*train, tokenizer, batch_size=64, shuffle_seed=seed)
    inputs, labels = test
    results = folder / "results.jsonl"
    done = {result["form"] for result in read_results(results)}
    for form, make in forms(model, task.loss, batches, folder, train[0]).items():
        if form in done:
            continue
        keras.utils.set_random_seed(seed)
        path = folder / f"{re.sub('[^a-z0-9]+', '-', form.lower())}.tflite"
        source = make(path)
        logits = LiteRTModel(path)(inputs, progress=True)["logits"]
        expected = source.predict(inputs, verbose=0)
        same = logits.argmax(axis=-1) == expected.argmax(axis=-1)
        result = {
            "form": form,
            "score": score(logits, labels, config),
            "agreement": float(same[labels != IGNORED_LABEL].mean()),
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
@click.argument("task_name", type=click.Choice(list(TASKS)))
@click.option("--output", required=True, type=click.Path(path_type=Path))
@click.option("--seeds", default=(0, 1, 2), multiple=True, type=int)
def main(data, task_name, output, seeds):
    task = TASKS[task_name]
    splits = task.read(data)
    for seed in seeds:
        folder = output / task_name / str(seed)
        if not (folder / "float").exists():
            train_float(task, splits, folder / "float", seed)
        measure(task, splits, folder, seed)
    print_table(task_name, task.metric, seeds, output)


if __name__ == "__main__":
    main()
