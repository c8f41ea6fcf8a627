"""Tokens per second of pretraining, and of the pipeline that feeds it.

    python benchmarks/pretraining.py CACHE --config base --phase 128:32 --phase 512:8

CACHE is a token cache, as `squeezebert pretrain` leaves it in OUTPUT/cache. A phase is
LENGTH:ROWS, the rows that are on the device at once. Batches are made and steps are
taken in turns, in one process; told are the medians, and what the paper's pretraining
would take at that speed: 56,000 steps of 8,192 rows of 128 tokens, 6,000 of 512. The
backend is that of KERAS_BACKEND.
"""

import json
import statistics
import sys
import time

import click
import keras

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForMaskedLM,
    SqueezeBertModel,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json
from keras_squeezebert.presets import PRESETS
from keras_squeezebert.pretraining import Phase, PretrainingRecipe, TokenCache
from keras_squeezebert.pretraining.batches import PretrainingBatches, PretrainingSteps
from keras_squeezebert.pretraining.objective import pretraining_model
from keras_squeezebert.pretraining.recipe import PAPER_PHASES


def measured(cache, tokenizer, model, teacher, phase, steps):
    """Tokens per second of the pipeline and of the training, medians of `steps`."""
    length, rows = phase
    weights = {"hidden_weight": 1.0, "sentence_weight": 1.0} if teacher else {}
    recipe = PretrainingRecipe(
        phases=(Phase(length, rows, steps + 2),),
        sentence_order=teacher is None,
        **weights,
    )
    training = pretraining_model(model, recipe, teacher)
    distances = [name for name in training.output if name.endswith("_distance")]
    batches = PretrainingBatches(
        PretrainingSteps(cache, tokenizer, recipe), 0, recipe.steps, distances
    )
    making, taking = [], []
    for number in range(recipe.steps):
        begun = time.perf_counter()
        inputs, labels = batches[number]
        made = time.perf_counter()
        training.train_on_batch(inputs, labels)
        making.append(made - begun)
        taking.append(time.perf_counter() - made)
    tokens = rows * length
    # The first steps compile.
    rates = [tokens / statistics.median(seconds[2:]) for seconds in (making, taking)]
    return {
        "length": length,
        "rows": rows,
        "pipeline tokens per second": round(rates[0]),
        "training tokens per second": round(rates[1]),
        "pipeline / training": round(rates[0] / rates[1], 1),
    }


def paper_days(results):
    """Days of the paper's phases at the speeds of those lengths, or None."""
    rates = {row["length"]: row["training tokens per second"] for row in results}
    if not {phase.length for phase in PAPER_PHASES} <= set(rates):
        return None
    seconds = sum(
        phase.length * phase.batch_size * phase.steps / rates[phase.length]
        for phase in PAPER_PHASES
    )
    return round(seconds / 86_400, 1)


def _phase(context, option, values):
    try:
        return [tuple(map(int, value.split(":", 1))) for value in values]
    except ValueError:
        raise click.BadParameter("expected LENGTH:ROWS, such as 128:32") from None


@click.command(help=__doc__.replace("\n\n", "\n\n\b\n", 1))
@click.argument("cache", type=click.Path(exists=True, file_okay=False))
@click.option("--config", type=click.Choice(list(PRESETS)), default="base")
@click.option("--phase", "phases", multiple=True, callback=_phase, required=True)
@click.option("--dtype", default="float32", show_default=True)
@click.option("--teacher", help="An encoder to distil: a folder or an id on the Hub.")
@click.option("--steps", default=8, show_default=True, type=click.IntRange(min=1))
@click.option("--output", type=click.Path(dir_okay=False), help="Write JSON there.")
def main(cache, config, phases, dtype, teacher, steps, output):
    tokenizer = SqueezeBertTokenizerFast()
    cache = TokenCache(cache, tokenizer)
    if teacher:
        teacher = SqueezeBertModel.from_pretrained(teacher, dtype=dtype)
    model = SqueezeBertForMaskedLM(SqueezeBertConfig.preset(config), dtype=dtype)
    results = []
    for phase in phases:
        results.append(measured(cache, tokenizer, model, teacher, phase, steps))
        click.echo(json.dumps(results[-1]))
    days = paper_days(results)
    if days:
        click.echo(f"The paper's pretraining: {days:,} days at these speeds.")
    if output:
        write_json(
            output,
            {
                "command": sys.argv,
                "backend": keras.config.backend(),
                "config": config,
                "dtype": dtype,
                "phases": results,
                "days of the paper's pretraining": days,
                "surroundings": surroundings(),
            },
        )


if __name__ == "__main__":
    main()
