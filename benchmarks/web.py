"""How soon the page of `squeezebert web` answers, and whether it is right.

    pip install playwright
    python benchmarks/web.py demo-output/model-mixed.tflite

Each round is a browser that has never seen the page. It types at once; the first answer
is timed from the start of the navigation until it stands in the page. Keystrokes are
queries of CLINC150, each timed from its key until the answer stands in the page, and
until the screen has been painted with it. Chromium is headless; server and browser
share this machine. At the end the page's labels of many queries are compared with those
that LiteRT gives in Python.
"""

import contextlib
import functools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import numpy as np

from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.files import write_json
from keras_squeezebert.tflite import LiteRTModel

# In the page: when keys were pressed, and when their answers stood there.
WATCH = """
window.timings = { first: null, answers: [], paints: [] };
let key = null;
addEventListener("input", (event) => (key = event.timeStamp), true);
addEventListener("DOMContentLoaded", () => {
  const answer = document.getElementById("answer");
  new MutationObserver(() => {
    if (!answer.hidden) timings.first ??= performance.now();
    if (key === null || answer.ariaBusy !== "false") return;
    const since = key;
    key = null;
    timings.answers.push(performance.now() - since);
    requestAnimationFrame(() => {
      setTimeout(() => timings.paints.push(performance.now() - since));
    });
  }).observe(answer, { attributes: true });
});
"""
# In the page, too: the labels of texts by the model that it was served.
CLASSIFY = """async (texts) => {
  const { RemoteClassifier } = await import("/squeezebert/remote_classifier.js");
  const model = await (await fetch("/squeezebert/model.tflite")).blob();
  const classifier = await RemoteClassifier.open(new File([model], "model.tflite"));
  const labels = [];
  for (const text of texts) {
    const { answer } = await classifier.classify(text);
    labels.push(answer.scores[0].label);
  }
  classifier.close();
  return labels;
}"""
CHROMIUM_OPTIONS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update"),
    "--disable-sync",
)


@contextlib.contextmanager
def served(model):
    """The page's address while `squeezebert web` runs."""
    command = [Path(sys.executable).with_name("squeezebert"), "web", model]
    process = subprocess.Popen(
        [*command, "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield process.stdout.readline().split()[1]
    finally:
        process.terminate()
        process.wait()


def visit(browser, url, queries):
    """Timings of a browser's first visit by their names, in ms."""
    context = browser.new_context()
    tab = context.new_page()
    tab.add_init_script(WATCH)
    tab.goto(url, wait_until="commit")
    tab.locator("#text").press_sequentially("set a timer")
    answer = tab.locator("#answer[aria-busy=false]")
    answer.wait_for()
    first = tab.evaluate("() => timings.first")
    own = []
    tab.evaluate("() => Object.assign(timings, { answers: [], paints: [] })")
    for query in queries:
        tab.fill("#text", "")
        for letter in query:
            tab.keyboard.type(letter)
            answer.wait_for(state="attached")
            cost = tab.inner_text("#cost") or "0 ms"
            own.append(float(cost.split()[-2].replace(",", "")))
    timings = tab.evaluate("() => timings")
    context.close()
    return {
        "first answer": [first],
        "keystroke to answer": timings["answers"],
        "keystroke to paint": timings["paints"],
        "tokenizer and model": own,
    }


def equal_labels(browser, url, model, texts):
    """How many texts the page gives the label that LiteRT gives them in Python."""
    tab = browser.new_page()
    tab.goto(url)
    labels = tab.evaluate(CLASSIFY, texts)
    tab.close()
    litert = LiteRTModel(model)
    best = litert.predict(texts)["logits"].argmax(-1)
    expected = [litert.config.id2label[i] for i in best.tolist()]
    return sum(a == b for a, b in zip(labels, expected, strict=True))


def summary(values):
    """Median, 95th percentile and largest."""
    return {
        "median": float(np.median(values)),
        "p95": float(np.quantile(values, 0.95)),
        "max": float(max(values)),
        "count": len(values),
    }


def print_table(model, results):
    megabytes = Path(model).stat().st_size / 1e6
    click.echo(f"\n{model}, {megabytes:.1f} MB")
    click.echo(f"  {'ms':24}{'median':>8}{'p95':>8}{'max':>8}{'count':>8}")
    for name, row in results.items():
        click.echo(
            f"  {name:24}{row['median']:8.1f}{row['p95']:8.1f}{row['max']:8.1f}"
            f"{row['count']:8}"
        )


@click.command(help=__doc__)
@click.argument("models", nargs=-1, required=True, type=click.Path(exists=True))
@click.option("--rounds", default=5, show_default=True, help="New browsers.")
@click.option("--queries", default=4, show_default=True, help="Typed in each.")
@click.option("--compare", default=1100, show_default=True, help="Queries to compare.")
@click.option("--json", "json_path", help="Where to write the figures.")
def main(models, rounds, queries, compare, json_path):
    from playwright.sync_api import sync_playwright

    from keras_squeezebert.data import load_clinc150

    texts = load_clinc150("test").texts
    results = {}
    with sync_playwright() as playwright:
        launch = functools.partial(
            playwright.chromium.launch,
            executable_path=shutil.which("chromium"),
            args=CHROMIUM_OPTIONS,
        )
        for model in models:
            visits = []
            with served(model) as url:
                for i in range(rounds):
                    browser = launch()
                    typed = texts[i * 250 :: 50][:queries]
                    visits.append(visit(browser, url, typed))
                    browser.close()
                browser = launch()
                chosen = texts[:: len(texts) // compare][:compare]
                equal = equal_labels(browser, url, model, chosen)
                version = browser.version
                browser.close()
            results[model] = {
                name: summary(np.concatenate([visit[name] for visit in visits]))
                for name in visits[0]
            }
            print_table(model, results[model])
            click.echo(f"  {equal} of {len(chosen)} labels equal LiteRT's in Python")
            results[model]["equal labels"] = [equal, len(chosen)]
    around = surroundings()
    around["versions"]["chromium"] = version
    around = {name: around[name] for name in ("machine", "versions", "date")}
    click.echo(json.dumps(around))
    if json_path:
        write_json(json_path, {"models": results, **around})


if __name__ == "__main__":
    main()
