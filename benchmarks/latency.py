"""One input through every form of SqueezeBERT, of BERT and of their peers, in turns.

    python benchmarks/latency.py --json latency.json --plot latency.png
    benchmarks/peers/setup && python benchmarks/latency.py --peers --folder files

All take a text of 128 tokens with random weights at full size: the figures rank speeds
and say nothing of accuracy. With --peers, Hugging Face's classifiers run in the same
turns: through litert-torch in our LiteRT, in ONNX Runtime and in PyTorch.

There are two floors under ours: its operations at the speed of large matrix products
in LiteRT, and its own products at their own shapes with nothing between them.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click
from elsewhere import start
from floors import (
    LARGE_FLOPS,
    classifier_flops,
    large_products_file,
    own_products_file,
)
from forms import classifier_files, runner
from turns import report

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import atomic_file, write_json

SEQUENCE = 128
PEERS = Path(__file__).with_name("peers")
PEER_PYTHON = PEERS / ".venv/bin/python"
OURS, FLOOR = "keras-squeezebert", "floor"


class Form(NamedTuple):
    """What is timed: whose model, which one, and in what precision."""

    project: str
    model: str
    precision: str

    @property
    def is_int8(self):
        return self.precision != "float32"

    @property
    def origin(self):
        """The model, and whose code it is, whatever runs it."""
        ours = self.project in (OURS, FLOOR)
        return f"{self.project if ours else 'Hugging Face'}, {self.model}"


# === What is timed


def our_forms(config, folder, threads):
    """The classifier in every scheme, and BERT from the same code."""
    bert = SqueezeBertConfig.preset(
        "bert-base", num_hidden_layers=config.num_hidden_layers
    )
    forms = {}
    for model, model_config, schemes in [
        ("SqueezeBERT", config, ("float32", "dynamic_ptq", "mixed", "int8")),
        ("BERT-base", bert, ("float32", "dynamic_ptq", "mixed")),
    ]:
        stem = f"{model}-{config.num_hidden_layers}-layers"
        files = classifier_files(model_config, stem, folder, schemes, [SEQUENCE])
        for (scheme, _), path in files.items():
            forms[Form(OURS, model, scheme)] = runner(path, threads)
    return forms


def floor_forms(config, folder, threads):
    """Files of nothing but matrix products, in float32 and int8."""
    forms = {}
    for precision in ("float32", "int8"):
        large = folder / f"large-products-{precision}.tflite"
        own = folder / (
            f"own-products-{config.num_hidden_layers}-layers-{precision}.tflite"
        )
        if not large.exists():
            large_products_file(large, precision == "int8")
        if not own.exists():
            own_products_file(own, config, SEQUENCE, precision == "int8")
        forms[Form(FLOOR, "large matrices", precision)] = runner(large, threads)
        forms[Form(FLOOR, "own products", precision)] = runner(own, threads)
    return forms


@contextlib.contextmanager
def peer_forms(folder, threads):
    """Hugging Face's classifiers: in LiteRT here, in other runtimes elsewhere."""
    if not PEER_PYTHON.exists():
        raise click.UsageError(
            f"The peers need an environment of their own, which benchmarks/peers/setup "
            f"makes. Not found: {PEER_PYTHON}"
        )
    export = [PEER_PYTHON, PEERS / "export.py", folder, "--seq", str(SEQUENCE)]
    if subprocess.run(export).returncode:
        raise click.ClickException("The peers could not be exported, as told above.")
    files = {}
    for path in folder.glob(f"*-{SEQUENCE}.tflite"):
        model, precision, _ = path.stem.rsplit("-", 2)
        files[Form("litert-torch", model, precision)] = path
    in_order = sorted(files, key=lambda form: (form.model, form.is_int8))
    forms = {form: runner(files[form], threads) for form in in_order}
    settings = ["--seq", str(SEQUENCE), "--threads", str(threads)]
    with start(PEER_PYTHON, PEERS / "run.py", str(folder), *settings) as elsewhere:
        # Their names are those of a Form.
        yield forms | {Form(*name.split(", ")): run for name, run in elsewhere.items()}


# === Results


def floors_in_ms(times, config):
    """Takes the floors out of what was timed; milliseconds that ours cannot beat."""
    floors = {}
    for form in [form for form in times if form.project == FLOOR]:
        milliseconds = 1e3 * median(times.pop(form))
        if form.model == "large matrices":
            per_ms = LARGE_FLOPS / milliseconds
            milliseconds = classifier_flops(config, SEQUENCE) / per_ms
            click.echo(f"{form.model}, {form.precision}: {per_ms / 1e6:.0f} G/s")
        floors[form] = milliseconds
    return floors


# Of which precision another model is, and of which ours beside it.
COMPARISONS = {
    "float32/float32": (False, False),
    "int8/int8": (True, True),
    "float32/int8": (False, True),
}


def ratios(milliseconds):
    """Of each model's fastest form to that of our SqueezeBERT."""
    fastest = {}
    for form, value in milliseconds.items():
        key = form.origin, form.is_int8
        fastest[key] = min(value, fastest.get(key, value))
    return {
        origin: {
            comparison: fastest[origin, theirs] / fastest[f"{OURS}, SqueezeBERT", ours]
            for comparison, (theirs, ours) in COMPARISONS.items()
        }
        for origin in dict.fromkeys(form.origin for form in milliseconds)
    }


def print_ratios(table):
    click.echo(f"\n{'Time to our SqueezeBERT, each at its fastest':46}", nl=False)
    click.echo("".join(f"{comparison:>17}" for comparison in COMPARISONS))
    for origin, row in table.items():
        click.echo(f"{origin:46}" + "".join(f"{value:17.2f}" for value in row.values()))


def peer_versions():
    """What benchmarks/peers/requirements.txt names, as it is installed."""
    code = (
        "import json, sys; from importlib.metadata import version; "
        "print(json.dumps({name: version(name) for name in sys.argv[1:]}))"
    )
    lines = (PEERS / "requirements.txt").read_text().splitlines()
    names = [line.partition("==")[0] for line in lines if "==" in line]
    return json.loads(subprocess.check_output([PEER_PYTHON, "-c", code, *names]))


COLOURS = {
    OURS: "#3e6fb0",
    "litert-torch": "#4f9d69",
    "ONNX Runtime": "#b07aa1",
    "PyTorch": "#a0785a",
}
# Float32 is pale, int8 full, for bars and floors alike.
ALPHA = {False: 0.5, True: 1.0}
LINES = {"large matrices": ":", "own products": "--"}


def draw(milliseconds, floors, path, title):
    """A bar for each form, and lines where the floors of our SqueezeBERT are."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    projects = list(dict.fromkeys(form.project for form in milliseconds))
    # A gap before each project.
    rows = [i + projects.index(form.project) for i, form in enumerate(milliseconds)]
    figure = Figure(figsize=(9, 0.25 * rows[-1] + 2.2), layout="constrained")
    axis = figure.subplots()
    bars = axis.barh(
        rows,
        milliseconds.values(),
        color=[(COLOURS[form.project], ALPHA[form.is_int8]) for form in milliseconds],
        height=0.8,
    )
    labels = [f"{value:.1f}" for value in milliseconds.values()]
    axis.bar_label(bars, labels=labels, padding=3, fontsize=8)
    names = [f"{form.model}, {form.precision}" for form in milliseconds]
    axis.set_yticks(rows, names, fontsize=8)
    axis.margins(x=0.08, y=0.02)
    for form, value in floors.items():
        axis.axvline(
            value,
            color="#d1661a",
            alpha=ALPHA[form.is_int8],
            linestyle=LINES[form.model],
            linewidth=1.2,
            label=f"floor of ours, {form.model}, {form.precision}: {value:.1f}",
        )
    patches = [Patch(color=COLOURS[project], label=project) for project in projects]
    lines, _ = axis.get_legend_handles_labels()
    figure.legend(
        handles=patches + lines,
        loc="outside lower center",
        ncols=2,
        fontsize=8,
        frameon=False,
    )
    axis.invert_yaxis()
    axis.set_xlabel("ms (median); float32 is pale")
    axis.set_title(title, fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=150, format="png")


@click.command(help=__doc__)
@click.option("--peers", is_flag=True, help="Run Hugging Face's models, too.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keeps the exported files, which another run then takes as they are.",
)
@click.option("--layers", default=12, show_default=True, help="Layers of ours.")
@click.option("--rounds", default=30, show_default=True, help="Turns of each form.")
@click.option("--threads", default=1, show_default=True, help="Threads of each.")
@click.option("--json", "json_path", type=click.Path(), help="Where figures go.")
@click.option("--plot", type=click.Path(), help="Where a picture goes.")
def main(peers, folder, layers, rounds, threads, json_path, plot):
    config = SqueezeBertConfig()
    if peers and layers != config.num_hidden_layers:
        raise click.UsageError(
            f"--peers compares with published models, which needs the published "
            f"{config.num_hidden_layers} layers. Received: --layers {layers}"
        )
    config = config.replace(num_hidden_layers=layers)
    title = f"A text of {SEQUENCE} tokens, {threads} thread(s)"
    with contextlib.ExitStack() as stack:
        folder = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        forms = our_forms(config, folder, threads)
        if peers:
            forms |= stack.enter_context(peer_forms(folder / "peers", threads))
        forms |= floor_forms(config, folder, threads)
        named = {", ".join(form): run for form, run in forms.items()}
        seconds = report(title, named, rounds)

    times = dict(zip(forms, seconds.values(), strict=True))
    floors = floors_in_ms(times, config)
    milliseconds = {form: 1e3 * median(values) for form, values in times.items()}
    table = ratios(milliseconds | floors)
    print_ratios(table)

    around = surroundings()
    if json_path:
        figures = {
            ", ".join(form): {"median_ms": 1e3 * median(s), "min_ms": 1e3 * min(s)}
            for form, s in times.items()
        }
        results = {
            "machine": around["machine"],
            "versions": around["versions"],
            "peer_versions": peer_versions() if peers else {},
            "date": around["date"],
            "command": " ".join(["python", *sys.argv]),
            "layers": layers,
            "sequence_length": SEQUENCE,
            "threads": threads,
            "rounds": rounds,
            "operations": classifier_flops(config, SEQUENCE),
            "floors_ms": {", ".join(form): value for form, value in floors.items()},
            "forms": figures,
            "ratios": table,
        }
        write_json(json_path, results)
    if plot:
        caption = f"{title}, {around['machine']['processor']}, {around['date']}"
        draw(milliseconds, floors, plot, caption)


if __name__ == "__main__":
    main()
