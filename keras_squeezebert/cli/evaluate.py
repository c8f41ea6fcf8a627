"""squeezebert evaluate: how often a model is right."""

import json

import click

from keras_squeezebert.cli.options import as_json, data_columns


@click.command()
@click.argument("model")
@click.option(
    "--data",
    required=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Labelled data: .csv or .tsv with a header, or .jsonl.",
)
@data_columns
@as_json
def evaluate(model, data, text_column, label_column, text_pair_column, as_json):
    """Measure the accuracy of MODEL, a model's folder, a Hub id or a .tflite file.

    \b
    Examples:
      squeezebert evaluate my-model --data test.csv
      squeezebert evaluate my-model.tflite --data test.jsonl --json
    """
    from keras_squeezebert.data import read_examples
    from keras_squeezebert.inference import load_text_model, softmax

    examples = read_examples(data, text_column, label_column, text_pair_column)
    model = load_text_model(model)
    labels = examples.label_ids(model.config.label2id)
    outputs = model.predict(examples.texts, examples.text_pairs, progress=True)
    logits = outputs["logits"]
    probabilities = softmax(logits)[range(len(labels)), labels]
    results = {
        "accuracy": float((logits.argmax(axis=-1) == labels).mean()),
        # Of the right label; the floor keeps a probability of zero finite.
        "loss": float(-_log(probabilities).mean()),
        "examples": len(examples),
    }
    if as_json:
        click.echo(json.dumps(results, indent=2))
    else:
        click.echo(
            "{accuracy:.2%} of {examples} examples are right, "
            "cross entropy {loss:.4f}.".format(**results)
        )


def _log(probabilities):
    import numpy as np

    return np.log(np.maximum(probabilities, np.finfo(np.float32).tiny))
