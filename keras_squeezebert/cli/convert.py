"""squeezebert convert: PyTorch checkpoints, of whatever form, as a folder of ours."""

import json
import sys
from dataclasses import asdict

import click

from keras_squeezebert.cli.options import as_json, revision

TASKS = {
    "base": "SqueezeBertModel",
    "masked-lm": "SqueezeBertForMaskedLM",
    "multiple-choice": "SqueezeBertForMultipleChoice",
    "question-answering": "SqueezeBertForQuestionAnswering",
    "sequence-classification": "SqueezeBertForSequenceClassification",
    "token-classification": "SqueezeBertForTokenClassification",
}


@click.command()
@click.argument("source", metavar="SRC")
@click.argument("folder", metavar="DST", type=click.Path(file_okay=False))
@click.option(
    "--task",
    type=click.Choice(list(TASKS)),
    help="What the model is for.  [default: what the checkpoint has a head for]",
)
@revision
@click.option(
    "--verify",
    is_flag=True,
    help="Run transformers beside it, and write nothing if the outputs differ.",
)
@click.option(
    "--dtype",
    default="float32",
    show_default=True,
    type=click.Choice(["float32", "float16"]),
    help="Of the weights in DST.",
)
@as_json
def convert(source, folder, task, revision, verify, dtype, as_json):
    """Write the checkpoint SRC as the folder DST, which both Keras and PyTorch load.

    SRC is a folder or an id on the Hugging Face Hub, with weights as .safetensors or
    pytorch_model.bin, in one file or in shards, of a SqueezeBERT of any year or of a
    BERT. DST gets config.json, model.safetensors and the tokenizer, in today's form.

    \b
    Examples:
      squeezebert convert squeezebert/squeezebert-uncased squeezebert-uncased
      squeezebert convert old-checkpoint new-checkpoint --task token-classification
      squeezebert convert my-bert my-bert-in-keras --verify
    """
    from keras_squeezebert.converters import VerificationError
    from keras_squeezebert.converters import convert as convert_checkpoint

    try:
        conversion = convert_checkpoint(
            source,
            folder,
            architecture=TASKS.get(task),
            revision=revision,
            verify=verify,
            dtype=dtype,
        )
    except VerificationError as error:
        click.echo(f"Verification failed, nothing was written: {error}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(_as_values(conversion), indent=2))
        return
    click.echo(conversion.report)
    if conversion.differences:
        _print_differences(conversion.differences)
    tokenizer = "with its tokenizer" if conversion.has_tokenizer else "no tokenizer"
    click.echo(f"Wrote {folder}, a {conversion.architecture}, {tokenizer}.")


def _as_values(conversion):
    return asdict(conversion) | {
        "differences": {
            name: difference._asdict()
            for name, difference in conversion.differences.items()
        }
    }


def _print_differences(differences):
    click.echo(
        "Largest differences from transformers, on random input:\n"
        f"  {'output':18}{'of SRC':>10}{'of DST':>10}{'largest value':>15}"
    )
    for name, (from_source, from_result, largest_value) in differences.items():
        source = "-" if from_source is None else f"{from_source:.1e}"
        click.echo(f"  {name:18}{source:>10}{from_result:10.1e}{largest_value:15.3g}")
    if None in {difference.from_source for difference in differences.values()}:
        click.echo("  -: transformers cannot read all weights of SRC in this class.")
