"""LiteRT.js and MediaPipe in headless Chromium: texts to labels and scores."""

import sys
import tempfile
from pathlib import Path

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from keras_squeezebert.web.app import web_app
from keras_squeezebert.web.litert_js import arrange

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "web"))

from chromium import chromium, served  # noqa: E402

WEB = HERE.parents[1] / "web"
MEDIAPIPE = HERE / "node_modules" / "@mediapipe" / "tasks-text"
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
    with tempfile.TemporaryDirectory() as folder:
        arrange(WEB, Path(folder))
        app = web_app(path, Path(folder))
        app.routes.insert(0, Mount("/tasks-text", StaticFiles(directory=MEDIAPIPE)))
        with served(app) as url, chromium() as browser:
            # The page's policy does not allow what MediaPipe generates.
            page = browser.new_context(bypass_csp=True).new_page()
            page.goto(url)
            return page.evaluate(script, texts)
