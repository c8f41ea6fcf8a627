"""Shapes of SqueezeBERT in turns: what depth, width and groups cost in time.

    python benchmarks/family.py --folder shapes --json family.json --plot family.png

Classifiers of random weights, for one text of 128 tokens: the figures rank speeds and
say nothing of accuracy. The vocabulary is small, as its size costs bytes and no time.
Files of other models run beside them: --peer float32 MobileBERT-float32.tflite.
"""

import tempfile
from pathlib import Path
from statistics import median

import click
from floors import encoder_flops
from forms import classifier_files, runner
from turns import report

from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import atomic_file, write_json

SEQUENCE = 128
FORMS = ("float32", "mixed")
# Depth, width, size of a head, groups of the convolution after the attention.
SHAPES = [
    *(
        (depth, width, 64, 1)
        for depth in (4, 6, 8, 12)
        for width in (256, 384, 512, 768)
    ),
    *((depth, width, 64, 4) for depth in (6, 12) for width in (256, 384, 512, 768)),
    *((depth, width, 32, 1) for depth, width in [(6, 384), (12, 384), (12, 256)]),
]


def shape_name(depth, width, head, groups):
    others = [f"heads of {head}"] * (head != 64) + ["all groups 4"] * (groups != 1)
    return ", ".join([f"{depth} × {width}", *others])


def shape_config(depth, width, head, groups):
    return SqueezeBertConfig(
        vocab_size=1000,
        num_hidden_layers=depth,
        hidden_size=width,
        intermediate_size=4 * width,
        num_attention_heads=width // head,
        post_attention_groups=groups,
    )


def encoder_weights(config):
    """Weights and biases of all layers."""
    return sum(
        layer.count_params()
        for layer in SqueezeBertModel(config).layers
        if layer.name.startswith("encoder_layer")
    )


# === Results


def front(rows):
    """Names of the shapes that no other one beats in work and in time at once."""
    return {
        name
        for name, row in rows.items()
        if not any(
            other["gflop"] >= row["gflop"] and other["median_ms"] < row["median_ms"]
            for other in rows.values()
        )
    }


def print_table(form, rows, best):
    click.echo(f"\n{form:32}{'GFLOP':>8}{'M weights':>11}{'ms':>8}{'GFLOP/s':>9}")
    for name, row in sorted(rows.items(), key=lambda item: item[1]["median_ms"]):
        mark = "*" if name in best else " "
        speed = 1e3 * row["gflop"] / row["median_ms"]
        click.echo(
            f"{mark} {name:30}{row['gflop']:8.2f}{row['weights'] / 1e6:11.1f}"
            f"{row['median_ms']:8.2f}{speed:9.0f}"
        )


def draw(results, peers, path, title):
    """Work against time, both on logarithmic axes; peers as vertical lines."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    for axis, (form, rows) in zip(figure.subplots(1, 2), results.items(), strict=True):
        best = front(rows)
        for name, row in rows.items():
            kept = name in best
            colour = "#3e6fb0" if kept else "#b8c4d3"
            axis.scatter(
                row["median_ms"],
                row["gflop"],
                s=28,
                edgecolor=colour,
                facecolor="white" if "groups" in name else colour,
                zorder=3 if kept else 2,
            )
            if "," not in name:
                axis.annotate(
                    name,
                    (row["median_ms"], row["gflop"]),
                    xytext=(5, -9),
                    textcoords="offset points",
                    fontsize=7,
                    color="#222222" if kept else "#777777",
                )
        for name, milliseconds in peers[form].items():
            axis.axvline(milliseconds, color="#e08a1e", linestyle="--", label=name)
            axis.legend(loc="lower right", fontsize=8)
        axis.set(xscale="log", yscale="log", title=form)
        axis.set_xticks([2, 5, 10, 20, 50], minor=False)
        axis.set_yticks([0.5, 1, 2, 5], minor=False)
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter("{x:g}")
            side.set_minor_formatter("")
        axis.set_xlabel("ms (median), one text of 128 tokens; hollow: all groups 4")
        axis.set_ylabel("G operations of the encoder")
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=9)
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=150, format="png")


@click.command(help=__doc__)
@click.option("--folder", type=click.Path(path_type=Path), help="Keeps the files here.")
@click.option(
    "--peer",
    "peer_files",
    multiple=True,
    metavar="FORM FILE",
    type=(click.Choice(FORMS), click.Path(exists=True, path_type=Path)),
    help="Another model's .tflite, and the form of ours to compare it with.",
)
@click.option("--shapes", default=len(SHAPES), help="How many, to try it out.")
@click.option("--rounds", default=20, show_default=True, help="Turns of each file.")
@click.option("--threads", default=1, show_default=True, help="Threads of each.")
@click.option("--json", "json_path", type=click.Path(), help="Where figures go.")
@click.option("--plot", type=click.Path(), help="Where a picture goes.")
def main(folder, peer_files, shapes, rounds, threads, json_path, plot):
    with tempfile.TemporaryDirectory() as temporary:
        folder = folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        configs, forms = {}, {}
        for shape in SHAPES[:shapes]:
            name = shape_name(*shape)
            configs[name] = shape_config(*shape)
            stem = "-".join(map(str, shape))
            paths = classifier_files(configs[name], stem, folder, FORMS, [SEQUENCE])
            for (form, _), path in paths.items():
                forms[f"{name}; {form}"] = runner(path, threads)
        peers = {path.stem: runner(path, threads) for _, path in peer_files}
        title = f"One text of {SEQUENCE} tokens, {threads} thread(s)"
        times = report(title, forms | peers, rounds)

    milliseconds = {name: 1e3 * median(seconds) for name, seconds in times.items()}
    results = {
        form: {
            name: {
                "gflop": encoder_flops(config, SEQUENCE) / 1e9,
                "weights": encoder_weights(config),
                "median_ms": milliseconds[f"{name}; {form}"],
            }
            for name, config in configs.items()
        }
        for form in FORMS
    }
    for form, rows in results.items():
        print_table(form, rows, front(rows))
    click.echo("\n* no other shape computes more in less time")
    peers = {form: {} for form in FORMS}
    for form, path in peer_files:
        peers[form][path.stem] = milliseconds[path.stem]
        click.echo(f"{path.stem}: {milliseconds[path.stem]:.2f} ms")
    around = surroundings()
    if json_path:
        write_json(json_path, {**around, "forms": results, "peers_ms": peers})
    if plot:
        caption = f"{title}, {around['machine']['processor']}, {around['date']}"
        draw(results, peers, plot, caption)


if __name__ == "__main__":
    main()
