"""Options that several subcommands share, worded once."""

import click

text_column = click.option(
    "--text-column",
    default="text",
    show_default=True,
    help="Column, or JSON key, of the text.",
)
label_column = click.option(
    "--label-column",
    default="label",
    show_default=True,
    help="Column, or JSON key, of the label: a name or a number.",
)
text_pair_column = click.option(
    "--text-pair-column",
    help="Column, or JSON key, of the second text, for pairs.",
)
batch_size = click.option(
    "--batch-size",
    default=32,
    show_default=True,
    type=click.IntRange(min=1),
    help="Examples of a step.",
)
max_length = click.option(
    "--max-length",
    default=128,
    show_default=True,
    type=click.IntRange(min=3),
    help="Tokens that are kept of a text.",
)
seed = click.option(
    "--seed", default=0, show_default=True, help="Seed of all randomness."
)
revision = click.option(
    "--revision", help="Branch, tag or commit of a model on the Hugging Face Hub."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def data_columns(command):
    """`--text-column`, `--label-column` and `--text-pair-column`."""
    return text_column(label_column(text_pair_column(command)))
