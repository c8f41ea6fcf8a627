"""Options that several subcommands share, worded once."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import click


class HeadOption:
    """A `click.option` that knows its name, for the options of single heads.

    Args:
        *names: As of `click.option`: the flag and, if it is another, the parameter.
        help: What it is for.
        **settings: The others of `click.option`.

    Example:
        >>> HeadOption("--metric", "metric_name", help="Its name.").name
        'metric_name'
    """

    def __init__(self, *names: str, help: str, **settings: Any):
        self.flag = names[0]
        self.name = names[-1].removeprefix("--").replace("-", "_")
        self._names = names
        self._help = help
        self._settings = settings

    def __call__(self, command: Callable) -> Callable:
        return click.option(*self._names, help=self._help, **self._settings)(command)

    def of_heads(self, heads: Sequence[str]) -> Callable:
        """The option of a command of all heads, whose help says which it is for."""
        help = f"{', '.join(heads)}: {self._help}"
        return click.option(*self._names, help=help, **self._settings)


text_column = HeadOption(
    "--text-column",
    default="text",
    show_default=True,
    help="Column, or JSON key, of the text.",
)
label_column = HeadOption(
    "--label-column",
    default="label",
    show_default=True,
    help="Column, or JSON key, of the label: a name or a number.",
)
text_pair_column = HeadOption(
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
row_length = click.option(
    "--max-length",
    type=click.IntRange(min=3),
    help="Tokens that are kept of a row.  [default: all that the model takes; for "
    "question-answering 384 of them]",
)
seed = click.option(
    "--seed", default=0, show_default=True, help="Seed of all randomness."
)
data_parallel = click.option(
    "--data-parallel",
    is_flag=True,
    help="Share each batch among all devices, with KERAS_BACKEND=jax; and among "
    "processes, each started with this command and its number in the variables "
    "KERAS_DISTRIBUTION_JOB_ADDRESSES, _NUM_PROCESSES and _PROCESS_ID. All must see "
    "OUTPUT, which the first one writes.",
)
revision = click.option(
    "--revision", help="Branch, tag or commit of a model on the Hugging Face Hub."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def data_columns(command):
    """`--text-column`, `--label-column` and `--text-pair-column`."""
    return text_column(label_column(text_pair_column(command)))


def listening_address(port: int) -> Callable:
    """`--host` and `--port` of a server, with a default for the second."""

    def decorated(command):
        return click.option(
            "--host",
            default="127.0.0.1",
            show_default=True,
            help="Address to listen on; 0.0.0.0 lets other machines in.",
        )(
            click.option(
                "--port",
                default=port,
                show_default=True,
                type=click.IntRange(0, 65535),
                help="0 takes any that is free.",
            )(command)
        )

    return decorated


def print_json(values: Any) -> None:
    """Prints values; what JSON cannot hold, an infinite perplexity, as null."""
    if isinstance(values, dict):
        values = {
            name: None if value in (math.inf, -math.inf) else value
            for name, value in values.items()
        }
    click.echo(json.dumps(values, ensure_ascii=False, indent=2))
