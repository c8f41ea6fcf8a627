"""What pretraining gives: heads that start from a model, and from random weights.

    python benchmarks/pretrained.py DATA --output rows clinc150 stsb conll2003 sst2

DATA is a folder with glue and ner/conll2003; CLINC150, its queries in scope, comes with
the package. Each row is the model fine-tuned, beside one of the preset small, which is
the shape of squeezebert_small_en, that starts from random weights as those of
benchmarks/tasks.py do: its vocabulary pruned to the training texts, more dropout,
pieces hidden, a higher rate. Both are then trained on with int8 simulated, and every
figure is that of a .tflite on the whole development set, by which the epoch was chosen
as well. What is done is not done again, and a run that was cut off goes on. It ends
with the table of all rows that are there.
"""

import dataclasses
import json
from functools import partial
from pathlib import Path
from statistics import mean

import baselines
import click
import keras
from tasks import ROWS as FROM_NOTHING
from tasks import Row, fit, measure, rows_of, spread, train_float

from keras_squeezebert.data import OUT_OF_SCOPE, load_clinc150
from keras_squeezebert.files import write_json
from keras_squeezebert.tasks import SequenceClassification
from keras_squeezebert.training import Recipe, fine_tune, own_pairs
from keras_squeezebert.training.session import remove_state
from keras_squeezebert.training.start import start_model

STARTS = ("pretrained", "scratch")
FORMS = ("float32", "mixed")


def clinc150(_data, _seed):
    """The 150 intents: 15,000 queries to train on, 3,000 to report."""

    def in_scope(split):
        examples = load_clinc150(split)
        labels = enumerate(examples.labels)
        return rows_of(examples, [row for row, x in labels if x != OUT_OF_SCOPE])

    train, dev = in_scope("train"), in_scope("validation")
    return train, dev, dev


def on_dev(read):
    """Of a function that reads three splits, the first two."""

    def read_two(data, seed):
        train, dev, _ = read(data, seed)
        return train, dev, dev

    return read_two


INTENTS = sorted(set(load_clinc150("train").labels) - {OUT_OF_SCOPE})
ROWS = {
    "clinc150": Row(
        clinc150,
        SequenceClassification(),
        32,
        12,
        partial(baselines.tfidf, metric="accuracy", labels=INTENTS),
        {"id2label": dict(enumerate(INTENTS))},
    ),
    "sst2": FROM_NOTHING["sst2"],
    "stsb": FROM_NOTHING["stsb"],
    "conll2003": dataclasses.replace(
        FROM_NOTHING["conll2003"], read=on_dev(FROM_NOTHING["conll2003"].read)
    ),
}
# What a pretrained model is trained by.
RECIPES = {
    "clinc150": Recipe(
        epochs=8, batch_size=64, learning_rate=5e-4, decay="cosine", label_smoothing=0.1
    ),
    "sst2": Recipe(epochs=2, batch_size=64, learning_rate=2e-4),
    "stsb": Recipe(epochs=4, batch_size=32, learning_rate=1e-4),
    "conll2003": Recipe(epochs=6, batch_size=32, learning_rate=5e-4),
}
# And before, where it has to compare two texts, on pairs that it labels itself.
FIRST = {"stsb": Recipe(epochs=1, batch_size=64, learning_rate=5e-4)}


def fine_tuned(source, row, splits, folder, recipe, first=None):
    """Trains a head on pretrained weights, and saves it."""
    keras.utils.set_random_seed(recipe.seed)
    train, choose_by, _ = splits
    labels = list(row.fields["id2label"].values()) if row.fields else None
    model, tokenizer = start_model(
        row.task.model_class,
        labels or row.task.label_names(train),
        source,
        problem_type=row.fields.get("problem_type"),
        max_length=row.max_length,
    )

    def encode(examples):
        return row.task.encode(examples, tokenizer, model.config, row.max_length)

    if first:
        pairs = own_pairs(model.transformer, tokenizer, train, seed=recipe.seed)
        fine_tune(
            model,
            encode(pairs),
            recipe=dataclasses.replace(first, seed=recipe.seed),
            folder=folder / "first",
            save_seconds=60,
            verbose=2,
        )
    row = dataclasses.replace(row, hidden_share=0.0)
    fit(row, model, tokenizer, encode(train), choose_by, recipe, folder)
    if first:
        remove_state(folder / "first")


def print_table(output):
    """As Markdown: mean and range over the runs that there are, of each row."""
    head = ["", "metric", "without a network", "start", *FORMS, "runs", "minutes"]
    click.echo("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name in ROWS:
        path = output / name / "baseline.json"
        if not path.exists():
            continue
        baseline = json.loads(path.read_text())
        for start in STARTS:
            folders = [
                path.parent
                for path in sorted((output / name / start).glob("*/results.json"))
                if set(FORMS) <= set(json.loads(path.read_text()))
            ]
            if folders:
                click.echo(
                    "| " + " | ".join(cells(name, baseline, start, folders)) + " |"
                )


def cells(name, baseline, start, folders):
    """A line of the table."""

    def read(file):
        return [json.loads((folder / file).read_text()) for folder in folders]

    runs = read("results.json")
    seconds = mean(notes["seconds"] for notes in read("float/training.json"))
    return [
        *(name, runs[0]["float32"]["metric"]),
        f"{baseline['score']:.3f} ({baseline['method']})",
        start,
        *(spread([run[form]["score"] for run in runs]) for form in FORMS),
        *(str(len(runs)), f"{seconds / 60:.0f}"),
    ]


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n", 1))
@click.argument("data", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--model", default="squeezebert_small_en", show_default=True)
@click.option("--output", required=True, type=click.Path(path_type=Path))
@click.option("--seed", "seeds", multiple=True, type=int, default=(0, 1, 2))
@click.option(
    "--start", "starts", multiple=True, type=click.Choice(STARTS), default=STARTS
)
def main(data, names, model, output, seeds, starts):
    for name in names:
        for seed in seeds:
            splits = ROWS[name].read(data, seed)
            path = output / name / "baseline.json"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                method, score = ROWS[name].baseline(splits[0], splits[2])
                write_json(path, {"method": method, "score": score})
            for start in starts:
                row = dataclasses.replace(ROWS[name], preset="small")
                folder = output / name / start / str(seed)
                if not (folder / "float" / "training.json").exists():
                    if start == "pretrained":
                        recipe = dataclasses.replace(RECIPES[name], seed=seed)
                        first = FIRST.get(name)
                        fine_tuned(model, row, splits, folder / "float", recipe, first)
                    else:
                        train_float(row, splits, folder / "float", seed)
                measure(row, splits, folder, seed, FORMS)
    print_table(output)


if __name__ == "__main__":
    main()
