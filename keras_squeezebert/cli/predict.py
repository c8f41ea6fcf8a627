"""squeezebert predict: what a model says of a few texts."""

import json

import click

from keras_squeezebert.cli.options import as_json


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1, required=True)
@click.option("--text-pair", help="The second text, for models of pairs.")
@click.option(
    "--top",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="Labels to show.",
)
@as_json
def predict(model, texts, text_pair, top, as_json):
    """Classify TEXTS with MODEL, a model's folder, a Hub id or a .tflite file.

    \b
    Examples:
      squeezebert predict my-model "turn on the lights"
      squeezebert predict my-model.tflite "what time is it" "wake me at six" --json
    """
    from keras_squeezebert.inference import label_scores, load_text_model

    model = load_text_model(model)
    pairs = [text_pair] * len(texts) if text_pair is not None else None
    scores = label_scores(model.config, model.predict(list(texts), pairs)["logits"])
    results = [
        {
            "text": text,
            "label": next(iter(score)),
            "scores": dict(list(score.items())[:top]),
        }
        for text, score in zip(texts, scores, strict=True)
    ]
    if as_json:
        click.echo(json.dumps(results, ensure_ascii=False, indent=2))
        return
    for result in results:
        click.echo(result["text"])
        for label, score in result["scores"].items():
            click.echo(f"  {score:6.1%}  {label}")
