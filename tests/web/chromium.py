"""Headless Chromium, and the server of `squeezebert web`, for tests."""

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator

import uvicorn

from keras_squeezebert.cli.serve import listening_socket
from keras_squeezebert.web.app import PREFIX

# As root, and where there is no network but this machine's own.
_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
]


def chromium_path() -> str | None:
    """Where Chromium is, None if it is not."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextlib.contextmanager
def chromium() -> Iterator:
    """Yields playwright's `Browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=_OPTIONS
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def served(app) -> Iterator[str]:
    """Yields the address of the page that a `web_app` serves."""
    listener = listening_socket("127.0.0.1", 0)
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
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
