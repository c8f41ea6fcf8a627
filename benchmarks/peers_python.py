"""The option --peers-python: where PyTorch and transformers are, if they are."""

from pathlib import Path

import click

PEERS = Path(__file__).with_name("peers")


def _if_there(context, option, python):
    if python.exists():
        return python
    click.echo(
        f"The peers are left out, for there is no {python}. "
        "benchmarks/peers/setup makes it; --peers-python names another."
    )
    return None


peers_python = click.option(
    "--peers-python",
    default=PEERS / ".venv/bin/python",
    type=click.Path(path_type=Path),
    callback=_if_there,
    help="Interpreter that has PyTorch and transformers.",
)
