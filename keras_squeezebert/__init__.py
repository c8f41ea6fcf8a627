"""SqueezeBERT in Keras 3: from raw text to a phone-ready .tflite.

The names below are Hugging Face's. Each is imported when it is first used, so that
`squeezebert --help` and the Rust tokenizer need not wait for Keras.
"""

import importlib
import os
import sys

__version__ = "0.1.0"

_HOME = {
    "InputError": "errors",
    "SqueezeBertConfig": "config",
    "SqueezeBertForMaskedLM": "models",
    "SqueezeBertForMultipleChoice": "models",
    "SqueezeBertForQuestionAnswering": "models",
    "SqueezeBertForSequenceClassification": "models",
    "SqueezeBertForTokenClassification": "models",
    "SqueezeBertModel": "models",
    "SqueezeBertTokenizer": "tokenizers",
    "SqueezeBertTokenizerFast": "tokenizers",
    "prune_word_pieces": "models",
    "text_model": "models",
}

__all__ = list(_HOME)

# In a checkout `converters/` and `tflite/` lie beside this folder, and setup.py maps
# them into it; an installed package holds them already.
if not os.path.isdir(os.path.join(__path__[0], "tflite")):
    __path__.append(os.path.dirname(__path__[0]))


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *__all__])


# Keras finds the classes of a `.keras` file by their registration. Where Keras is in
# use already they are imported here; the command line's help does not wait for them.
if "keras" in sys.modules:
    importlib.import_module(f"{__name__}.models")
if sys.modules.get("tensorflow"):  # None: kept from being imported
    importlib.import_module(f"{__name__}.tokenizers.tokenizer")
