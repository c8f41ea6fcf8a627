"""Runs .tflite files in LiteRT: the same lines on each machine.

    python infer.py FOLDER KERNELS NAME...

reads NAME.tflite and NAME.inputs.npz, which has an array of rows for each of the file's
inputs, in its own order, and writes NAME.outputs.npz alike. The kernels are "xnnpack",
as LiteRT comes, or "builtin", TFLite's own alone. It needs NumPy and LiteRT.
"""

import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

KERNELS = {
    "xnnpack": OpResolverType.AUTO,
    "builtin": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}


def infer(path, kernels, inputs):
    """For each output of a .tflite an array with as many rows as each of the inputs."""
    interpreter = Interpreter(
        str(path),
        num_threads=1,
        experimental_op_resolver_type=KERNELS[kernels],
    )
    interpreter.allocate_tensors()
    takes = [details["index"] for details in interpreter.get_input_details()]
    gives = [details["index"] for details in interpreter.get_output_details()]
    rows = []
    for row in zip(*inputs, strict=True):
        for number, value in zip(takes, row, strict=True):
            interpreter.set_tensor(number, value)
        interpreter.invoke()
        rows.append([interpreter.get_tensor(number) for number in gives])
    return [np.stack(output) for output in zip(*rows, strict=True)]


def main():
    folder, kernels = Path(sys.argv[1]), sys.argv[2]
    for name in sys.argv[3:]:
        with np.load(folder / f"{name}.inputs.npz") as arrays:
            inputs = list(arrays.values())
        outputs = infer(folder / f"{name}.tflite", kernels, inputs)
        np.savez(folder / f"{name}.outputs.npz", *outputs)


if __name__ == "__main__":
    main()
