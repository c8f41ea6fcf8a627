"""LiteRT.js and MediaPipe in headless Chromium: texts to labels and scores."""

import contextlib
import shutil
import tempfile
import threading
import time
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from keras_squeezebert.cli.serve import listening_socket
from keras_squeezebert.web.app import PREFIX, web_app
from keras_squeezebert.web.litert_js import arrange

HERE = Path(__file__).parent
WEB = HERE.parents[1] / "web"
MEDIAPIPE = HERE / "node_modules" / "@mediapipe" / "tasks-text"
# As root, and where there is no network but this machine's own.
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
]
LITERT_JS = """
async (texts) => {
  const { Classifier } = await import("./classifier.js");
  const bytes = await (await fetch("model.tflite")).blob();
  const classifier = await Classifier.open(new File([bytes], "model.tflite"));
  const answers = [];
  for (const text of texts) {
    const { answer } = await classifier.classify(text);
    answers.push([answer.scores[0].label, answer.scores[0].score]);
  }
  return answers;
}
"""
MEDIAPIPE_WEB = """
async (texts) => {
  const tasks = await import("/tasks-text/text_bundle.mjs");
  const fileset = await tasks.FilesetResolver.forTextTasks("/tasks-text/wasm");
  const response = await fetch("model.tflite");
  const classifier = await tasks.TextClassifier.createFromOptions(fileset, {
    baseOptions: { modelAssetBuffer: new Uint8Array(await response.arrayBuffer()) },
    maxResults: 1,
  });
  return texts.map((text) => {
    const { categories } = classifier.classify(text).classifications[0];
    return [categories[0].categoryName, categories[0].score];
  });
}
"""


def answers(path, texts, script):
    """What a script says to the texts, in the page of `squeezebert web PATH`."""
    with _served(path) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM_OPTIONS
        )
        # The page's policy allows neither what MediaPipe generates nor its timing.
        page = chromium.new_context(bypass_csp=True).new_page()
        page.goto(url)
        found = page.evaluate(script, texts)
        chromium.close()
    return found


@contextlib.contextmanager
def _served(path):
    with tempfile.TemporaryDirectory() as folder:
        arrange(WEB, Path(folder))
        app = web_app(path, Path(folder))
        app.routes.insert(0, Mount("/tasks-text", StaticFiles(directory=MEDIAPIPE)))
        listener = listening_socket("127.0.0.1", 0)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}/"
        finally:
            server.should_exit = True
            thread.join()
