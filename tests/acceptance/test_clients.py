"""Each client that `setup` has fetched answers as Keras does, on a tiny model."""

import zipfile

import acceptance
import numpy as np
import pytest
from browser import MEDIAPIPE, MEDIAPIPE_WEB
from browser import answers as browser_answers
from chromium import chromium_path
from tiny import ONE_LAYER, make_model

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.tflite import LiteRTModel, export_tflite

TEXTS = ["Turn on the light!", "turn off the lights, now", "", "light " * 40, "¿qué?"]
VOCABULARY = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "turn", "on", "off", "the"),
    *("light", "##s", "!", ",", "now", "que", "?", "¿"),
]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A .tflite of float32 for eight tokens, and what it says to the texts."""
    path = tmp_path_factory.mktemp("clients") / "a.tflite"
    export_tflite(
        make_model("SqueezeBertForSequenceClassification", ONE_LAYER),
        path,
        8,
        probabilities=True,
        tokenizer=SqueezeBertTokenizerFast(VOCABULARY),
    )
    return path, LiteRTModel(path).predict(TEXTS)["probabilities"]


def client(*names):
    """The command of a client, or a skip."""
    environment, *program = names
    if not (acceptance.HERE / environment / "bin/python").exists():
        pytest.skip(f"{environment} is not there: tests/acceptance/setup makes it")
    return acceptance.of_environment(environment, *program)


def assert_as_keras(answers, scores):
    labels = ["abc"[i] for i in scores.argmax(axis=-1)]
    assert [label for label, _ in answers] == labels
    np.testing.assert_allclose(
        [score for _, score in answers], scores.max(axis=-1), rtol=0, atol=1e-5
    )


TEXT_CLIENTS = pytest.mark.parametrize(
    "command",
    [
        (".mediapipe", "mediapipe_python.py"),
        (".task-library", "task_library.py", "classify"),
    ],
    ids=["MediaPipe", "Task Library"],
)


@TEXT_CLIENTS
def test_texts(classifier, command):
    path, scores = classifier
    answers = client(*command)(path, TEXTS)
    assert_as_keras(answers[:4], scores[:4])
    # They leave accents on, and so find no piece of the last one's word.
    assert abs(answers[4][1] - scores[4].max()) > 1e-3


def test_task_library_answers_questions(tmp_path):
    client(".task-library", "task_library.py")
    result = acceptance.questions_answered(tmp_path, 60)
    assert result["same"] == 1
    assert result["answered"] >= 3


def test_mediapipe_in_chromium(classifier):
    pytest.importorskip("playwright", reason="playwright is not installed")
    if not (MEDIAPIPE.is_dir() and chromium_path()):
        pytest.skip("Chromium, or what tests/acceptance/setup fetches, is not there")
    path, scores = classifier
    answers = browser_answers(path, TEXTS[:4], MEDIAPIPE_WEB)
    assert_as_keras(answers, scores[:4])


def test_without_a_vocabulary_mediapipe_says_so(classifier, tmp_path):
    path = tmp_path / "a.tflite"
    content = classifier[0].read_bytes()
    with zipfile.ZipFile(classifier[0]) as archive:
        path.write_bytes(content[: archive.infolist()[0].header_offset])
    with pytest.raises(
        acceptance.click.ClickException,
        match=r"No associated file with name: labels\.txt",
    ):
        client(".mediapipe", "mediapipe_python.py")(path, TEXTS)
