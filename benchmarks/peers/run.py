"""Runs Hugging Face's classifiers in ONNX Runtime and PyTorch, for `elsewhere.start`.

FOLDER holds the files that export.py writes.
"""

from functools import partial
from pathlib import Path

import click
import onnxruntime
import torch
from classifiers import EVERYWHERE, classifier, path_of, random_inputs
from elsewhere import serve


def onnx_form(path, inputs, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Or its threads would spin on, into the turns of others.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = onnxruntime.InferenceSession(path, options)
    arrays = {name: ids.numpy() for name, ids in inputs.items()}
    return partial(session.run, None, arrays)


def torch_form(name, inputs):
    model = classifier(name)

    @torch.inference_mode()
    def run():
        return model(**inputs)

    return run


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.option("--seq", default=128, show_default=True, help="Tokens of the text.")
@click.option("--threads", default=1, show_default=True, help="Threads of each.")
def main(folder, seq, threads):
    torch.set_num_threads(threads)
    inputs = {name: random_inputs(name, seq) for name in EVERYWHERE}
    forms = {
        f"ONNX Runtime, {name}, {precision}": onnx_form(
            path_of(folder, name, precision, seq, ".onnx"), inputs[name], threads
        )
        for name in EVERYWHERE
        for precision in ("float32", "dynamic_int8")
    }
    for name in EVERYWHERE:
        forms[f"PyTorch, {name}, float32"] = torch_form(name, inputs[name])
    serve(forms)


if __name__ == "__main__":
    main()
