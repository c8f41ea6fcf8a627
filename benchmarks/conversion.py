"""Loading a checkpoint of the full size, here and in transformers: time and memory.

    python benchmarks/conversion.py

Each load is a process of its own, and they take turns; read the ratios. transformers
maps the file into memory and reads a weight when it is first used, so that the time
to the first prediction is told too. Needs the extra `torch`, and Linux.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import click
from tqdm import tqdm

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
LIBRARIES = ("keras_squeezebert", "transformers")


def write_checkpoints(folder, num_layers):
    """A random masked-LM model in both forms; returns the bytes of one."""
    import torch
    import transformers

    config = transformers.SqueezeBertConfig(num_hidden_layers=num_layers)
    model = transformers.SqueezeBertForMaskedLM(config)
    for name in WEIGHTS:
        (folder / name).mkdir()
        config.save_pretrained(folder / name)
    model.save_pretrained(folder / WEIGHTS[0])
    torch.save(model.state_dict(), folder / WEIGHTS[1] / WEIGHTS[1])
    return (folder / WEIGHTS[0] / WEIGHTS[0]).stat().st_size


def measure(library, folder):
    """Loads a model in this process and tells what it took."""
    load, predict = globals()[f"prepare_{library}"]()
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    started = time.perf_counter()
    model = load(folder)
    loaded = time.perf_counter()
    peak = memory("VmHWM")
    predict(model)
    predicted = time.perf_counter()
    gc.collect()
    return {
        "seconds": loaded - started,
        "seconds to the first prediction": predicted - started,
        "peak above the loaded model, bytes": max(0, peak - memory("VmRSS")),
    }


def prepare_keras_squeezebert():
    import numpy as np
    import torch  # noqa: F401  which a .bin needs, and transformers has loaded

    from keras_squeezebert import SqueezeBertForMaskedLM

    ids = np.ones((1, 8), "int32")
    inputs = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ids)
    return SqueezeBertForMaskedLM.from_pretrained, lambda model: model(inputs)


def prepare_transformers():
    import torch
    from transformers import SqueezeBertForMaskedLM, logging

    logging.disable_progress_bar()

    @torch.no_grad()
    def predict(model):
        model(torch.ones((1, 8), dtype=torch.long))

    return SqueezeBertForMaskedLM.from_pretrained, predict


def memory(field):
    """A line of this process's memory accounts, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def measure_apart(library, folder):
    """As :func:`measure`, in a process of its own, whose whole time is added."""
    started = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, __file__, "--child", library, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    whole = time.perf_counter() - started
    return {**json.loads(finished.stdout), "seconds of the whole process": whole}


@click.command(help=__doc__)
@click.option("--rounds", default=5, show_default=True, help="Turns of each load.")
@click.option("--layers", default=12, show_default=True, help="Encoder layers.")
@click.option("--child", nargs=2, hidden=True)
def main(rounds, layers, child):
    if child:
        library, folder = child
        click.echo(json.dumps(measure(library, folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        size = write_checkpoints(Path(folder), layers)
        loads = [(library, name) for name in WEIGHTS for library in LIBRARIES]
        runs = {load: [] for load in loads}
        for _ in tqdm(range(rounds)):
            for library, name in loads:
                runs[library, name].append(measure_apart(library, Path(folder, name)))
    click.echo(f"A masked-LM model of {layers} layers, {size / 1e6:.0f} MB.")
    for name in WEIGHTS:
        click.echo(f"\n{name:40}" + "".join(f"{x:>20}" for x in LIBRARIES))
        for figure in runs[loads[0]][0]:
            values = [
                median(run[figure] for run in runs[library, name])
                for library in LIBRARIES
            ]
            if figure.endswith("bytes"):
                figure = "peak above the loaded model, of the file"
                values = [value / size for value in values]
            click.echo(f"{figure:40}" + "".join(f"{x:20.2f}" for x in values))


if __name__ == "__main__":
    main()
