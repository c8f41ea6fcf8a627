"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import pytest

import keras_squeezebert
import keras_squeezebert.converters
import keras_squeezebert.tflite
import keras_squeezebert.web

# By the names they are installed under: `converters/` imported as a package of its
# own would register its classes a second time.
PACKAGES = [
    ("keras_squeezebert.", keras_squeezebert.__path__[0]),
    ("keras_squeezebert.converters.", keras_squeezebert.converters.__path__[0]),
    ("keras_squeezebert.tflite.", keras_squeezebert.tflite.__path__[0]),
    ("keras_squeezebert.web.", keras_squeezebert.web.__path__[0]),
]
MODULES = sorted(
    module.name
    for prefix, folder in PACKAGES
    for module in pkgutil.walk_packages([folder], prefix)
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def test_the_modules_are_found():
    assert "keras_squeezebert.layers.grouped_conv" in MODULES
    assert "keras_squeezebert.tflite.export" in MODULES
    assert "keras_squeezebert.converters.key_table" in MODULES


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    results = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert results.failed == 0


def public_objects():
    packages = [
        keras_squeezebert,
        importlib.import_module("keras_squeezebert.layers"),
        keras_squeezebert.converters,
        keras_squeezebert.tflite,
    ]
    return {
        name: getattr(package, name) for package in packages for name in package.__all__
    }


@pytest.mark.parametrize(
    "name", ["GroupedConv1D", "SqueezeBertModel", "export_tflite", "SqueezeBertConfig"]
)
def test_public_classes_have_an_example(name):
    assert ">>> " in public_objects()[name].__doc__
