"""report: several ways to do one thing, timed in turns."""

import random
import time
from statistics import median

import click
from tqdm import tqdm


def report(title, forms, rounds):
    """Runs functions in turns: a busy machine slows them alike, so read the ratios.

    Each turn has an order of its own, or each function would always meet the caches of
    the same other one.

    Args:
        title: Printed above the table.
        forms: Functions by name. Each is run once before it counts.
        rounds: Turns.

    Returns:
        By name, the seconds of each turn.
    """
    for run in forms.values():
        run()
    seconds = {name: [] for name in forms}
    shuffle = random.Random(0).sample
    for _ in tqdm(range(rounds), desc=title):
        for name in shuffle(list(forms), len(forms)):
            start = time.perf_counter()
            forms[name]()
            seconds[name].append(time.perf_counter() - start)
    first = median(next(iter(seconds.values())))
    width = max(34, *(len(name) + 2 for name in forms))
    click.echo(f"\n{title}\n{'':{width}}{'median ms':>10}{'min ms':>10}{'ratio':>8}")
    for name, times in seconds.items():
        click.echo(
            f"{name:{width}}{1e3 * median(times):10.2f}{1e3 * min(times):10.2f}"
            f"{median(times) / first:8.2f}"
        )
    return seconds
