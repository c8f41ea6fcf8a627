"""Asks every client what it makes of a model's files, and Keras: `make acceptance`.

The model is the classifier of intents that `squeezebert demo` has trained, exported in
every form; the texts are the first ones of CLINC150's test split. A client that takes
texts uses its own tokenizer, and the label is compared with that of the Keras model
that the file was made of. The Task Library's answers to questions are compared with
those that Keras's logits lead to by the Task Library's rules.

`setup`, beside this file, fetches the clients; what is not there is left out, and said.
"""

import functools
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import browser
import click
import interpreters
import keras
import numpy as np
from chromium import chromium_path
from tqdm import tqdm

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForQuestionAnswering,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import load_clinc150
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.demo.train import SEQUENCE_LENGTH, TASK
from keras_squeezebert.files import write_json
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware
from keras_squeezebert.training import batches

HERE = Path(__file__).parent

GPU = "float32, for the GPU"
# By name what `export_tflite` is asked for.
FORMS = {
    "float32": {"quantization": "float32"},
    GPU: {"quantization": "float32", "runtime": "gpu"},
    "float16": {"quantization": "float16"},
    "dynamic_ptq": {"quantization": "dynamic_ptq"},
    "mixed": {},
    "int8": {},
}
# Of the sentences that a client must label as Keras does. Where kernels round a value
# to another side, one of two labels that are nearly as likely becomes the other; `int8`
# is calibrated here and not trained.
LEAST = {
    **dict.fromkeys(("float32", GPU, "float16"), 0.995),
    "dynamic_ptq": 0.98,
    "mixed": 0.98,
    "int8": 0.9,
}


@dataclass(frozen=True)
class Client:
    """A program that labels texts.

    Attributes:
        name: What it is called.
        answers: From a path and texts to a label and a score for each.
        takes_ids: Whether the ids are those of this package's tokenizers.
        forms: Of the files that it takes.
    """

    name: str
    answers: Callable
    takes_ids: bool
    forms: Collection[str] = tuple(FORMS)


# === Clients


def of_environment(environment, program, *arguments):
    """A client in a process of its own, that of another environment."""

    def answers(path, texts):
        command = [HERE / environment / "bin/python", HERE / program, *arguments, path]
        finished = subprocess.run(
            command, input=json.dumps(texts), capture_output=True, text=True
        )
        if finished.returncode:
            raise click.ClickException(
                f"{program} failed: {finished.stderr.splitlines()[-1]}"
            )
        return json.loads(finished.stdout)

    return answers


def of_interpreter(run, tokenizer, labels, **settings):
    """A client that runs ids in this process."""

    def answers(path, texts):
        rows = [
            tokenizer(text, max_length=SEQUENCE_LENGTH, padding="max_length")
            for text in texts
        ]
        outputs = run(path, rows, **settings)
        return [(labels[scores.argmax()], float(scores.max())) for scores in outputs]

    return answers


def clients(tokenizer, labels):
    """Those that are here, and the names of those that are not."""
    found, missing = [], []
    for name in interpreters.KERNELS:
        run = functools.partial(interpreters.interpreted, kernels=name)
        found.append(Client(name, of_interpreter(run, tokenizer, labels), True))
    run = of_interpreter(interpreters.compiled, tokenizer, labels)
    found.append(Client("LiteRT, CompiledModel", run, True))
    name = "LiteRT on a software GPU"
    if interpreters.has_software_gpu():
        run = functools.partial(interpreters.compiled, accelerator="GPU")
        run = of_interpreter(run, tokenizer, labels)
        found.append(Client(name, run, True, forms=[GPU]))
    else:
        missing.append(name)

    for name, environment, *program in (
        ("MediaPipe", ".mediapipe", "mediapipe_python.py"),
        ("Task Library", ".task-library", "task_library.py", "classify"),
    ):
        if (HERE / environment / "bin/python").exists():
            run = of_environment(environment, *program)
            found.append(Client(name, run, False))
        else:
            missing.append(name)

    if chromium_path() and importlib.util.find_spec("playwright"):
        for name, script, takes_ids in (
            ("LiteRT.js in Chromium", browser.LITERT_JS, True),
            ("MediaPipe in Chromium", browser.MEDIAPIPE_WEB, False),
        ):
            run = functools.partial(browser.answers, script=script)
            found.append(Client(name, run, takes_ids))
    else:
        missing += ["LiteRT.js in Chromium", "MediaPipe in Chromium"]
    return found, missing


# === Files


def exported(folder, tokenizer, demo):
    """For each form the Keras model, and the .tflite of it."""
    model = SqueezeBertForSequenceClassification.from_pretrained(demo / "model")
    int8 = quantize_aware(model, "int8")
    features = TASK.encode(load_clinc150("train"), tokenizer, model.config)
    calibrate(int8, batches(features, batch_size=64, seed=0).take(20), progress=False)
    mixed = SqueezeBertForSequenceClassification.from_pretrained(
        demo / "model-quantized"
    )
    sources = {"mixed": mixed, "int8": int8}
    files = {}
    for form, options in FORMS.items():
        source = sources.get(form, model)
        path = export_tflite(
            source,
            folder / f"{form}.tflite",
            SEQUENCE_LENGTH,
            probabilities=True,
            tokenizer=tokenizer,
            **options,
        )
        files[form] = (source, path)
    return files


def keras_answers(model, tokenizer, texts):
    """Labels, and by how much the best logit leads."""
    inputs = tokenizer(texts, max_length=SEQUENCE_LENGTH, padding="max_length")
    logits = model.predict(inputs, verbose=0)
    best = np.sort(logits, axis=-1)
    labels = [model.config.id2label[i] for i in logits.argmax(axis=-1)]
    return labels, best[:, -1] - best[:, -2]


def compared(client, form, path, texts, labels, leads):
    """How many labels are Keras's, and what differs."""
    answers = client.answers(path, texts)
    different = [
        {
            "text": text,
            "keras": label,
            "client": answer[0],
            "keras_lead": round(float(lead), 4),
        }
        for text, label, answer, lead in zip(texts, labels, answers, leads, strict=True)
        if answer[0] != label
    ]
    same = 1 - len(different) / len(texts)
    least = 1.0 if client.takes_ids and form in ("float32", GPU) else LEAST[form]
    return {
        "client": client.name,
        "form": form,
        "sentences": len(texts),
        "same": same,
        "passed": same >= least,
        "different": different,
    }


# === Questions


def questions_answered(folder, sentences):
    """The Task Library's answers from a head of random weights, against Keras's."""
    config = SqueezeBertConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        # Logits that differ enough to decide.
        initializer_range=0.5,
    )
    keras.utils.set_random_seed(0)
    model = SqueezeBertForQuestionAnswering(config)
    tokenizer = SqueezeBertTokenizerFast()
    texts = load_clinc150("test").texts
    questions = [
        (texts[i], ". ".join(texts[i + 1 : i + 7])) for i in range(0, sentences * 4, 4)
    ]
    inputs = tokenizer(*zip(*questions, strict=True), 384, padding="max_length")
    outputs = model.predict(inputs, verbose=0)
    expected = [
        _best_span(*logits)
        for logits in zip(
            outputs["start_logits"],
            outputs["end_logits"],
            inputs["token_type_ids"],
            inputs["input_ids"] != tokenizer.sep_token_id,
            strict=True,
        )
    ]
    path = export_tflite(model, folder / "qa.tflite", 384, tokenizer=tokenizer)
    answers = of_environment(".task-library", "task_library.py", "answer")
    found = [span and tuple(span) for span in answers(path, questions)]
    same = np.mean([a == b for a, b in zip(found, expected, strict=True)])
    return {
        "client": "Task Library, questions",
        "form": "float32",
        "sentences": len(questions),
        "same": float(same),
        "passed": bool(same >= LEAST["float32"]),
        "answered": sum(span is not None for span in expected),
        "different": [
            {"text": question[0], "keras": b, "client": a}
            for question, a, b in zip(questions, found, expected, strict=True)
            if a != b
        ],
    }


def _best_span(start, end, in_context, is_text):
    """Of the five best starts and ends those that fit best, by the Task Library."""
    fits = in_context.astype(bool) & is_text
    spans = [
        (start[s] + end[e], int(s), int(e))
        for s in np.argsort(-start)[:5]
        for e in np.argsort(-end)[:5]
        if fits[s] and fits[e] and s <= e < s + 32
    ]
    return max(spans)[1:] if spans else None


# === Command


@click.command(help=__doc__)
@click.option(
    "--demo",
    default="demo-output",
    show_default=True,
    type=click.Path(exists=True, path_type=Path),
    help="What `squeezebert demo` wrote.",
)
@click.option("--sentences", default=500, show_default=True, help="Texts to label.")
@click.option("--output", type=click.Path(path_type=Path), help="JSON with it all.")
def main(demo, sentences, output):
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(demo / "model")
    texts = load_clinc150("test").texts[:sentences]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = exported(folder, tokenizer, demo)
        labels = list(files["float32"][0].config.id2label.values())
        found, missing = clients(tokenizer, labels)
        results = []
        total = sum(len(client.forms) for client in found)
        with tqdm(total=total, unit=" files") as bar:
            for form, (model, path) in files.items():
                expected = keras_answers(model, tokenizer, texts)
                for client in found:
                    if form in client.forms:
                        bar.set_description(f"{client.name}, {form}")
                        results.append(compared(client, form, path, texts, *expected))
                        bar.update()
        if "Task Library" not in missing:
            results.append(questions_answered(folder, sentences))
    for result in results:
        mark = "" if result["passed"] else "  too few"
        click.echo(
            f"{result['client']:28}{result['form']:22}{result['same']:8.2%} of "
            f"{result['sentences']} as Keras{mark}"
        )
    for client in missing:
        click.echo(f"{client:28}is not here: tests/acceptance/setup fetches it")
    if output:
        write_json(output, {"results": results, "missing": missing, **surroundings()})
    sys.exit(not all(result["passed"] for result in results))


if __name__ == "__main__":
    main()
