"""squeezebert demo: from raw text to a .tflite that classifies, in one command."""

import time
from pathlib import Path

import click

from keras_squeezebert.cli.options import seed

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
@click.option(
    "--epochs",
    default=4,
    show_default=True,
    type=click.IntRange(min=1),
    help="Passes over the data in float; one more follows with int8 simulated.",
)
@seed
def demo(output, epochs, seed):
    """Fine-tune a small SqueezeBERT on real text and run it as a .tflite.

    The text is CLINC150: 15,100 requests to a voice assistant, of 150 intents and of
    none ("oos", out of scope). The model is the package's own squeezebert_small_en, 6
    layers of width 384, with the word pieces that these requests use; at the end it is
    trained on with int8 simulated, and becomes a .tflite that computes in int8. It
    takes up to twenty minutes on two cores and downloads nothing.

    \b
    Examples:
      squeezebert demo
      squeezebert predict demo-output/model-mixed.tflite "set a timer for ten minutes"
    """
    started = time.monotonic()
    click.echo("1. Reading CLINC150 and starting TensorFlow")
    import keras

    from keras_squeezebert.data import load_clinc150
    from keras_squeezebert.demo.measure import measure
    from keras_squeezebert.demo.picture import draw_report
    from keras_squeezebert.demo.surroundings import surroundings
    from keras_squeezebert.demo.train import (
        SEQUENCE_LENGTH,
        calibrated,
        train,
        train_quantized,
    )
    from keras_squeezebert.files import write_json
    from keras_squeezebert.inference import label_scores
    from keras_squeezebert.tflite import LiteRTModel, Metadata, export_tflite

    splits = {name: load_clinc150(name) for name in ("train", "validation", "test")}
    keras.utils.set_random_seed(seed)

    click.echo("2. Fine-tuning squeezebert_small_en")
    model, tokenizer = train(splits, epochs, seed)
    model.save_pretrained(output / "model")
    tokenizer.save_pretrained(output / "model")

    def export(model, name, quantization=None):
        return export_tflite(
            model,
            output / f"model-{name}.tflite",
            SEQUENCE_LENGTH,
            quantization=quantization,
            tokenizer=tokenizer,
            metadata=Metadata(name="Intents of CLINC150", dataset="CLINC150"),
        )

    click.echo("3. Exporting to .tflite, in float and with int8 after the training")
    rounded = calibrated(model, tokenizer, splits, seed)
    exports = {  # by name, what each file was made of, and the file
        "float32": (model, export(model, "float32")),
        "dynamic-ptq": (model, export(model, "dynamic-ptq", "dynamic_ptq")),
        "mixed-ptq": (rounded, export(rounded, "mixed-ptq")),
    }

    click.echo("4. Training on with int8 simulated, and exporting what was trained")
    quantized = calibrated(model, tokenizer, splits, seed)
    train_quantized(quantized, tokenizer, splits, epochs=1, seed=seed)
    quantized.save_pretrained(output / "model-quantized")
    tokenizer.save_pretrained(output / "model-quantized")
    exports["mixed"] = (quantized, file := export(quantized, "mixed"))

    click.echo("5. Evaluating on all 5,500 test queries, the .tflite files in LiteRT")
    report = measure(model, tokenizer, exports, splits, output)
    report |= {
        "parameters": model.count_params(),
        "epochs": epochs,
        "seed": seed,
        "sequence_length": SEQUENCE_LENGTH,
        "seconds": round(time.monotonic() - started),
        **surroundings(),
    }
    write_json(output / "report.json", report)
    draw_report(report, output / "report.png")
    print_table(report["models"])

    click.echo("6. Classifying, with the trained int8 .tflite")
    logits = LiteRTModel(file).predict(SENTENCES)["logits"]
    for text, scores in zip(SENTENCES, label_scores(model.config, logits), strict=True):
        label, score = next(iter(scores.items()))
        if score < report["rejection_threshold"]:
            label = "(none: not sure enough)"
        click.echo(f"   {score:6.1%}  {label:24} {text}")

    click.echo(
        f"\nDone in {report['seconds']} s. Everything is in {output}/; look at "
        f'report.png, and try\n  squeezebert predict {file} "your own words"\n'
        f"  squeezebert web {file}"
    )


def print_table(models):
    """The measurements, a line for each form of the model."""
    click.echo(f"   {'':20}{'in scope':>9}{'MB':>8}{'ms':>8}{'as Keras':>10}")
    for name, result in models.items():
        accuracy, megabytes = result["accuracy_in_scope"], result["bytes"] / 1e6
        agreement = result.get("agreement_with_keras", 1.0)
        click.echo(
            f"   {name:20}{accuracy:9.2%}{megabytes:8.2f}{result['ms_per_query']:8.2f}"
            f"{agreement:10.2%}"
        )
    recall = models["keras"]["with_threshold"]["out_of_scope_recall"]
    click.echo(
        f"   Of the out-of-scope queries, {recall:.0%} are refused with the report's "
        "rejection_threshold."
    )
