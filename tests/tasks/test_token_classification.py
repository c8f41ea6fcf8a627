"""Every word has one tag, whatever it is made of and wherever its row is cut."""

import json
from itertools import chain

import numpy as np
import pytest
from generated import one_hot, sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.data import TokenExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.tasks import TokenClassification, entities, word_spans

NAMES = ["B-LOC", "I-LOC", "O", "B-PER", "I-PER"]
CONFIG = SqueezeBertConfig(id2label=dict(enumerate(NAMES)))
TASK = TokenClassification()


def tagged(draw, some):
    """Examples with random tags in IOB2, which any tags are once they are read so."""
    return TokenExamples(
        some, [[draw(st.sampled_from(NAMES)) for _ in s] for s in some]
    )


@settings(max_examples=80, deadline=None)
@given(
    some=st.lists(sentences, min_size=1, max_size=5),
    max_length=st.integers(3, 30),
    data=st.data(),
)
def test_tags_come_back(tokenizer, some, max_length, data):
    examples = tagged(data.draw, some)
    features = TASK.encode(examples, tokenizer, CONFIG, max_length)
    outputs = {"logits": one_hot(features.labels, len(NAMES))}
    answers = TASK.decode(outputs, features, examples, CONFIG)
    json.dumps(answers, allow_nan=False)

    has_pieces = [[bool(tokenizer.tokenize(word)) for word in words] for words in some]
    expected = [
        [tag if found else "O" for tag, found in zip(tags, is_found, strict=True)]
        for tags, is_found in zip(examples.tags, has_pieces, strict=True)
    ]
    assert [answer["tags"] for answer in answers] == expected
    assert features.notes["words without pieces"] == sum(
        found.count(False) for found in has_pieces
    )
    kept = TokenExamples(some, expected)
    if any(tag != "O" for tags in expected for tag in tags):
        assert set(TASK.score(kept, answers, CONFIG).values()) == {1.0}


@settings(max_examples=80, deadline=None)
@given(
    some=st.lists(sentences, min_size=1, max_size=5),
    max_length=st.integers(3, 30),
)
def test_nothing_is_dropped(tokenizer, some, max_length):
    """Rows, one after the other, are the sentence; words are cut if they must be."""
    examples = TokenExamples(some, [["O"] * len(words) for words in some])
    features = TASK.encode(examples, tokenizer, CONFIG, max_length)
    ids, mask = features.inputs["input_ids"], features.inputs["attention_mask"]
    assert ids.shape[1] <= max_length
    for number, words in enumerate(some):
        rows = np.flatnonzero(features.rows == number)
        bodies = [ids[row, 1 : mask[row].sum() - 1].tolist() for row in rows]
        whole = tokenizer(" ".join(words), truncation=False)["input_ids"][0, 1:-1]
        assert list(chain(*bodies)) == whole.tolist()
        for row, body in list(zip(rows, bodies, strict=True))[1:]:
            of_words = [tokenizer.tokenize(word) for word in words]
            is_cut = any(len(pieces) > max_length - 2 for pieces in of_words)
            assert features.labels[row, 1] != IGNORED_LABEL or is_cut
            assert body  # no row is empty but that of an empty sentence
    several = (np.bincount(features.rows) > 1).sum()
    assert features.notes["sentences in several rows"] == several


def test_the_longest_row_that_ends_with_a_word(tokenizer):
    examples = TokenExamples([["a", "unaffable", "b", "unaffable"]])
    features = TASK.encode(examples, tokenizer, CONFIG, max_length=7)
    decoded = tokenizer.batch_decode(features.inputs["input_ids"])
    assert decoded == ["a unaffable b", "unaffable"]
    assert features.labels is None


def test_labels_are_on_first_pieces(tokenizer):
    examples = TokenExamples([["Unaffable", "\x00", "Ada"]], [["B-PER", "O", "I-PER"]])
    features = TASK.encode(examples, tokenizer, CONFIG)
    assert features.labels.tolist() == [[-100, 3, -100, -100, 4, -100]]
    assert features.notes["words without pieces"] == 1


def test_answers_are_probabilities_of_first_pieces(tokenizer):
    examples = TokenExamples([["Unaffable", "Ada"]])
    features = TASK.encode(examples, tokenizer, CONFIG)
    logits = np.random.default_rng(0).standard_normal((1, 6, 5))
    (answer,) = TASK.decode({"logits": logits}, features, examples, CONFIG)
    for column, tag, score in zip((1, 4), *answer.values(), strict=True):
        odds = np.exp(logits[0, column])
        assert tag == NAMES[odds.argmax()]
        assert score == pytest.approx(odds.max() / odds.sum(), abs=1e-6)


@pytest.mark.parametrize(
    ("names", "neutral"), [(["NOUN", "X"], "X"), (["NOUN", "VERB"], "NOUN")]
)
def test_tags_of_another_kind(tokenizer, names, neutral):
    config = SqueezeBertConfig(id2label=dict(enumerate(names)))
    examples = TokenExamples([["a", "\x00"]], [[names[1], names[0]]])
    features = TASK.encode(examples, tokenizer, config)
    outputs = {"logits": one_hot(features.labels, 2)}
    answers = TASK.decode(outputs, features, examples, config)
    assert answers[0]["tags"] == [names[1], neutral]
    assert list(TASK.score(examples, answers, config)) == ["accuracy"]


def test_label_names():
    examples = TokenExamples([["a", "b", "c"]], [["B-X", "O", "A-X"]])
    assert TASK.label_names(examples) == ["O", "A-X", "B-X"]


def test_entities_of_a_raw_text(tokenizer):
    text = "Ada Lovelace met\tBabbage (in London)."
    spans = word_spans(text)
    words = [text[start:end] for start, end in spans]
    tags = ["B-PER", "I-PER", "O", "B-PER", "O", "O", "B-LOC", "O", "O"]
    examples = TokenExamples([words], [tags])
    features = TASK.encode(examples, tokenizer, CONFIG)
    outputs = {"logits": one_hot(features.labels, len(NAMES))}
    (answer,) = TASK.decode(outputs, features, examples, CONFIG)
    found = entities(text, spans, answer)
    assert [(entity["type"], entity["text"]) for entity in found] == [
        ("PER", "Ada Lovelace"),
        ("PER", "Babbage"),
        ("LOC", "London"),
    ]
    for entity in found:
        assert text[entity["start"] : entity["end"]] == entity["text"]


@settings(max_examples=60, deadline=None)
@given(text=st.text())
def test_words_of_any_text(text):
    """They are in order, apart from each other, and leave nothing but white space."""
    spans = word_spans(text)
    flat = [0, *(position for span in spans for position in span), len(text)]
    assert flat == sorted(flat)
    between = zip(flat[::2], flat[1::2], strict=True)
    assert not "".join(text[start:end] for start, end in between).strip()


def test_an_unknown_tag(tokenizer):
    with pytest.raises(InputError, match=r"'B-LOC'.*Received: tags\[1\]\[0\]='B-X'"):
        TASK.encode(TokenExamples([["a"], ["b"]], [["O"], ["B-X"]]), tokenizer, CONFIG)


def test_no_tags():
    with pytest.raises(InputError, match="tags=None"):
        TASK.score(TokenExamples([["a"]]), [{"tags": ["O"]}], CONFIG)


def test_rows_without_room_for_a_token(tokenizer):
    examples = TokenExamples([["a"]], [["O"]])
    with pytest.raises(InputError, match=r"at least one token.*Received: 2 tokens"):
        TASK.encode(examples, tokenizer, CONFIG, max_length=2)
    assert len(TASK.encode(examples, tokenizer, CONFIG, max_length=3)) == 1
