"""Two tokenizers that agree: one inside the graph, one without TensorFlow.

Both are imported when first used, so that the Rust one never waits for TensorFlow.
"""

import importlib

_HOME = {
    "SqueezeBertTokenizer": "tokenizer",
    "SqueezeBertTokenizerFast": "tokenizer_fast",
}

__all__ = list(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *__all__])
