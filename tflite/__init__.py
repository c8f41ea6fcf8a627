"""The way to the phone: export to .tflite, look into the file, run it.

Installed as `keras_squeezebert.tflite`; import it by that name.
"""

import importlib

_QUANTIZATION = "keras_squeezebert.quantization"
_HOME = {
    "ExportError": f"{__name__}.op_list",
    "LiteRTModel": f"{__name__}.interpreter",
    "LiteRTTextModel": f"{__name__}.text_interpreter",
    "Metadata": f"{__name__}.metadata",
    "Quantizer": f"{_QUANTIZATION}.scheme",
    "Scheme": f"{_QUANTIZATION}.scheme",
    "benchmark_tflite": f"{__name__}.benchmark",
    "calibrate": f"{_QUANTIZATION}.calibrate",
    "export_stand_in": f"{__name__}.stand_ins",
    "export_tflite": f"{__name__}.export",
    "inspect_tflite": f"{__name__}.inspection",
    "layer_errors": f"{__name__}.comparison",
    "profile_tflite": f"{__name__}.profile",
    "quantize_aware": f"{_QUANTIZATION}.quantize_aware",
    "read_ops": f"{__name__}.op_list",
}

__all__ = list(_HOME)


def __getattr__(name):
    # Running a .tflite needs no TensorFlow: LiteRTModel must not wait for it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
