"""Accuracy, size and time of the demo's model in each of its forms."""

import time

import numpy as np
from tqdm import tqdm

from keras_squeezebert.data import OUT_OF_SCOPE
from keras_squeezebert.demo.train import SEQUENCE_LENGTH
from keras_squeezebert.inference import softmax
from keras_squeezebert.tflite import LiteRTModel


def measure(model, tokenizer, exports, splits, output):
    """What report.json says of the Keras model and of each .tflite file.

    Args:
        model: The classifier in float.
        tokenizer: Its tokenizer.
        exports: By name, the Keras model that a .tflite was made of, and its path.
        splits: The examples by the name of their split.
        output: The demo's folder.
    """
    inputs = {
        name: tokenizer(split.texts, max_length=SEQUENCE_LENGTH, padding="max_length")
        for name, split in splits.items()
        if name != "train"
    }
    threshold = rejection_threshold(
        model.predict(inputs["validation"], verbose=0), splits["validation"], model
    )
    labels = splits["test"].label_ids(model.config.label2id)

    def result(logits, file, milliseconds):
        return {
            **accuracies(logits, labels, model.config, threshold),
            "bytes": file.stat().st_size,
            "ms_per_query": milliseconds,
        }

    # One by one only for the clock: the rest of the split is done in batches.
    keras_logits = model.predict(inputs["test"], verbose=0)
    some = {name: ids[:200] for name, ids in inputs["test"].items()}
    _, milliseconds = run_one_by_one(model.predict_on_batch, some, "Keras")
    weights = output / "model" / "model.safetensors"
    results = {"keras": result(keras_logits, weights, milliseconds)}
    for name, (source, file) in exports.items():
        lite = LiteRTModel(file)
        logits, milliseconds = run_one_by_one(
            lambda row, lite=lite: lite(row)["logits"], inputs["test"], file.name
        )
        expected = keras_logits
        if source is not model:
            expected = source.predict(inputs["test"], verbose=0)
        agreement = logits.argmax(axis=-1) == expected.argmax(axis=-1)
        results[f"tflite-{name}"] = {
            **result(logits, file, milliseconds),
            "agreement_with_keras": round(float(agreement.mean()), 5),
        }
    return {"models": results, "rejection_threshold": round(threshold, 4)}


def run_one_by_one(run, inputs, name):
    """All logits, and the median milliseconds of a query by itself, as on a phone."""
    logits, seconds = [], []
    for i in tqdm(range(len(inputs["input_ids"])), desc=f"   {name}", unit=" queries"):
        row = {key: ids[i : i + 1] for key, ids in inputs.items()}
        start = time.perf_counter()
        logits.append(run(row))
        seconds.append(time.perf_counter() - start)
    return np.concatenate(logits), round(1000 * float(np.median(seconds)), 3)


def accuracies(logits, labels, config, threshold):
    """In-scope accuracy and out-of-scope recall, without and with a threshold.

    "oos" is one of the classes, but a hundred training queries cannot show all that is
    out of scope. With the threshold, a less likely answer counts as "oos" too.
    """
    oos = config.label2id[OUT_OF_SCOPE]
    best = logits.argmax(axis=-1)
    confident = np.where(softmax(logits).max(axis=-1) < threshold, oos, best)

    def shares(predicted):
        right = predicted == labels
        return {
            "accuracy_in_scope": round(float(right[labels != oos].mean()), 5),
            "out_of_scope_recall": round(float(right[labels == oos].mean()), 5),
        }

    return {**shares(best), "with_threshold": shares(confident)}


def rejection_threshold(logits, examples, model):
    """The probability below which an answer is refused.

    It is the one that costs a point of in-scope accuracy on the validation split.
    """
    labels = examples.label_ids(model.config.label2id)
    right = (logits.argmax(axis=-1) == labels) & (
        labels != model.config.label2id[OUT_OF_SCOPE]
    )
    # The right answers, the least confident first: a hundredth of all may go.
    confidence = np.sort(softmax(logits).max(axis=-1)[right])
    return float(confidence[len(labels) // 100])
