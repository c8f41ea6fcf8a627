"""The page in headless Chromium: what it answers to texts."""

import numpy as np
import pytest
from every_head import letters
from tiny import ONE_LAYER, make_model

from keras_squeezebert.inference import softmax
from keras_squeezebert.tflite import LiteRTModel, export_tflite

TEXTS = ["ab cd", "a", "abc de f g h", "who? [MASK]!", "x y z a b"]
# Kernels for WebAssembly add in another order; with int8 one step of the logits.
TOLERANCES = {"float32": 1e-5, "dynamic_ptq": 1e-5, "mixed": 1e-5, "int8": 1e-5}


def probabilities(path, text, text_pair=None):
    """What Python says of a text, by label."""
    model = LiteRTModel(path)
    pair = None if text_pair is None else [text_pair]
    (logits,) = model.predict([text], pair)["logits"]
    names = model.config.id2label.values()
    return dict(zip(names, softmax(logits).tolist(), strict=True))


def assert_shown(page, expected, tolerance):
    """That the page shows these scores, the best first."""
    shown = page.scores()
    assert shown == pytest.approx(expected, abs=tolerance)
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    written = [row.split("\n")[1] for row in page.rows()]
    assert written == [f"{score:.1%}" for score in shown.values()]


@pytest.mark.parametrize("scheme", TOLERANCES)
def test_answers_are_those_of_python(scheme, models, serve, open_page):
    model, path = models[scheme]
    length = LiteRTModel(path).input_shape[1]
    with serve(path) as url:
        page = open_page(url)
        page.type("a")
        page.show_all()
        for text in TEXTS:
            page.type(text)
            assert_shown(page, probabilities(path, text), TOLERANCES[scheme])
            if scheme == "float32":
                inputs = letters()([text], max_length=length, padding="max_length")
                (row,) = softmax(model.predict_on_batch(inputs))
                names = model.config.id2label.values()
                assert_shown(page, dict(zip(names, row.tolist(), strict=True)), 1e-5)
        assert page.faults == []
