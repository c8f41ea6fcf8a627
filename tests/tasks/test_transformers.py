"""Alignment is that of transformers: words, windows, pairs of choices."""

import numpy as np
import pytest
from generated import sentences, texts, words
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import SqueezeBertConfig
from keras_squeezebert.data import (
    Answer,
    ChoiceExamples,
    QuestionExamples,
    TokenExamples,
)
from keras_squeezebert.tasks import (
    MultipleChoice,
    QuestionAnswering,
    TokenClassification,
)

transformers = pytest.importorskip("transformers")

CONFIG = SqueezeBertConfig()


@pytest.fixture(scope="module")
def theirs(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save_pretrained(folder)
    return transformers.BertTokenizerFast.from_pretrained(folder)


@settings(max_examples=100, deadline=None)
@given(some=sentences)
def test_first_pieces_of_words(tokenizer, theirs, some):
    """As run_ner.py aligns labels: by the `word_ids` of words split beforehand."""
    tags = [f"T{number}" for number in range(len(some))]
    config = SqueezeBertConfig(id2label=dict(enumerate(tags)))
    examples = TokenExamples([some], [tags])
    features = TokenClassification().encode(examples, tokenizer, config)
    encoding = theirs(some, is_split_into_words=True)
    assert features.inputs["input_ids"][0].tolist() == encoding["input_ids"]
    expected, last = [], None
    for word in encoding.word_ids():
        expected.append(-100 if word is None or word == last else word)
        last = word
    assert features.labels[0].tolist() == expected


@settings(max_examples=100, deadline=None)
@given(
    context=st.lists(words, min_size=1, max_size=40).map(" ".join),
    question=st.lists(words, min_size=1, max_size=4).map(" ".join),
    stride=st.integers(0, 8),
    room=st.integers(1, 12),
    data=st.data(),
)
def test_windows_and_labels(tokenizer, theirs, context, question, stride, room, data):
    """As run_qa.py makes them, with `return_overflowing_tokens` and its label loops."""
    length = len(tokenizer.tokenize(question))
    task = QuestionAnswering(doc_stride=stride, max_question_length=max(length, 1))
    max_length = task.max_question_length + 3 + stride + room
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    answers = [[Answer(context[start:end], start)]]
    examples = QuestionExamples(["q"], [question], [context], answers)
    features = task.encode(examples, tokenizer, CONFIG, max_length)
    encoding = theirs(
        [question],
        [context],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        padding=True,
    )
    for name, array in features.inputs.items():
        assert array.tolist() == encoding[name]
    for row, offsets in enumerate(encoding["offset_mapping"]):
        segments = encoding.sequence_ids(row)
        columns = [i for i, segment in enumerate(segments) if segment == 1]
        found = [features.labels[f"{name}_logits"][row] for name in ("start", "end")]
        if not columns:
            assert found == [0, 0]
            continue
        first, last = columns[0], columns[-1]
        if not (offsets[first][0] <= start and offsets[last][1] >= end):
            assert found == [0, 0]
            continue
        while (
            first < len(offsets) and offsets[first][0] <= start and first <= columns[-1]
        ):
            first += 1
        while offsets[last][1] >= end and last >= columns[0]:
            last -= 1
        assert found == [first - 1, last + 1]


@settings(max_examples=50, deadline=None)
@given(context=texts, data=st.data(), max_length=st.integers(5, 40))
def test_pairs_of_choices(tokenizer, theirs, context, data, max_length):
    choices = data.draw(st.lists(texts, min_size=3, max_size=3))
    features = MultipleChoice().encode(
        ChoiceExamples([context], [choices]), tokenizer, CONFIG, max_length
    )
    expected = theirs(
        [context] * 3, choices, truncation=True, max_length=max_length, padding=True
    )
    for name, array in features.inputs.items():
        np.testing.assert_array_equal(array[0], expected[name], err_msg=name)
