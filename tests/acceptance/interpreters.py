"""LiteRT in Python, with every way of running a graph that a machine like this has."""

import os
from ctypes.util import find_library
from pathlib import Path

import numpy as np
from ai_edge_litert.compiled_model import CompiledModel
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
from ai_edge_litert.interpreter import Interpreter, OpResolverType

SIGNATURE = "serving_default"
KERNELS = {
    "LiteRT, XNNPACK": OpResolverType.AUTO,
    "LiteRT, without delegates": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    "LiteRT, reference kernels": OpResolverType.BUILTIN_REF,
}


def interpreted(path, rows, kernels):
    """Outputs of the Interpreter for rows of ids."""
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=KERNELS[kernels], num_threads=1
    )
    run = interpreter.get_signature_runner(SIGNATURE)
    return [next(iter(run(**row).values()))[0] for row in rows]


# A Vulkan on the processor, which comes with Debian's Chromium, but without its loader.
SOFTWARE_GPU = Path("/usr/lib/chromium/vk_swiftshader_icd.json")


def has_software_gpu():
    """Whether the software GPU can be asked: Debian's chromium and libvulkan1."""
    return SOFTWARE_GPU.exists() and find_library("vulkan") is not None


def compiled(path, rows, accelerator="CPU"):
    """Outputs of the CompiledModel, the API that is to follow the Interpreter.

    With the accelerator GPU nothing of the graph is left to the CPU: LiteRT says so.
    """
    if accelerator == "GPU":
        os.environ["VK_ICD_FILENAMES"] = str(SOFTWARE_GPU)
    model = CompiledModel.from_file(
        str(path), hardware_accel=HardwareAccelerator[accelerator]
    )
    ports = model.get_signature_list()[SIGNATURE]
    inputs = {
        name: model.create_input_buffer_by_name(SIGNATURE, name)
        for name in ports["inputs"]
    }
    (output,) = ports["outputs"]
    result = model.create_output_buffer_by_name(SIGNATURE, output)
    details = model.get_output_tensor_details(SIGNATURE)[output]
    outputs = []
    for row in rows:
        for name, buffer in inputs.items():
            buffer.write(row[name][0])
        model.run_by_name(SIGNATURE, inputs, {output: result})
        outputs.append(result.read(int(np.prod(details["shape"])), np.float32))
    return outputs
