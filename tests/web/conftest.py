"""A browser, the page's server, and tiny models that it serves."""

import contextlib
import functools
import shutil
import threading
import time
from pathlib import Path

import pytest
from every_head import letters
from the_page import visit
from tiny import ONE_LAYER, make_inputs, make_model

from keras_squeezebert.cli.serve import listening_socket
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware
from keras_squeezebert.web.litert_js import arrange

ROOT = Path(__file__).parents[2]
SEQ = 16
LABELS = ["red", "orange", "yellow", "green", "blue", "indigo", "violet", "λευκό"]
ARCHITECTURE = "SqueezeBertForSequenceClassification"
# As root, and where there is no network but this machine's own.
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


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
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed"
    )
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("chromium is not on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=CHROMIUM_OPTIONS
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(litert_js):
    """A function from a model to a context in which the page is at an address."""
    uvicorn = pytest.importorskip("uvicorn", reason="the extra `serve` is missing")
    from keras_squeezebert.web.app import PREFIX, web_app

    @contextlib.contextmanager
    def served(model):
        listener = listening_socket("127.0.0.1", 0)
        config = uvicorn.Config(
            web_app(model, litert_js),
            log_level="error",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}/"
        finally:
            server.should_exit = True
            thread.join()

    return served


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
