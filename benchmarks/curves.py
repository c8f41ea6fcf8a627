"""The losses of a pretraining, from its history.csv, as a picture.

python benchmarks/curves.py my-encoder/training/history.csv curves.png
"""

import csv

import click
import matplotlib.pyplot as plt

from keras_squeezebert.files import atomic_file

TITLES = {
    "masked_lm_loss": "Masked pieces, nats",
    "masked_lm_accuracy": "Masked pieces, accuracy",
    "sentence_order_loss": "Order of segments, nats",
    "hidden_distance_loss": "Distance of hidden states",
    "attention_distance_loss": "Divergence of attention",
    "sentence_distance_loss": "1 − cosine of embeddings",
}


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n", 1))
@click.argument("history", type=click.Path(exists=True, dir_okay=False))
@click.argument("picture", type=click.Path(dir_okay=False))
@click.option("--report-steps", default=1000, show_default=True, help="Of the run.")
def main(history, picture, report_steps):
    with open(history, newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in TITLES if name in rows[0]]
    figure, axes = plt.subplots(
        1, len(names), figsize=(3.2 * len(names), 2.8), layout="constrained"
    )
    updates = [report_steps * int(row["epoch"]) for row in rows]
    for axis, name in zip(axes, names, strict=True):
        for column, label in [(name, "training"), (f"val_{name}", "held out")]:
            if column in rows[0]:
                values = [float(row[column]) for row in rows]
                axis.plot(updates, values, label=label)
        axis.set_title(TITLES[name], fontsize=10)
        axis.set_xlabel("updates")
        axis.grid(alpha=0.3)
    axes[0].legend()
    with atomic_file(picture) as draft:
        figure.savefig(draft, dpi=120)


if __name__ == "__main__":
    main()
