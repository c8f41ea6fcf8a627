"""A model in files for several lengths, each text run by the shortest that fits."""

import numpy as np
import pytest
from tiny import ONE_LAYER, assert_equal_outputs, make_inputs, make_model, run

from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import LiteRTModel, export_tflite, interpreter

LENGTHS = [3, 8, 5]
HEADS = [
    "SqueezeBertForSequenceClassification",
    "SqueezeBertForTokenClassification",
    "SqueezeBertForMultipleChoice",
]


@pytest.fixture(scope="module", params=HEADS)
def several(request, tmp_path_factory):
    """A model, its files, and whether its inputs have choices."""
    has_choices = request.param.endswith("Choice")
    model = make_model(request.param, ONE_LAYER)
    paths = export_tflite(
        model,
        tmp_path_factory.mktemp("lengths") / "model.tflite",
        LENGTHS,
        batch_size=2,
        num_choices=2 if has_choices else None,
    )
    return model, paths, has_choices


def masked(lengths, has_choices):
    """Rows of 8 tokens of which the last are masked, so that `lengths` are left."""
    rows = len(lengths) * (1 + has_choices)
    inputs = make_inputs(rows, 8)
    of_texts = np.repeat(lengths, 1 + has_choices)
    if has_choices:  # the longest choice counts
        of_texts[1::2] = np.minimum(of_texts[1::2], 1)
    inputs["attention_mask"] = (np.arange(8) < of_texts[:, None]).astype("int32")
    if has_choices:
        inputs = {name: x.reshape(-1, 2, 8) for name, x in inputs.items()}
    return inputs


def test_names_of_the_files(several):
    _, paths, _ = several
    names = [path.name for path in paths]
    assert names == ["model-3.tflite", "model-8.tflite", "model-5.tflite"]
    assert LiteRTModel(paths).input_shape[-1] == 8


def test_outputs_are_the_models(several):
    model, paths, has_choices = several
    lengths = np.array([8, 1, 3, 4, 2, 5, 6, 3])
    inputs = masked(lengths, has_choices)
    actual, expected = (
        LiteRTModel(paths)(inputs)["logits"],
        run(model, inputs)["logits"],
    )
    if actual.ndim == 3 and not has_choices:  # (rows, seq, labels)
        ran = np.array([3, 5, 8])[np.searchsorted([3, 5, 8], lengths)]
        beyond = np.arange(8) >= ran[:, None]
        assert not actual[beyond].any()
        expected, actual = expected[~beyond], actual[~beyond]
    assert_equal_outputs({"logits": actual}, {"logits": expected})


def test_the_shortest_that_fits_runs_each_row(several, monkeypatch):
    _, paths, has_choices = several
    ran = []
    original = interpreter._File.__call__

    def recorded(file, arrays, bar):
        ran.append((file.input_shape[-1], len(arrays["input_ids"])))
        return original(file, arrays, bar)

    monkeypatch.setattr(interpreter._File, "__call__", recorded)
    inputs = masked([8, 1, 3, 4, 2, 5, 6, 3], has_choices)
    LiteRTModel(paths)(inputs)
    assert ran == [(3, 4), (5, 2), (8, 2)]


def test_a_mask_counts_to_its_last_token(several):
    model, paths, has_choices = several
    inputs = masked([4, 4], has_choices)
    inputs["attention_mask"][:] = [0, 0, 0, 1, 0, 0, 0, 0]
    actual, expected = (
        LiteRTModel(paths)(inputs)["logits"],
        run(model, inputs)["logits"],
    )
    by_token = actual.ndim == 3 and not has_choices
    part = np.s_[:, :5] if by_token else np.s_[:]
    assert_equal_outputs({"logits": actual[part]}, {"logits": expected[part]})


def test_texts(tmp_path):
    tokenizer = SqueezeBertTokenizerFast()
    config = ONE_LAYER.replace(vocab_size=len(tokenizer.vocabulary))
    model = make_model(HEADS[0], config)
    paths = export_tflite(model, tmp_path / "m.tflite", [4, 16], tokenizer=tokenizer)
    texts = ["yes", "a text of a few more words", "", "no no no"]
    one = LiteRTModel(paths[1]).predict(texts)
    assert_equal_outputs(LiteRTModel(paths).predict(texts), one, atol=1e-5)


# === Mistakes


def test_a_bad_length_among_good_ones_writes_nothing(tmp_path):
    model = make_model(HEADS[0], ONE_LAYER)
    for lengths in ([4, 100_000], [4, 0], [4, 4], []):
        with pytest.raises(InputError, match="sequence_length"):
            export_tflite(model, tmp_path / "model.tflite", lengths)
    assert not list(tmp_path.iterdir())


def test_files_that_do_not_belong_together(several, exported):
    _, paths, _ = several
    _, other = exported()  # takes one row a call
    for files in ([paths[0], other], [paths[0], paths[0]], []):
        with pytest.raises(InputError):
            LiteRTModel(files)
    with pytest.raises(InputError, match="No such file"):
        LiteRTModel([paths[0], "missing.tflite"])
