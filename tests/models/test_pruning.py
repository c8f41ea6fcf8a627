"""A pruned model answers as the whole one did, whichever ids the pieces have now."""

import string

import numpy as np
import pytest
from tiny import (
    ARCHITECTURES,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    differ,
    make_model,
    named,
    run,
    to_numpy,
)

import keras_squeezebert
from keras_squeezebert import InputError, SqueezeBertTokenizerFast, prune_word_pieces
from keras_squeezebert.models.pruning import ROWS_OF_PIECES, stored_variables
from keras_squeezebert.quantization.ranges import activation_ranges, quantizers
from keras_squeezebert.quantization.scheme import SCHEMES
from keras_squeezebert.tflite import calibrate, quantize_aware

CLASSIFIER = "SqueezeBertForSequenceClassification"
MASKED_LM = "SqueezeBertForMaskedLM"

CORPUS = ["turn on the lights", "the lamps, turning!", "[MASK] the light"]
# Of the same pieces, so that these are all kept.
TEXTS = ["lights on, lamps on!", "the turn", "light lamp [MASK] x"]
OTHER = ["darker", "musical lamp", "☃ play"]

WORDS = ["turn", "on", "the", "light", "lamp", "##ing", ",", "!"]
UNUSED = ["dark", "music", "play", "stop", "off", "##er", "##al"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = [prefix + c for prefix in ("", "##") for c in string.ascii_lowercase]
# No special token has the id that it has elsewhere.
KEPT = [*WORDS, *SPECIAL, *LETTERS]
VOCABULARY = np.random.default_rng(0).permutation(KEPT + UNUSED).tolist()
TOKENIZER = SqueezeBertTokenizerFast(VOCABULARY, model_max_length=24)
CONFIG = ONE_LAYER.replace(
    vocab_size=len(VOCABULARY),
    pad_token_id=TOKENIZER.pad_token_id,
    **WITHOUT_DROPOUT,
)
UNTIED = CONFIG.replace(tie_word_embeddings=False)
EVERY_MODEL = pytest.mark.parametrize(
    ("architecture", "config"),
    [(name, CONFIG) for name in ARCHITECTURES] + [(MASKED_LM, UNTIED)],
    ids=[*ARCHITECTURES, "untied"],
)


def encode(tokenizer, texts, architecture):
    """Inputs of the shape that a class takes: of multiple choice one row."""
    inputs = tokenizer(texts)
    if architecture == "SqueezeBertForMultipleChoice":
        inputs = {name: value[None] for name, value in inputs.items()}
    return inputs


def answers(model, tokenizer, texts, pieces):
    """Outputs on texts; of a masked LM those of some pieces, found by their names."""
    inputs = encode(tokenizer, texts, type(model).__name__)
    outputs = run(model, inputs)
    if type(model).__name__ == MASKED_LM:
        scored = [tokenizer.vocabulary.index(piece) for piece in pieces]
        outputs = {"logits": outputs["logits"][..., scored]}
    return outputs


def loaded(pruned, folder):
    """Model and tokenizer as they come back from a folder."""
    pruned.model.save_pretrained(folder)
    pruned.tokenizer.save_pretrained(folder)
    return (
        type(pruned.model).from_pretrained(folder),
        SqueezeBertTokenizerFast.from_pretrained(folder),
    )


# === The same answers


@EVERY_MODEL
def test_text_of_kept_pieces(architecture, config, tmp_path):
    model = make_model(architecture, config)
    pruned = prune_word_pieces(model, TOKENIZER, iter(CORPUS))
    assert pruned.kept_share == 1.0
    kept = pruned.tokenizer.vocabulary
    assert set(kept) == set(KEPT) and len(kept) == pruned.model.config.vocab_size
    expected = answers(model, TOKENIZER, TEXTS, kept)
    for small, tokenizer in (pruned[:2], loaded(pruned, tmp_path)):
        actual = answers(small, tokenizer, TEXTS, kept)
        assert_equal_outputs(actual, expected, atol=1e-6)


@EVERY_MODEL
def test_ids_are_remapped(architecture, config):
    """Independent of tokenizers: any ids, renamed by their pieces."""
    model = make_model(architecture, config)
    small, tokenizer, _ = prune_word_pieces(model, TOKENIZER, CORPUS)
    renamed = {old: VOCABULARY.index(p) for old, p in enumerate(tokenizer.vocabulary)}
    shape = (2, 3, 9) if architecture.endswith("MultipleChoice") else (6, 9)
    rng = np.random.default_rng(1)
    ids = rng.integers(len(renamed), size=shape, dtype="int32")
    inputs = {
        "attention_mask": rng.integers(2, size=shape, dtype="int32"),
        "token_type_ids": rng.integers(2, size=shape, dtype="int32"),
    }
    actual = run(small, {"input_ids": ids, **inputs})
    old = np.vectorize(renamed.get, otypes=["int32"])(ids)
    expected = run(model, {"input_ids": old, **inputs})
    if architecture == MASKED_LM:
        expected["logits"] = expected["logits"][..., list(renamed.values())]
    assert_equal_outputs(actual, expected, atol=1e-6)


@EVERY_MODEL
def test_a_shuffled_order_is_noticed(architecture, config):
    model = make_model(architecture, config)
    pruned = prune_word_pieces(model, TOKENIZER, CORPUS)
    kept = pruned.tokenizer.vocabulary
    expected = answers(model, TOKENIZER, TEXTS, kept)
    paths = set(ROWS_OF_PIECES) & set(stored_variables(pruned.model))
    assert len(paths) == (3 if config is UNTIED else 1 + (architecture == MASKED_LM))
    for path in paths:  # each by itself
        variable = stored_variables(pruned.model)[path]
        rows = to_numpy(variable).copy()
        variable.assign(np.roll(rows, 1, axis=0))
        actual = answers(*pruned[:2], TEXTS, kept)
        assert differ(actual, expected, atol=1e-2), path
        variable.assign(rows)
    assert not differ(answers(*pruned[:2], TEXTS, kept), expected, atol=1e-6)


@pytest.mark.parametrize("texts", [OTHER, ["", "[PAD]"], CORPUS])
def test_any_other_text_has_an_answer(texts):
    model = make_model(CLASSIFIER, CONFIG)
    small, tokenizer, _ = prune_word_pieces(model, TOKENIZER, CORPUS)
    inputs = tokenizer(texts)
    assert np.isfinite(run(small, inputs)["logits"]).all()
    unknown = inputs["input_ids"] == tokenizer.unk_token_id
    whole = TOKENIZER(texts)["input_ids"] == TOKENIZER.unk_token_id
    np.testing.assert_array_equal(unknown.sum(axis=1), whole.sum(axis=1))


@EVERY_MODEL
def test_transformers_loads_it(architecture, config, tmp_path):
    from theirs import load_theirs, run_theirs, transformers

    model = make_model(architecture, config)
    _, tokenizer = loaded(prune_word_pieces(model, TOKENIZER, CORPUS), tmp_path)
    kept = tokenizer.vocabulary
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    inputs = encode(tokenizer, TEXTS, architecture)
    their_ids = theirs(TEXTS, padding=True, return_tensors="np")["input_ids"]
    np.testing.assert_array_equal(their_ids, inputs["input_ids"].reshape(3, -1))
    outputs = run_theirs(load_theirs(tmp_path, architecture), inputs)
    expected = answers(model, TOKENIZER, TEXTS, kept)
    actual = {name: outputs[name] for name in expected}
    assert_equal_outputs(actual, expected, atol=2e-5)


# === What is kept of the model


def test_a_rare_piece_is_dropped_and_counted():
    model = make_model(CLASSIFIER, CONFIG)
    pruned = prune_word_pieces(model, TOKENIZER, CORPUS, min_count=2)
    assert set(KEPT) - set(pruned.tokenizer.vocabulary) == {"on", "lamp", "##ing"}
    tokens = [piece for text in CORPUS for piece in TOKENIZER.tokenize(text)]
    rare = [piece for piece in tokens if piece in ("on", "lamp", "##ing")]
    assert pruned.kept_share == pytest.approx(1 - len(rare) / len(tokens))


def test_all_but_the_rows_is_as_it_was():
    model = make_model(MASKED_LM, UNTIED)
    before = {v.path: to_numpy(v).copy() for v in model.weights}
    small, tokenizer, _ = prune_word_pieces(model, TOKENIZER, CORPUS)
    ids = TOKENIZER.convert_tokens_to_ids(tokenizer.vocabulary)
    pruned = {v.path: to_numpy(v) for v in small.weights}
    assert pruned.keys() == before.keys()
    for path, value in pruned.items():
        rows = value.shape != before[path].shape
        assert rows == (len(before[path]) == len(VOCABULARY))
        np.testing.assert_array_equal(
            value, before[path][ids] if rows else before[path]
        )
    for variable in model.weights:  # and the model itself was left alone
        np.testing.assert_array_equal(to_numpy(variable), before[variable.path])
    changes = {"vocab_size": len(ids), "pad_token_id": tokenizer.pad_token_id}
    assert tokenizer.pad_token_id != CONFIG.pad_token_id
    assert small.config == UNTIED.replace(**changes)
    assert tokenizer.options == TOKENIZER.options


def test_its_dtype_stays():
    model = make_model(CLASSIFIER, CONFIG, dtype="mixed_float16")
    small, _, _ = prune_word_pieces(model, TOKENIZER, CORPUS)
    assert small.dtype_policy == model.dtype_policy


def test_it_can_be_trained():
    model = make_model(CLASSIFIER, CONFIG)
    small, tokenizer, _ = prune_word_pieces(model, TOKENIZER, CORPUS)
    before = answers(small, tokenizer, TEXTS, ())
    small.fit(tokenizer(TEXTS), np.array([0, 1, 2]), verbose=0)
    assert differ(answers(small, tokenizer, TEXTS, ()), before)


def test_rows_that_no_token_has_are_dropped():
    config = CONFIG.replace(vocab_size=len(VOCABULARY) + 7)
    model = make_model(CLASSIFIER, config)
    pruned = prune_word_pieces(model, TOKENIZER, CORPUS)
    kept = pruned.tokenizer.vocabulary
    assert pruned.model.config.vocab_size == len(kept)
    expected = answers(model, TOKENIZER, TEXTS, kept)
    assert_equal_outputs(answers(*pruned[:2], TEXTS, kept), expected, atol=1e-6)


def test_either_tokenizer():
    layer = keras_squeezebert.SqueezeBertTokenizer(VOCABULARY, model_max_length=24)
    model = make_model(CLASSIFIER, CONFIG)
    small, tokenizer, _ = prune_word_pieces(model, layer, CORPUS)
    assert tokenizer.options == layer.options
    layer = keras_squeezebert.SqueezeBertTokenizer(
        tokenizer.vocabulary, **vars(tokenizer.options)
    )
    outputs = named(keras_squeezebert.text_model(small, layer)(np.array(TEXTS)))
    assert_equal_outputs(outputs, run(model, TOKENIZER(TEXTS)), atol=1e-6)


# === Quantized models


def quantized(architecture, scheme, largest):
    """A calibrated model whose largest embedding is that of one piece."""
    model = make_model(architecture, CONFIG)
    table = stored_variables(model)["embeddings/word_embeddings"]
    values = to_numpy(table).copy()
    values[VOCABULARY.index(largest), 0] = 2.0
    table.assign(values)
    copy = quantize_aware(model, scheme)
    inputs = encode(TOKENIZER, CORPUS + TEXTS, architecture)
    calibrate(copy, [inputs], progress=False)
    return copy


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("architecture", [CLASSIFIER, MASKED_LM])
def test_a_quantized_model(architecture, scheme, tmp_path):
    model = quantized(architecture, scheme, largest="the")
    pruned = prune_word_pieces(model, TOKENIZER, CORPUS)
    kept = pruned.tokenizer.vocabulary
    expected = answers(model, TOKENIZER, TEXTS, kept)
    for small, tokenizer in (pruned[:2], loaded(pruned, tmp_path)):
        assert small.scheme == model.scheme
        assert activation_ranges(small) == activation_ranges(model)
        actual = answers(small, tokenizer, TEXTS, kept)
        assert_equal_outputs(actual, expected, atol=1e-6)


def test_a_table_without_its_largest_value_is_rounded_less():
    model = quantized(CLASSIFIER, "mixed", largest="music")
    small, tokenizer, _ = prune_word_pieces(model, TOKENIZER, CORPUS)
    assert activation_ranges(small) == activation_ranges(model)
    table = to_numpy(stored_variables(small)["embeddings/word_embeddings"])
    steps = [
        float(quantizers(m)["embeddings/word_embeddings"].step())
        for m in (model, small)
    ]
    assert steps[1] == pytest.approx(np.abs(table).max() / 127)
    assert steps[1] < steps[0]
    expected = answers(model, TOKENIZER, TEXTS, ())["logits"]
    actual = answers(small, tokenizer, TEXTS, ())["logits"]
    assert np.abs(actual - expected).max() < 0.1 * np.abs(expected).max()


# === Mistakes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokenizer": SqueezeBertTokenizerFast()}, "Received: 30522 pieces"),
        (
            {"tokenizer": SqueezeBertTokenizerFast(sorted(VOCABULARY))},
            "Expected .* as the id of .PAD..* Received: .* pad_token_id=",
        ),
        ({"texts": []}, "Received: texts without any"),
        ({"texts": [" ", "\n"]}, "Received: texts without any"),
        ({"min_count": 0}, "Received: min_count=0"),
    ],
)
def test_mistakes(changes, message):
    model = keras_squeezebert.SqueezeBertModel(CONFIG)
    arguments = {"tokenizer": TOKENIZER, "texts": CORPUS, **changes}
    with pytest.raises(InputError, match=message):
        prune_word_pieces(model, **arguments)
