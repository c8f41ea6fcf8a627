"""How well a masked LM guesses pieces of held-out text, beside what counting knows.

    python benchmarks/masked_lm.py MODEL --cache CACHE --held-out HELD_OUT

MODEL is a folder of a masked LM, or several; CACHE and HELD_OUT are token caches of
`keras_squeezebert.pretraining`: what n-grams are counted in, if it is given, and what
is guessed. All tell the same pieces, 15 % of each row, in a pass over the held-out
rows. A model sees rows in which they are masked (80 % are [MASK], 10 % another piece,
10 % themselves). N-grams see of the same rows what was there before, masked pieces of
the context too, which is an advantage for them:

  - "unigram": how often a piece is;
  - "left trigram": after the two pieces on its left;
  - "right trigram": before the two on its right;
  - "both neighbours": between one on each side, with the second one of a side as well;
  - "both sides": the product of all these, each to a power. The powers are fitted on
    one half of the text for the other half, and the other way round.

They have modified Kneser–Ney smoothing. A loss is in nats for each masked piece.
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import click
import keras
import numpy as np
from experts import fitted_powers, log_product
from ngrams import KneserNey
from scipy.special import log_softmax

from keras_squeezebert import SqueezeBertForMaskedLM, SqueezeBertTokenizerFast
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.models.inputs import token_inputs
from keras_squeezebert.pretraining import TokenCache
from keras_squeezebert.pretraining.objective import AtPositions
from keras_squeezebert.pretraining.rows import Rows
from keras_squeezebert.tasks.masking import Masking

RATE = 0.15
# Offsets of the neighbours that each expert looks at, the first one longest.
EXPERTS = {
    "unigram": (),
    "left trigram": (-1, -2),
    "right trigram": (1, 2),
    "both neighbours, left first": (-1, 1, -2),
    "both neighbours, right first": (1, -1, 2),
}
# Pieces that powers are fitted on. There are as many of them as experts: few will do.
FITTED = 512
# Rows that are made at once, pieces that are told by counts, rows that a model sees.
ROWS, TOLD, SEEN = 4096, 256, 16

# === Text


class Masked(NamedTuple):
    """The masked pieces of some rows.

    Args:
        inputs: Of a model, by name: int32 (rows, seq), and `masked_positions` (rows,
            places).
        labels: Int32 (rows, places), −100 where a place is not used.
        stream: Int (pieces,), the rows as they were, one after the other.
        places: Int (n,), where in it the masked pieces are, in the order of `labels`.
    """

    inputs: dict[str, np.ndarray]
    labels: np.ndarray
    stream: np.ndarray
    places: np.ndarray

    @property
    def pieces(self) -> np.ndarray:
        """The masked pieces themselves: int (n,)."""
        return self.labels[self.labels != IGNORED_LABEL]


def masked(rows):
    """The `Masked` of all rows of a pass."""
    inputs, labels = rows.batch(0, range(len(rows)))
    labels = labels["masked_lm"]
    row, place = np.nonzero(labels != IGNORED_LABEL)
    column = inputs["masked_positions"][row, place]
    whole = inputs["input_ids"].copy()
    whole[row, column] = labels[row, place]
    is_piece = inputs["attention_mask"] == 1
    places = np.cumsum(is_piece).reshape(is_piece.shape) - 1
    return Masked(inputs, labels, whole[is_piece], places[row, column])


def stream_of(rows):
    """All rows, `[CLS]` and `[SEP]` around each, as n-grams are counted in them."""
    parts = []
    for first in range(0, len(rows), ROWS):
        inputs, _ = rows.batch(0, range(first, min(first + ROWS, len(rows))))
        ids = inputs["input_ids"][inputs["attention_mask"] == 1]
        parts.append(ids.astype("uint16" if ids.max() < 2**16 else "int32"))
    return np.concatenate(parts)


# === What tells pieces


def told(logs, pieces):
    """The loss of each piece, and whether it is the first guess: (2, n)."""
    losses = -logs[np.arange(len(pieces)), pieces]
    return np.stack([losses, logs.argmax(axis=-1) == pieces])


def figures(parts):
    """The means of what `told` says of all parts."""
    loss, accuracy = np.concatenate(parts, axis=1).mean(axis=1, dtype="float64")
    return {"loss": float(loss), "accuracy": float(accuracy)}


def by_counts(text, stream, possible):
    """The figures of n-grams that are counted in a stream, and of their product."""
    experts = {}
    for name, offsets in EXPERTS.items():
        click.echo(f"Counting, {name}", err=True)
        experts[name] = KneserNey(stream, offsets, possible)
    # By their numbers among the pieces that are possible: others have no logarithm.
    pieces = (np.cumsum(possible) - 1)[text.pieces]

    def logs(chosen):
        """Of some of the pieces: float32 (experts, n, possible pieces)."""
        found = []
        for name, offsets in EXPERTS.items():
            around = text.places[chosen, None] + np.array(offsets, int)  # (n, offsets)
            contexts = text.stream.take(around, mode="wrap")
            found.append(np.log(experts[name](contexts)[:, possible]))
        return np.stack(found)

    parts = {name: [] for name in [*EXPERTS, "both sides"]}
    halves = np.array_split(np.arange(len(pieces)), 2)
    for half, other in (halves, halves[::-1]):
        rng = np.random.default_rng(0)
        sample = rng.choice(other, min(FITTED, len(other)), replace=False)
        powers = fitted_powers(logs(sample), pieces[sample])
        click.echo(f"Powers, {powers.round(2).tolist()}", err=True)
        for first in range(0, len(half), TOLD):
            chosen = half[first : first + TOLD]
            of_experts = logs(chosen)
            both = log_product(of_experts, powers)
            for of_name, found in zip(parts.values(), [*of_experts, both], strict=True):
                of_name.append(told(found, pieces[chosen]))
    return {name: figures(of_name) for name, of_name in parts.items()}


def by_model(text, folder, tokenizer):
    """The figures of a masked LM."""
    model = SqueezeBertForMaskedLM.from_pretrained(folder)
    if model.config.vocab_size != tokenizer.vocab_size:
        raise click.UsageError(
            f"{folder} has {model.config.vocab_size} pieces, the caches "
            f"{tokenizer.vocab_size}."
        )
    inputs = token_inputs()
    positions = keras.Input((None,), dtype="int32", name="masked_positions")
    hidden = model.transformer(inputs)["last_hidden_state"]
    # A row of logits for each place, not for each token.
    logits = model.predictions(AtPositions()(hidden, positions))
    at_places = keras.Model({**inputs, "masked_positions": positions}, logits)
    parts = []
    for first in range(0, len(text.labels), SEEN):
        rows = slice(first, first + SEEN)
        found = at_places.predict_on_batch(
            {name: array[rows] for name, array in text.inputs.items()}
        )  # (rows, places, vocabulary)
        is_used = text.labels[rows] != IGNORED_LABEL
        logs = log_softmax(found[is_used].astype("float32"), axis=-1)
        parts.append(told(logs, text.labels[rows][is_used]))
    return figures(parts)


# === Results


def print_table(results):
    """As Markdown."""
    click.echo("| | nats | perplexity | accuracy |\n|---|---:|---:|---:|")
    for name, row in results.items():
        perplexity = np.exp(row["loss"])
        click.echo(
            f"| {name} | {row['loss']:.3f} | {perplexity:.1f} | {row['accuracy']:.3f} |"
        )


@click.command(help=__doc__)
@click.argument("models", nargs=-1, type=click.Path(exists=True, file_okay=False))
@click.option("--cache", type=click.Path(exists=True, file_okay=False))
@click.option(
    "--held-out", required=True, type=click.Path(exists=True, file_okay=False)
)
@click.option("--length", default=128, show_default=True, help="Tokens of a row.")
@click.option("--seed", default=0, show_default=True, help="Of what is masked.")
@click.option("--json", "as_json", is_flag=True, help="Prints JSON, not a table.")
@click.option("--output", type=click.Path(path_type=Path), help="A file for the JSON.")
def main(models, cache, held_out, length, seed, as_json, output):
    tokenizer = SqueezeBertTokenizerFast()
    masking = Masking(tokenizer, RATE, seed=seed)
    held_out = TokenCache(held_out, tokenizer)
    text = masked(Rows(held_out, tokenizer, length, masking, paired=False))
    results = {str(model): by_model(text, model, tokenizer) for model in models}
    counted = None
    if cache:
        counted = TokenCache(cache, tokenizer)
        unmasked = Masking(tokenizer, 0.0)
        rows = Rows(counted, tokenizer, length, unmasked, paired=False)
        results |= by_counts(text, stream_of(rows), masking.ordinary)
    around = surroundings()
    report = {
        "machine": around["machine"],
        "versions": around["versions"],
        "date": around["date"],
        "command": " ".join(["python", *sys.argv]),
        "counted": counted and counted.counts,
        "held_out": {**held_out.counts, "masked": len(text.pieces)},
        "results": results,
    }
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        print_table(results)
    if output:
        write_json(output, report)


if __name__ == "__main__":
    main()
