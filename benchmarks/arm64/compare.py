"""Runs .tflite files on emulated ARM64 processors and compares with this machine.

    benchmarks/arm64/setup
    python benchmarks/arm64/compare.py [FILE]...

Without files, tiny models of every head in every form are exported and run. Both sides
get the same random inputs and have the same LiteRT. The exit code is 1 if a file is
further off than `LIMITS`. docs/phone.md tells the results.
"""

import json
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions, version
from pathlib import Path

import click
import numpy as np

import keras_squeezebert
from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware
from keras_squeezebert.tflite.benchmark import load, random_values, read_inputs
from keras_squeezebert.tflite.graph_file import read_graph
from keras_squeezebert.tflite.stand_ins import read_form

HERE = Path(__file__).parent
MACHINE = HERE / ".arm64"
# None has more than the next: no dot products of int8, dot products, products of int8
# matrices, and all that qemu knows.
CPUS = ("cortex-a53", "cortex-a76", "cortex-a710", "max")

# The form for TFLite's own kernels, which then run it.
REFERENCE = "float32, reference"


@dataclass(frozen=True)
class Limits:
    """How far a file's outputs on ARM64 may be from those on this machine."""

    largest: float  # difference of two values
    mean_steps: float  # of int8, see `Difference`
    agreement: float  # share of equal argmax


# Integers are rounded by other instructions there, and each layer adds to it.
LIMITS = {
    "float": Limits(largest=1e-5, mean_steps=0.01, agreement=1.0),
    "int8": Limits(largest=np.inf, mean_steps=8.0, agreement=0.9),
}


@dataclass(frozen=True)
class Difference:
    """One file on one processor, against this machine.

    Attributes:
        largest: The largest difference of two values.
        mean_steps: The mean one in steps of int8: those of the file's codes, or 1/255
            of the range of outputs that were floats all along.
        agreement: Share of the positions where the argmax is the same.
    """

    cpu: str
    group: str
    file: str
    largest: float
    mean_steps: float
    agreement: float
    is_close: bool


# === Files


def tiny_files(folder: Path) -> dict[str, list[Path]]:
    """Every head by its form, with random weights."""
    groups = {}
    config = SqueezeBertConfig(
        vocab_size=101,
        hidden_size=96,
        num_hidden_layers=1,
        num_attention_heads=4,
        intermediate_size=192,
        max_position_embeddings=16,
        q_groups=2,
        k_groups=3,
        v_groups=4,
        post_attention_groups=6,
        intermediate_groups=8,
        output_groups=12,
        id2label={0: "a", 1: "b", 2: "c"},
    )
    heads = [name for name in keras_squeezebert.__all__ if "BertFor" in name]
    for head in heads:
        model = getattr(keras_squeezebert, head)(config)
        _randomize(model)
        choices = {"num_choices": 3} if head.endswith("MultipleChoice") else {}
        for form, (exported, options) in _forms(model, (8, *choices.values())).items():
            path = folder / f"{head}-{form.replace(', ', '-')}.tflite"
            export_tflite(exported, path, 16, **options, **choices)
            groups.setdefault(form, []).append(path)
    return groups


def _randomize(model):
    """Makes weights so large that each of them matters."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        noise = rng.standard_normal(variable.shape)
        fan_in = np.prod(variable.shape[:-1]) if variable.name == "kernel" else 30
        variable.assign(noise / np.sqrt(fan_in) + (variable.name == "gamma"))


def _forms(model, rows):
    """What to export, and how, by the name of the form."""
    calibrated = {}
    rng = np.random.default_rng(0)
    ids = rng.integers(model.config.vocab_size, size=(*rows, 16), dtype="int32")
    inputs = {
        "input_ids": ids,
        "attention_mask": np.ones_like(ids),
        "token_type_ids": ids % 2,
    }
    for scheme in ("mixed", "int8"):
        calibrated[scheme] = quantize_aware(model, scheme)
        calibrate(calibrated[scheme], [inputs], progress=False)
    return {
        "float32": (model, {}),
        REFERENCE: (model, {"runtime": "reference"}),
        "float16": (model, {"quantization": "float16"}),
        "dynamic_ptq": (model, {"quantization": "dynamic_ptq"}),
        "mixed": (calibrated["mixed"], {}),
        "int8": (calibrated["int8"], {"output_type": "int8"}),
    }


def write_inputs(folder: Path, paths: Sequence[Path], rows: int) -> None:
    """Random inputs for each file; the ends of most rows are masked."""
    for path in paths:
        entries, rng = read_inputs(path), np.random.default_rng(0)
        values = [random_values(entries, seed) for seed in range(rows)]
        arrays = [np.stack(column) for column in zip(*values, strict=True)]
        for entry, array in zip(entries, arrays, strict=True):
            if entry.name == "attention_mask":
                lengths = rng.integers(1, array.shape[-1] + 1, array.shape[:-1])
                array[:] = np.arange(array.shape[-1]) < lengths[..., None]
        np.savez(folder / f"{path.stem}.inputs.npz", *arrays)


# === Runs


def kernels_of(group: str) -> str:
    """What runs a group of files, as `infer.py` has it: what they were made for."""
    return "builtin" if group == REFERENCE else "xnnpack"


def run_here(folder: Path, names: Sequence[str], kernels: str = "xnnpack") -> None:
    _run([sys.executable], folder, names, kernels)


def run_on_arm64(
    folder: Path, names: Sequence[str], cpu: str, kernels: str = "xnnpack"
) -> Counter:
    """Runs files on a processor of qemu's, and counts the instructions met."""
    log = folder / "instructions.log"
    python = MACHINE / "usr/bin/python3.11"
    qemu = [MACHINE / "qemu-aarch64", "-cpu", cpu, "-L", MACHINE]
    packages = ["-E", f"PYTHONPATH={MACHINE / 'packages'}"]
    _run([*qemu, *packages, "-d", "in_asm", "-D", log, python], folder, names, kernels)
    return count_instructions(log)


def _run(python, folder, names, kernels):
    script = [HERE / "infer.py", folder, kernels, *names]
    command = [*map(str, python), *map(str, script)]
    finished = subprocess.run(command, capture_output=True, text=True)
    if finished.returncode:
        raise click.ClickException(
            f"{' '.join(command)} failed:\n{finished.stderr.strip()[-2000:]}"
        )


# What kernels multiply with: int8 in dot products (ARMv8.2), as matrices (i8mm), and in
# a matrix unit (SME); floats, and in such a unit; floats of 16 bits.
INSTRUCTIONS = ("sdot", "smmla", "smopa", "fmla", "fmopa", "half")


def count_instructions(log: Path) -> Counter:
    """How many places of the code that ran hold each of `INSTRUCTIONS`."""
    code = log.read_text(errors="replace")
    found = re.findall(r" (sdot|smmla|smopa|fmla|fmopa) +\S+\.\d*([shd]),", code)
    return Counter("half" if size == "h" else name for name, size in found)


# === Comparison


def read_outputs(folder: Path, names: Sequence[str]) -> dict[str, list[np.ndarray]]:
    outputs = {}
    for name in names:
        with np.load(folder / f"{name}.outputs.npz") as arrays:
            outputs[name] = list(arrays.values())
    return outputs


def code_steps(path: Path) -> list[float | None]:
    """For each output how far two codes of int8 are apart; None of floats."""
    tensors, ops = read_graph(path).subgraphs[0]
    sources = {op.outputs[0]: op.inputs[0] for op in ops if op.name == "DEQUANTIZE"}
    steps = []
    for details in load(path, threads=1).get_output_details():
        number = details["index"]
        if tensors[number].dtype == "INT8":
            steps.append(1.0)
        elif number in sources:
            steps.append(float(tensors[sources[number]].scales[0]))
        else:
            steps.append(None)
    return steps


def difference(actual, expected, cpu, group, path) -> Difference:
    """Of one file's outputs there and here."""
    largest, means, equal = [], [], []
    for there, here, step in zip(actual, expected, code_steps(path), strict=True):
        there, here = there.astype("float64"), here.astype("float64")
        error = np.abs(there - here)
        largest.append(error.max())
        means.append(error.mean() / (step or np.ptp(here) / 255))
        equal.append(np.mean(there.argmax(-1) == here.argmax(-1)))
    is_float = read_form(path).quantization in ("float32", "float16")
    limits = LIMITS["float" if is_float else "int8"]
    found = float(max(largest)), float(max(means)), float(np.mean(equal))
    is_close = (
        found[0] <= limits.largest
        and found[1] <= limits.mean_steps
        and found[2] >= limits.agreement
    )
    return Difference(cpu, group, path.stem, *found, is_close)


def compare(groups, folder, cpus, rows):
    """Yields a processor and a group at a time: differences, and instructions met."""
    expected = {}
    for group, paths in groups.items():
        names = [path.stem for path in paths]
        for path in paths:
            target = folder / path.name
            if not target.exists():
                target.symlink_to(path.resolve())
        write_inputs(folder, paths, rows)
        run_here(folder, names, kernels_of(group))
        expected |= read_outputs(folder, names)
    for cpu in cpus:
        for group, paths in groups.items():
            names = [path.stem for path in paths]
            instructions = run_on_arm64(folder, names, cpu, kernels_of(group))
            actual = read_outputs(folder, names)
            yield (
                [
                    difference(actual[path.stem], expected[path.stem], cpu, group, path)
                    for path in paths
                ],
                instructions,
            )


def versions() -> dict[str, str]:
    """What ran where.

    Raises:
        InputError: There is no machine, or its packages are not those of this one.
    """
    if not MACHINE.exists():
        raise InputError(f"First run {HERE / 'setup'}")
    found = {"machine": platform.machine()}
    for package in distributions(path=[str(MACHINE / "packages")]):
        found[package.name] = package.version
        if package.version != version(package.name):
            raise InputError(
                f"Here is {package.name} {version(package.name)}; run {HERE / 'setup'} "
                f"again. Received: {package.version}"
            )
    command = [MACHINE / "qemu-aarch64", "--version"]
    qemu = subprocess.run(command, capture_output=True, text=True, check=True)
    return {**found, "qemu": qemu.stdout.split()[2]}


def print_titles():
    titles = (
        f"{'processor':12}{'form':26}{'files':>6}{'largest':>10}{'steps':>8}{'same':>8}"
    )
    print(titles + "".join(f"{name:>6}" for name in INSTRUCTIONS))


def print_row(differences, instructions):
    first = differences[0]
    print(
        f"{first.cpu:12}{first.group:26.25}{len(differences):>6}"
        f"{max(d.largest for d in differences):10.1e}"
        f"{max(d.mean_steps for d in differences):8.4f}"
        f"{np.mean([d.agreement for d in differences]):8.2%}"
        + "".join(f"{instructions[name]:>6}" for name in INSTRUCTIONS),
        flush=True,
    )


@click.command(help=__doc__)
@click.argument("files", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--cpu", "cpus", multiple=True, default=CPUS, help="As qemu names it.")
@click.option("--rows", default=32, show_default=True, help="Inputs of each file.")
@click.option("--json", "json_path", type=click.Path(path_type=Path))
def main(files, cpus, rows, json_path):
    try:
        far = report(files, cpus, rows, json_path)
    except InputError as error:
        raise click.ClickException(str(error)) from None
    for item in far:
        print(f"Too far: {item}")
    sys.exit(bool(far))


def report(files, cpus, rows, json_path) -> list[Difference]:
    """Prints and writes what `main` is asked for; returns what is too far off."""
    found = versions()
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    differences, instructions = [], []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        groups = {path.name: [path] for path in files} or tiny_files(folder)
        print_titles()
        for of_group, counts in compare(groups, folder, cpus, rows):
            print_row(of_group, counts)
            differences += of_group
            names = {"cpu": of_group[0].cpu, "group": of_group[0].group}
            instructions.append({**names, **counts})
    if json_path:
        content = {
            "versions": found,
            "differences": [asdict(item) for item in differences],
            "instructions": instructions,
        }
        json_path.write_text(json.dumps(content, indent=1) + "\n")
    return [item for item in differences if not item.is_close]


if __name__ == "__main__":
    main()
