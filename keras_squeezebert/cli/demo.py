"""squeezebert demo: from raw text to a .tflite that classifies, in one command."""

import datetime
import platform
import sys
import time
from pathlib import Path

import click

SEQUENCE_LENGTH = 32  # tokens; the longest of 15,100 training queries has 32
SENTENCES = (
    "could you wake me up at six tomorrow",
    "how do you say good morning in japanese",
    "somebody stole my wallet, block my card",
    "what will the weather be like in oslo on sunday",
    "why do cats always land on their feet",
)


@click.command()
@click.option(
    "--output",
    default="demo-output",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the model, the .tflite files, report.json and report.png.",
)
@click.option("--epochs", default=7, show_default=True, help="Passes over the data.")
@click.option("--seed", default=0, show_default=True, help="Seed of all randomness.")
def demo(output, epochs, seed):
    """Train a small SqueezeBERT on real text and run it as a .tflite.

    The text is CLINC150: 15,100 requests to a voice assistant, of 150 intents and of
    none ("oos", out of scope). The model, 4 layers of width 256, starts from random
    weights. It takes some minutes on two cores and downloads nothing.

    \b
    Examples:
      squeezebert demo
      squeezebert predict demo-output/model-int8.tflite "set a timer for ten minutes"
    """
    started = time.monotonic()
    click.echo("1. Reading CLINC150")
    from keras_squeezebert.data import load_clinc150

    splits = {name: load_clinc150(name) for name in ("train", "validation", "test")}

    import keras

    keras.utils.set_random_seed(seed)
    click.echo("2. Training a SqueezeBERT of 4 layers from random weights")
    model, tokenizer = train(splits, epochs, seed)
    model.save_pretrained(output / "model")
    tokenizer.save_pretrained(output / "model")

    click.echo("3. Exporting to .tflite")
    from keras_squeezebert.tflite import export_tflite

    files = {
        name: export_tflite(
            model,
            output / f"model-{name}.tflite",
            SEQUENCE_LENGTH,
            quantization=quantization,
            tokenizer=tokenizer,
        )
        for name, quantization in [("float32", "float32"), ("int8", "dynamic_ptq")]
    }

    click.echo("4. Evaluating on the whole test split, the .tflite files in LiteRT")
    threshold, models = measure(model, tokenizer, files, splits, output)
    report = {
        "models": models,
        "rejection_threshold": round(threshold, 4),
        "settings": {
            "epochs": epochs,
            "seed": seed,
            "sequence_length": SEQUENCE_LENGTH,
        },
        "parameters": model.count_params(),
        "seconds": round(time.monotonic() - started),
        **surroundings(),
    }
    write_report(report, output)

    click.echo("5. Classifying, with the int8 .tflite")
    from keras_squeezebert.inference import label_scores
    from keras_squeezebert.tflite import LiteRTModel

    logits = LiteRTModel(files["int8"]).predict(SENTENCES)["logits"]
    for text, scores in zip(SENTENCES, label_scores(model.config, logits), strict=True):
        label, score = next(iter(scores.items()))
        click.echo(f"   {score:5.1%}  {label:18} {text}")
    click.echo(
        f"\nDone in {report['seconds']} s. Everything is in {output}/, see report.png. "
        f'Try:\n  squeezebert predict {files["int8"]} "your own words"'
    )


def train(splits, epochs, seed):
    """A classifier of the intents, trained from scratch, and its tokenizer."""
    from keras_squeezebert.data import sorted_labels
    from keras_squeezebert.models import SqueezeBertForSequenceClassification
    from keras_squeezebert.models.objectives import SmoothedCrossentropy
    from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
    from keras_squeezebert.tokenizers.pruning import prune_vocabulary
    from keras_squeezebert.training import fine_tune, text_batches
    from keras_squeezebert.training.start import small_config

    # Rows of the embedding table that no text uses would never be trained, only
    # updated: nearly half of the step's time, and most of the file.
    vocabulary = prune_vocabulary(None, splits["train"].texts)
    tokenizer = SqueezeBertTokenizerFast(vocabulary, model_max_length=SEQUENCE_LENGTH)
    config = small_config(
        len(vocabulary),
        sorted_labels(splits["train"].labels),
        max_position_embeddings=SEQUENCE_LENGTH,
        hidden_dropout_prob=0.2,
        attention_probs_dropout_prob=0.2,
    )
    model = SqueezeBertForSequenceClassification(config)
    settings = {"batch_size": 32, "max_length": SEQUENCE_LENGTH}
    fine_tune(
        model,
        text_batches(
            splits["train"],
            tokenizer,
            config,
            shuffle_seed=seed,
            mask_rate=0.15,
            **settings,
        ),
        text_batches(splits["validation"], tokenizer, config, **settings),
        epochs=epochs,
        learning_rate=1e-3,
        loss=SmoothedCrossentropy(0.1),
    )
    return model, tokenizer


def measure(model, tokenizer, files, splits, output):
    """Accuracy, size and time of the Keras model and of each .tflite file."""
    from keras_squeezebert.tflite import LiteRTModel

    inputs = {
        name: tokenizer(split.texts, max_length=SEQUENCE_LENGTH, padding="max_length")
        for name, split in splits.items()
        if name != "train"
    }
    threshold = rejection_threshold(
        model.predict(inputs["validation"], verbose=0), splits["validation"], model
    )
    labels = splits["test"].label_ids(model.config.label2id)

    def result(logits, file, milliseconds):
        return {
            **accuracies(logits, labels, model.config, threshold),
            "bytes": file.stat().st_size,
            "ms_per_query": milliseconds,
        }

    keras_logits, milliseconds = run_one_by_one(
        model.predict_on_batch, inputs["test"], "Keras"
    )
    weights = output / "model" / "model.safetensors"
    results = {"keras": result(keras_logits, weights, milliseconds)}
    for name, file in files.items():
        lite = LiteRTModel(file)
        logits, milliseconds = run_one_by_one(
            lambda row, lite=lite: lite(row)["logits"], inputs["test"], file.name
        )
        agreement = logits.argmax(axis=-1) == keras_logits.argmax(axis=-1)
        results[f"tflite-{name}"] = {
            **result(logits, file, milliseconds),
            "agreement_with_keras": round(float(agreement.mean()), 5),
        }
    return threshold, results


def run_one_by_one(run, inputs, name):
    """All logits, and the median milliseconds of a query by itself, as on a phone."""
    import numpy as np
    from tqdm import tqdm

    logits, seconds = [], []
    for i in tqdm(range(len(inputs["input_ids"])), desc=f"   {name}", unit=" queries"):
        row = {key: ids[i : i + 1] for key, ids in inputs.items()}
        start = time.perf_counter()
        logits.append(run(row))
        seconds.append(time.perf_counter() - start)
    return np.concatenate(logits), round(1000 * float(np.median(seconds)), 3)


def accuracies(logits, labels, config, threshold):
    """In-scope accuracy and out-of-scope recall, without and with a threshold.

    "oos" is one of the classes, but a hundred training queries cannot show all that is
    out of scope. With the threshold, a less likely answer counts as "oos" too.
    """
    import numpy as np

    from keras_squeezebert.data import OUT_OF_SCOPE
    from keras_squeezebert.inference import softmax

    oos = config.label2id[OUT_OF_SCOPE]
    best = logits.argmax(axis=-1)
    confident = np.where(softmax(logits).max(axis=-1) < threshold, oos, best)

    def shares(predicted):
        right = predicted == labels
        return {
            "accuracy_in_scope": round(float(right[labels != oos].mean()), 5),
            "out_of_scope_recall": round(float(right[labels == oos].mean()), 5),
        }

    return {**shares(best), "with_threshold": shares(confident)}


def rejection_threshold(logits, examples, model):
    """The probability below which an answer is refused.

    It is the one that costs a point of in-scope accuracy on the validation split.
    """
    import numpy as np

    from keras_squeezebert.data import OUT_OF_SCOPE
    from keras_squeezebert.inference import softmax

    labels = examples.label_ids(model.config.label2id)
    right = (logits.argmax(axis=-1) == labels) & (
        labels != model.config.label2id[OUT_OF_SCOPE]
    )
    # The right answers, the least confident first: a hundredth of all may go.
    confidence = np.sort(softmax(logits).max(axis=-1)[right])
    return float(confidence[len(labels) // 100])


def surroundings():
    """What the figures were measured with."""
    import importlib.metadata
    import os

    packages = ("tensorflow", "keras", "ai-edge-litert", "tokenizers", "numpy")
    return {
        "machine": {
            "processor": processor_name(),
            "cores": os.cpu_count(),
            "system": platform.platform(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
        "date": datetime.date.today().isoformat(),
        "command": " ".join(["squeezebert", *sys.argv[1:]]),
        "note": "ms_per_query: median of single queries, ids in, logits out; LiteRT "
        "on one thread.",
    }


def processor_name():
    """The processor's name where Linux tells it, else its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def write_report(report, output):
    """Writes report.json and report.png, and prints the table."""
    from keras_squeezebert.cli.picture import draw_report
    from keras_squeezebert.files import write_json

    write_json(output / "report.json", report)
    draw_report(report, output / "report.png")
    click.echo(f"   {'':16}{'in scope':>9}{'oos recall':>12}{'MB':>8}{'ms':>8}")
    for name, result in report["models"].items():
        click.echo(
            f"   {name:16}{result['accuracy_in_scope']:9.1%}"
            f"{result['with_threshold']['out_of_scope_recall']:12.1%}"
            f"{result['bytes'] / 1e6:8.2f}{result['ms_per_query']:8.2f}"
        )
