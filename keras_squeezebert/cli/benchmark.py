"""squeezebert benchmark: .tflite files against each other, here or on a phone."""

import dataclasses
import importlib.metadata
import json
import tempfile
from pathlib import Path

import click

from keras_squeezebert.cli.options import as_json
from keras_squeezebert.errors import InputError

NOTE = (
    "min_ms, median_ms: `invoke` alone, all files in turns in random order. load_ms, "
    "first_ms, peak_bytes: once, in a new process; peak_bytes is the growth of its "
    "peak memory, with what was read of the file. ratio: to the first file's median. "
    "macs: of convolutions and matrix products, by the shapes in the graph. "
    "gmacs_per_second: macs by the median of the whole run. random_weights: "
    "names of the files that --against made. profiles: by LiteRT's own profiler, in a "
    "new process, means over the half of the runs nearest to the median; operations "
    "as XNNPACK fuses and names them, or as GATHER where TFLite's own kernels run; "
    "each in whole microseconds, rounded down. whole_ms: of the graph in these runs."
)
PHONE_NOTE = (
    "By benchmark_model, one file after another, with op profiling on. memory_mb: "
    "growth from the start of the tool. ops: as the tool groups them."
)


@click.command()
@click.argument("files", metavar="FILE.tflite...", nargs=-1, required=True)
@click.option(
    "--threads",
    multiple=True,
    default=(1,),
    show_default=True,
    type=click.IntRange(min=1),
    help="Threads of LiteRT; once for each number to measure.",
)
@click.option(
    "--rounds",
    default=50,
    show_default=True,
    type=click.IntRange(min=1),
    help="Runs of each file that count.",
)
@click.option(
    "--against",
    metavar="NAME",
    multiple=True,
    help="Measure this shape, too, with random weights in the first file's form: base, "
    "medium, small, mini or bert-base. Once for each, or with commas.",
)
@click.option("--profile", is_flag=True, help="Measure each kind of operation, too.")
@as_json
@click.option("--plot", metavar="FILE.png", help="Draw the medians as a bar chart.")
@click.option("--adb", is_flag=True, help="Measure on the phone that adb reaches.")
@click.option(
    "--benchmark-model",
    metavar="PATH",
    help="With --adb: the benchmark_model binary to push.  [default: "
    "/data/local/tmp/benchmark_model, on the phone]",
)
@click.option(
    "--taskset",
    metavar="MASK",
    help="With --adb: the cores to run on, in hexadecimal, such as f0.",
)
def benchmark(
    files,
    threads,
    rounds,
    against,
    profile,
    as_json,
    plot,
    adb,
    benchmark_model,
    taskset,
):
    """Measure .tflite files against each other: time, memory, and what they compute.

    The files, of this package or of others, run in turns on random input, so that a
    busy machine slows them alike: read the ratios, to the first file. Load and first
    run are measured once, in a new process, and so is memory, the growth of that
    process' peak. Operations are counted by kind, with the multiply-accumulates (MACs)
    of those that multiply matrices.

    --profile adds where the time of each file goes, by kind of operation: LiteRT's own
    profiler looks on while the whole file runs. Each operation counts in whole
    microseconds, rounded down, which is seen in the sum of a small model.

    --against adds other shapes of SqueezeBERT, or BERT-base, exported for the purpose
    with the first file's sequence length, batch size and quantization.

    With --adb, the official benchmark_model runs on the phone instead, one file after
    another. This was tested with output in the tool's form, not with a phone.

    \b
    Examples:
      squeezebert benchmark my-model.tflite my-model-int8.tflite
      squeezebert benchmark *.tflite --threads 1 --threads 4 --plot times.png
      squeezebert benchmark my-model.tflite --against bert-base,mini --profile
      squeezebert benchmark my-model.tflite --adb --taskset f0 \\
          --benchmark-model android_aarch64_benchmark_model
    """
    if adb and plot:
        raise InputError(f"--plot does not go with --adb. Received: --plot={plot}")
    if adb and against:
        raise InputError(
            "--against does not go with --adb: export the other shape, and name its "
            f"file. Received: --against={','.join(against)}"
        )
    if adb and profile:
        raise InputError(
            "--profile does not go with --adb, which measures operations anyway. "
            "Received: --profile"
        )
    if not adb and (benchmark_model or taskset):
        raise InputError(
            "--benchmark-model and --taskset go with --adb. Received: "
            f"--benchmark-model={benchmark_model}, --taskset={taskset}"
        )
    if plot and Path(plot).suffix.lower() != ".png":
        raise InputError(f"--plot takes a .png file. Received: {plot}")
    if adb:
        _on_phone(files, threads, rounds, as_json, benchmark_model, taskset)
    else:
        _here(files, threads, rounds, _presets(against), profile, as_json, plot)


# === Here


def _here(files, threads, rounds, presets, profile, as_json, plot):
    from keras_squeezebert.tflite.benchmark import WARM_UP

    with tempfile.TemporaryDirectory() as folder:
        stand_ins = _export_stand_ins(presets, files, threads, rounds, folder)
        benchmarks, profiles = _measure(files, stand_ins, threads, rounds, profile)
    report = {
        "files": [
            dataclasses.asdict(benchmark)
            | {"profiles": [dataclasses.asdict(profile) for profile in of_file]}
            for benchmark, of_file in zip(benchmarks, profiles, strict=True)
        ],
        "random_weights": list(stand_ins.values()),
        "rounds": rounds,
        "warm_up_rounds": WARM_UP,
        "delegate": "XNNPACK",
        **_surroundings(),
        "note": NOTE,
    }
    if plot:
        _draw(benchmarks, report, plot)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    _print_header(report)
    _print_files(benchmarks)
    _print_timings(benchmarks)
    for benchmark, of_file in zip(benchmarks, profiles, strict=True):
        _print_ops(benchmark)
        for profile in of_file:
            _print_profile(benchmark.name, profile)


def _measure(files, stand_ins, threads, rounds, profile):
    """The benchmarks, and of each file its profiles, one for each number of threads."""
    from keras_squeezebert.tflite import benchmark_tflite, profile_tflite

    paths = [*files, *stand_ins]
    benchmarks = benchmark_tflite(paths, threads, rounds, progress=True)
    profiles = [
        [
            profile_tflite(path, count, rounds, progress=True)
            for count in dict.fromkeys(threads)
            if profile
        ]
        for path in paths
    ]
    benchmarks[len(files) :] = [
        dataclasses.replace(benchmark, path=None, name=name)
        for benchmark, name in zip(
            benchmarks[len(files) :], stand_ins.values(), strict=True
        )
    ]
    return benchmarks, profiles


# === Stand-ins


def _presets(against):
    """The names of --against, each once."""
    from keras_squeezebert import SqueezeBertConfig

    names = [name.strip() for names in against for name in names.split(",")]
    for name in names:
        SqueezeBertConfig.preset(name)  # which says so if there is none
    return list(dict.fromkeys(names))


def _export_stand_ins(presets, files, threads, rounds, folder):
    """Writes them into the folder; returns their names by their paths."""
    if not presets:
        return {}
    from tqdm import tqdm

    from keras_squeezebert.tflite.benchmark import check_settings
    from keras_squeezebert.tflite.graph_file import read_graph
    from keras_squeezebert.tflite.stand_ins import export_stand_in, read_form

    # An export takes long: what is wrong with the files is told before.
    check_settings(files, threads, rounds)
    for file in files:
        read_graph(file)
    form, names = read_form(files[0]), {}
    for preset in tqdm(presets, desc="Exporting"):
        path = Path(folder, f"stand-in-{preset}.tflite")
        names[str(export_stand_in(preset, files[0], path))] = f"{preset} ({form})"
    return names


# === Tables


def _surroundings():
    from keras_squeezebert.demo.surroundings import surroundings

    found = surroundings()
    package = {"keras-squeezebert": importlib.metadata.version("keras-squeezebert")}
    return found | {"versions": found["versions"] | package}


def _print_header(report):
    machine, versions = report["machine"], report["versions"]
    click.echo(
        f"{machine['processor']}, {machine['cores']} cores, {report['date']}\n"
        f"ai-edge-litert {versions['ai-edge-litert']} with {report['delegate']}, "
        f"keras-squeezebert {versions['keras-squeezebert']}\n"
        f"{report['rounds']} rounds in turns, "
        f"after {report['warm_up_rounds']} to warm up"
    )
    if report["random_weights"]:
        click.echo(f"Random weights: {'; '.join(report['random_weights'])}")


def _print_files(benchmarks):
    width = _width(benchmarks)
    click.echo(
        f"\n{'Files':{width + 2}}{'MB':>9}{'GMACs':>10}{'operations':>12}"
        f"{'XNNPACK':>9}{'pieces':>8}  left to TFLite's own kernels"
    )
    for benchmark in benchmarks:
        xnnpack = benchmark.xnnpack
        outside = [f"{count} {op}" for op, count in xnnpack.outside.items()]
        click.echo(
            f"  {benchmark.name:{width}}{benchmark.bytes / 1e6:9.2f}"
            f"{benchmark.macs / 1e9:10.4g}"
            f"{xnnpack.ops + sum(xnnpack.outside.values()):12}"
            f"{xnnpack.ops:9}{xnnpack.count:8}  {', '.join(outside) or '-'}"
        )


def _print_timings(benchmarks):
    width = _width(benchmarks)
    for timings in zip(*(benchmark.timings for benchmark in benchmarks), strict=True):
        click.echo(
            f"\n{_threads(timings[0].threads):{width + 2}}{'load ms':>9}"
            f"{'first ms':>10}{'peak MB':>9}{'min ms':>10}{'median ms':>11}"
            f"{'ratio':>7}{'GMAC/s':>8}"
        )
        for benchmark, timing in zip(benchmarks, timings, strict=True):
            click.echo(
                f"  {benchmark.name:{width}}{timing.load_ms:9.1f}"
                f"{timing.first_ms:10.3f}{timing.peak_bytes / 1e6:9.1f}"
                f"{timing.min_ms:10.3f}{timing.median_ms:11.3f}"
                f"{timing.ratio:7.2f}{timing.gmacs_per_second:8.2f}"
            )


def _print_ops(benchmark):
    title = f"{benchmark.name}: operations"
    width = max(32, len(title))
    click.echo(f"\n{title:{width}}{'count':>7}{'GMACs':>10}")
    for kind in benchmark.ops:
        macs = "-" if kind.macs is None else f"{kind.macs / 1e9:.4g}"
        click.echo(f"  {kind.op:{width - 2}}{kind.count:7}{macs:>10}")


def _print_profile(name, profile):
    title = f"{name}, {_threads(profile.threads)}: time by operation"
    width = max(50, len(title))
    click.echo(f"\n{title:{width}}{'count':>7}{'ms':>10}{'%':>8}")
    count = sum(kind.count for kind in profile.ops)
    rows = [(kind.op, kind.count, kind.ms, kind.share) for kind in profile.ops]
    rows.append(("sum", count, profile.sum_ms, profile.sum_ms / profile.whole_ms))
    rows.append(("whole run", "", profile.whole_ms, 1))
    for op, count, ms, share in rows:
        click.echo(f"  {op:{width - 2}}{count:>7}{ms:10.3f}{share:8.1%}")


def _draw(benchmarks, report, path):
    """Bars of the medians, with a mark at each minimum, in groups by threads."""
    from matplotlib.figure import Figure

    from keras_squeezebert.files import atomic_file

    groups = [_threads(timing.threads) for timing in benchmarks[0].timings]
    figure = Figure(figsize=(max(6.0, 2.5 * len(groups)), 4.2), layout="constrained")
    axis = figure.subplots()
    width = 0.8 / len(benchmarks)
    for number, benchmark in enumerate(benchmarks):
        offset = (number - (len(benchmarks) - 1) / 2) * width
        places = [group + offset for group in range(len(groups))]
        medians = [timing.median_ms for timing in benchmark.timings]
        least = [timing.min_ms for timing in benchmark.timings]
        bars = axis.bar(places, medians, width * 0.92, label=benchmark.name)
        axis.bar_label(bars, fmt="{:.4g}", padding=2, fontsize=8)
        axis.scatter(places, least, s=160 * width, marker="_", color="black", zorder=3)
    axis.set_xticks(range(len(groups)), groups)
    axis.set_ylabel("one run, ms: median, and minimum as a mark")
    axis.margins(y=0.12)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.suptitle(
        f"{report['machine']['processor']}, LiteRT with XNNPACK, {report['date']}",
        fontsize=9,
        color="#555555",
    )
    with atomic_file(path) as draft:
        figure.savefig(draft, dpi=150)


# === On a phone


def _on_phone(files, threads, rounds, as_json, benchmark_model, taskset):
    from keras_squeezebert.tflite.adb import benchmark_on_phone, phone_model

    runs = benchmark_on_phone(
        files,
        threads,
        rounds,
        benchmark_model,
        taskset,
        # Of --json, stdout is one object.
        echo=lambda command: click.echo(command, err=as_json),
    )
    report = {
        "runs": [dataclasses.asdict(run) for run in runs],
        "rounds": rounds,
        "delegate": "XNNPACK",
        "phone": phone_model(),
        "date": _surroundings()["date"],
        "note": PHONE_NOTE,
    }
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False, indent=2))
        return
    click.echo(f"\n{report['phone']}, benchmark_model with XNNPACK, {report['date']}")
    _print_runs(runs)
    for run in runs:
        _print_phone_ops(run)


def _print_runs(runs):
    width = _width(runs)
    columns = ("avg_ms", "min_ms", "max_ms", "std_ms", "init_ms", "first_ms")
    titles = "".join(f"{column.replace('_', ' '):>10}" for column in columns)
    click.echo(f"\n{'Files':{width + 2}}{'threads':>8}{'runs':>6}{titles}{'MB':>8}")
    for run in runs:
        values = [getattr(run.timing, column) for column in columns]
        cells = "".join(f"{_cell(value, '.3f'):>10}" for value in values)
        click.echo(
            f"  {run.name:{width}}{run.threads:8}{_cell(run.timing.runs, 'd'):>6}"
            f"{cells}{_cell(run.timing.memory_mb, '.1f'):>8}"
        )


def _print_phone_ops(run):
    title = f"{run.name}, {_threads(run.threads)}: operations"
    click.echo(f"\n{title:50}{'count':>7}{'avg ms':>10}{'%':>8}")
    for kind in run.timing.ops:
        click.echo(
            f"  {kind.op:48}{kind.count:7}{kind.avg_ms:10.3f}{kind.percent:8.2f}"
        )


def _cell(value, form):
    return "-" if value is None else format(value, form)


# === Both


def _width(rows):
    return max(len(row.name) for row in rows) + 2


def _threads(count):
    return f"{count} thread" if count == 1 else f"{count} threads"
