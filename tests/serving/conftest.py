"""SavedModels of tiny models of every head, and what they are asked."""

import functools

import numpy as np
import pytest
from every_head import ARCHITECTURES, LABELS, letters
from tiny import ONE_LAYER, make_model

from keras_squeezebert.serving import export_saved_model, signatures, text_head
from keras_squeezebert.tasks import QuestionAnswering

TEXTS = ["ab cd, ef", "", "a bé [MASK] 中 d", "[MASK]"]
QUESTIONS = {
    "question-answering": {"question": ["a b?"] * 4, "context": TEXTS},
    "multiple-choice": {
        "context": TEXTS,
        "choices": [["a b", "c", ""], ["c", "d", "e"], ["b", "a", ""], ["a"] * 3],
    },
}


@pytest.fixture(params=ARCHITECTURES)
def head(request):
    return request.param


@pytest.fixture(scope="session")
def models():
    """By head, a model."""
    config = ONE_LAYER.replace(id2label=LABELS)
    return {name: make_model(kind, config) for name, kind in ARCHITECTURES.items()}


@pytest.fixture(scope="session")
def options():
    """By head, what it is served with."""
    short = QuestionAnswering(doc_stride=3, max_question_length=5)
    found = {name: {} for name in ARCHITECTURES}
    return found | {"question-answering": {"task": short}}


@pytest.fixture(scope="session")
def served(models, options, tmp_path_factory):
    """By head, the folder of a version of its SavedModel."""
    folder = tmp_path_factory.mktemp("served")
    return {
        name: export_saved_model(model, folder / name, letters(), **options[name])
        for name, model in models.items()
    }


@pytest.fixture(scope="session")
def signatures_of(models, options):
    """A function from a head to what its server can be asked."""

    @functools.cache
    def found(head):
        return signatures(text_head(models[head], letters(), **options[head]))

    return found


@pytest.fixture(scope="session")
def questions():
    """A function of a head and a signature that gives its inputs."""

    def inputs(head, signature):
        if signature == "serving_default":
            return QUESTIONS.get(head, {"text": TEXTS})
        if signature == "embed":
            return {"text": TEXTS}
        tokens = letters()(TEXTS)
        tokens = {name: np.asarray(ids, "int32") for name, ids in tokens.items()}
        if head == "multiple-choice":
            tokens = {name: np.stack([x, x[::-1]], 1) for name, x in tokens.items()}
        return {name: ids.tolist() for name, ids in tokens.items()}

    return inputs
