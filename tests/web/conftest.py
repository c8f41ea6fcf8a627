"""A browser, the page's server, and tiny models that it serves."""

import contextlib
import functools
from pathlib import Path

import pytest
from chromium import chromium, chromium_path, served
from every_head import letters
from the_page import visit
from tiny import ONE_LAYER, make_inputs, make_model

from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware
from keras_squeezebert.web.app import web_app
from keras_squeezebert.web.litert_js import arrange

ROOT = Path(__file__).parents[2]
SEQ = 16
LABELS = ["red", "orange", "yellow", "green", "blue", "indigo", "violet", "λευκό"]
ARCHITECTURE = "SqueezeBertForSequenceClassification"


@pytest.fixture(scope="session")
def node_modules():
    """What `npm ci` has put into web/."""
    folder = ROOT / "web" / "node_modules"
    if not folder.is_dir():
        pytest.skip("web/node_modules is not there: npm ci --ignore-scripts in web/")
    return folder


@pytest.fixture(scope="session")
def litert_js(node_modules, tmp_path_factory):
    folder = tmp_path_factory.mktemp("litert-js")
    arrange(node_modules.parent, folder)
    return folder


@pytest.fixture(scope="session")
def browser():
    pytest.importorskip("playwright", reason="playwright is not installed")
    if chromium_path() is None:
        pytest.skip("chromium is not on the PATH")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def serve(litert_js):
    """A function from a model to a context in which the page is at an address."""
    return lambda model: served(web_app(model, litert_js))


@pytest.fixture(scope="session")
def tflite(tmp_path_factory):
    """A function from a scheme to a Keras model and its .tflite."""
    folder = tmp_path_factory.mktemp("models")
    config = ONE_LAYER.replace(id2label=dict(enumerate(LABELS)))

    @functools.cache
    def made(scheme):
        model = make_model(ARCHITECTURE, config)
        if scheme in SCHEMES:
            model = quantize_aware(model, scheme)
            calibrate(model, [make_inputs(8, SEQ, config=config)], progress=False)
        path = export_tflite(
            *(model, folder / f"{scheme}.tflite", SEQ),
            quantization=scheme,
            tokenizer=letters(),
        )
        return model, path

    return made


@pytest.fixture(scope="session")
def stars(tmp_path_factory):
    """A .tflite that gives texts a number, two texts at a time."""
    model = make_model(ARCHITECTURE, ONE_LAYER.replace(id2label={0: "stars"}))
    path = tmp_path_factory.mktemp("stars") / "stars.tflite"
    return export_tflite(model, path, SEQ, batch_size=2, tokenizer=letters())


@pytest.fixture
def open_page(browser):
    """A function from an address to a `Page` there, in a browser that knows nothing."""
    with contextlib.ExitStack() as visits:
        yield lambda url, **options: visits.enter_context(
            visit(browser, url, **options)
        )
