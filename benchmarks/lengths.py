"""Our classifier on texts of different lengths, in turns: does time follow the work?

    python benchmarks/lengths.py --plot lengths.png

The work of convolutions grows with the length, that of attention with its square. It
is drawn beside the times as if all lengths were computed at the speed of the best one;
what a length takes above that is told as a ratio. Random weights at full size.
"""

import contextlib
import tempfile
from pathlib import Path
from statistics import median

import click
from floors import classifier_flops
from forms import classifier_files, runner
from turns import report

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import atomic_file

SCHEMES = {"float32": "#9aa5b1", "mixed": "#3e6fb0"}  # with their colours


def print_table(scheme, config, milliseconds, speed):
    """Times of a scheme by length, beside the work at the best length's speed."""
    click.echo(f"\n{scheme:10}{'tokens':>8}{'GFLOP':>8}{'ms':>9}{'G/s':>7}{'ratio':>8}")
    ratios = {}
    for seq, value in milliseconds.items():
        flops = classifier_flops(config, seq)
        ratios[seq] = value * speed / flops
        click.echo(
            f"{'':10}{seq:8}{flops / 1e9:8.2f}{value:9.2f}{flops / value / 1e6:7.0f}"
            f"{ratios[seq]:8.2f}"
        )
    worst = max(ratios, key=ratios.get)
    click.echo(
        f"{scheme}: at worst {ratios[worst]:.2f} times its work at the best length's "
        f"speed, with {worst} tokens"
    )


def draw(config, times, speeds, path, title):
    """Measured times as points, and the work at the best speed as lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axis = figure.subplots()
    for scheme, milliseconds in times.items():
        colour, lengths = SCHEMES[scheme], list(milliseconds)
        axis.plot(lengths, milliseconds.values(), "o", color=colour, label=scheme)
        every = range(1, max(lengths) + 1)
        work = [classifier_flops(config, seq) / speeds[scheme] for seq in every]
        label = f"its operations at {speeds[scheme] / 1e6:.0f} G/s"
        axis.plot(every, work, color=colour, linewidth=1, label=label)
    axis.set_xticks(lengths)
    axis.set_xlabel("tokens")
    axis.set_ylabel("ms (median)")
    axis.set_ylim(bottom=0)
    axis.set_title(title, fontsize=9)
    axis.legend(loc="upper left", frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=150, format="png")


@click.command(help=__doc__)
@click.option(
    "--lengths",
    multiple=True,
    type=int,
    default=(32, 64, 96, 128, 192, 256, 384),
    show_default=True,
    help="Tokens; once for each length.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keeps the exported files, which another run then takes as they are.",
)
@click.option("--layers", default=12, show_default=True, help="Encoder layers.")
@click.option("--rounds", default=30, show_default=True, help="Turns of each form.")
@click.option("--threads", default=1, show_default=True, help="Threads of each.")
@click.option("--plot", type=click.Path(), help="Where a picture goes.")
def main(lengths, folder, layers, rounds, threads, plot):
    config = SqueezeBertConfig(num_hidden_layers=layers)
    title = f"{layers} layers of width 768, {threads} thread(s)"
    with contextlib.ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stem = f"SqueezeBERT-{layers}-layers"
        files = classifier_files(config, stem, folder, SCHEMES, lengths)
        forms = {
            f"{scheme}, {seq} tokens": runner(path, threads)
            for (scheme, seq), path in files.items()
        }
        seconds = report(title, forms, rounds)

    times = {scheme: {} for scheme in SCHEMES}
    for (scheme, seq), values in zip(files, seconds.values(), strict=True):
        times[scheme][seq] = 1e3 * median(values)
    # Operations a millisecond, where they are most.
    speeds = {
        scheme: max(classifier_flops(config, seq) / value for seq, value in row.items())
        for scheme, row in times.items()
    }
    for scheme, milliseconds in times.items():
        print_table(scheme, config, milliseconds, speeds[scheme])
    if plot:
        around = surroundings()
        caption = f"{title}, {around['machine']['processor']}, {around['date']}"
        draw(config, times, speeds, plot, caption)


if __name__ == "__main__":
    main()
