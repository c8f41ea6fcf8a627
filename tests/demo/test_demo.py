"""The demo's figures are what they claim to be."""

import json

import keras
import numpy as np
import pytest

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import TextExamples
from keras_squeezebert.demo.measure import accuracies, measure, rejection_threshold
from keras_squeezebert.demo.picture import draw_report
from keras_squeezebert.demo.surroundings import surroundings
from keras_squeezebert.tflite import export_tflite

CONFIG = SqueezeBertConfig(
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=4,
    intermediate_size=64,
    initializer_range=0.5,
    id2label={0: "oos", 1: "time", 2: "weather"},
)


def logits_of(probabilities):
    return np.log(np.array(probabilities, np.float32))


def test_accuracies_by_hand():
    logits = logits_of(
        [
            [0.1, 0.8, 0.1],  # time, right
            [0.3, 0.4, 0.3],  # time, right, but not sure
            [0.1, 0.2, 0.7],  # weather, wrong
            [0.9, 0.0001, 0.0999],  # out of scope, right
            [0.2, 0.45, 0.35],  # out of scope, refused only with the threshold
        ]
    )
    labels = np.array([1, 1, 1, 0, 0])
    assert accuracies(logits, labels, CONFIG, threshold=0.5) == {
        "accuracy_in_scope": pytest.approx(2 / 3, abs=1e-5),
        "out_of_scope_recall": 0.5,
        "with_threshold": {
            "accuracy_in_scope": pytest.approx(1 / 3, abs=1e-5),
            "out_of_scope_recall": 1.0,
        },
    }


def test_the_threshold_costs_one_point():
    confidence = np.linspace(0.5, 0.99, 200)
    rest = (1 - confidence) / 2
    logits = logits_of(np.stack([rest, confidence, rest], -1))
    examples = TextExamples(["a"] * 200, ["time"] * 200)
    model = SqueezeBertForSequenceClassification(CONFIG)
    threshold = rejection_threshold(logits, examples, model)
    assert (confidence < threshold - 1e-6).sum() == 2


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo")
    # One that is right at times, in scope: not all that are random are.
    keras.utils.set_random_seed(1)
    model = SqueezeBertForSequenceClassification(CONFIG)
    tokenizer = SqueezeBertTokenizerFast()
    model.save_pretrained(output / "model")
    files = {
        name: export_tflite(model, output / f"{name}.tflite", 32, quantization=scheme)
        for name, scheme in [("float32", "float32"), ("dynamic-ptq", "dynamic_ptq")]
    }
    words = ["rain", "noon", "tea", "snow"] * 50
    texts = [f"{word} {number}" for number, word in enumerate(words)]
    labels = ["weather", "time", "oos", "weather"] * 50
    splits = dict.fromkeys(["train", "validation", "test"], TextExamples(texts, labels))
    exports = {name: (model, file) for name, file in files.items()}
    report = measure(model, tokenizer, exports, splits, output)
    inputs = tokenizer(texts, max_length=32)
    answers = np.asarray(model(inputs)).argmax(-1)
    return report, files, answers, splits["test"].label_ids(CONFIG.label2id)


def test_measured_accuracy_is_the_models(measured):
    report, _, answers, labels = measured
    expected = (answers == labels)[labels != 0].mean()
    for name in ("keras", "tflite-float32"):
        assert report["models"][name]["accuracy_in_scope"] == pytest.approx(
            expected, abs=1e-5
        )
    assert report["models"]["tflite-float32"]["agreement_with_keras"] == 1.0


def test_measured_sizes_and_times(measured):
    report, files, _, _ = measured
    for name, file in files.items():
        result = report["models"][f"tflite-{name}"]
        assert result["bytes"] == file.stat().st_size
        assert result["ms_per_query"] > 0


def test_the_picture_is_drawn(measured, tmp_path):
    report, _, _, _ = measured
    report = report | surroundings() | {"parameters": 1_000_000}
    json.dumps(report)
    draw_report(report, tmp_path / "report.png")
    picture = (tmp_path / "report.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000
