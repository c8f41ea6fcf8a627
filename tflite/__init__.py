"""The way to the phone: export to .tflite, look into the file, run it.

Installed as `keras_squeezebert.tflite`; import it by that name.
"""

import importlib

_HOME = {
    "ExportError": "op_list",
    "LiteRTModel": "interpreter",
    "export_tflite": "export",
    "read_ops": "op_list",
}

__all__ = list(_HOME)


def __getattr__(name):
    # Running a .tflite needs no TensorFlow: LiteRTModel must not wait for it.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
