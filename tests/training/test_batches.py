"""Batches hold every example once, whole, and little else."""

import numpy as np
import pytest

from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.training import text_batches

CONFIG = SqueezeBertConfig(id2label={0: "even", 1: "odd"})
# Lengths of 3 to 32 tokens, in no order.
COUNTS = [(7 * i) % 30 + 1 for i in range(50)]
EXAMPLES = TextExamples(
    [" ".join(["word"] * count) for count in COUNTS],
    ["odd" if count % 2 else "even" for count in COUNTS],
)


@pytest.fixture(scope="module")
def tokenizer():
    return SqueezeBertTokenizerFast()


def lengths_and_labels(batches):
    rows = []
    for inputs, labels in batches.as_numpy_iterator():
        rows += zip(inputs["attention_mask"].sum(-1), labels, strict=True)
    return [(int(length), int(label)) for length, label in rows]


EXPECTED = sorted((count + 2, count % 2) for count in COUNTS)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
@pytest.mark.parametrize("seed", [None, 5])
def test_every_example_once(tokenizer, batch_size, seed):
    batches = text_batches(
        EXAMPLES, tokenizer, CONFIG, batch_size=batch_size, shuffle_seed=seed
    )
    assert sorted(lengths_and_labels(batches)) == EXPECTED
    assert len(batches) == len(list(batches))
    assert all(len(labels) <= batch_size for _, labels in batches)


def test_the_tokens_are_the_tokenizers(tokenizer):
    examples = TextExamples(["a cat", "one"], ["odd", "even"], ["sat", "two three"])
    found = {
        tuple(row)
        for inputs, _ in text_batches(examples, tokenizer, CONFIG, batch_size=1)
        for row in np.stack(list(inputs.values()), -1).reshape(1, -1).tolist()
    }
    expected = {
        tuple(np.stack(list(tokenizer(*pair).values()), -1).ravel().tolist())
        for pair in zip(examples.texts, examples.text_pairs, strict=True)
    }
    assert found == expected


def test_little_is_padding(tokenizer):
    for inputs, _ in text_batches(EXAMPLES, tokenizer, CONFIG, batch_size=8):
        lengths = inputs["attention_mask"].numpy().sum(-1)
        assert inputs["input_ids"].shape[1] == lengths.max()
        assert lengths.max() - lengths.min() < 4


def test_long_texts_are_truncated(tokenizer):
    batches = text_batches(EXAMPLES, tokenizer, CONFIG, max_length=10)
    assert max(length for length, _ in lengths_and_labels(batches)) == 10


def test_shuffled_anew_each_epoch_and_alike_by_seed(tokenizer):
    def epochs(seed):
        batches = text_batches(
            EXAMPLES, tokenizer, CONFIG, batch_size=4, shuffle_seed=seed
        )
        return [lengths_and_labels(batches) for _ in range(2)]

    first, second = epochs(1)
    assert first != second
    assert [first, second] == epochs(1)
    assert first != epochs(2)[0]


def test_masking(tokenizer):
    batches = text_batches(
        EXAMPLES, tokenizer, CONFIG, shuffle_seed=0, mask_rate=0.3, batch_size=8
    )
    masked = words = 0
    for _ in range(5):
        for inputs, _ in batches:
            ids = inputs["input_ids"].numpy()
            assert (ids[:, 0] == tokenizer.cls_token_id).all()
            ends = (ids == tokenizer.sep_token_id).sum(-1)
            assert (ends == 1).all()
            masked += (ids == tokenizer.mask_token_id).sum()
            words += inputs["attention_mask"].numpy().sum() - 2 * len(ids)
    assert masked / words == pytest.approx(0.3, abs=0.03)


def test_without_labels(tokenizer):
    batches = text_batches(TextExamples(["a", "b"]), tokenizer, CONFIG)
    ((inputs,),) = list(batches)
    assert inputs["input_ids"].shape == (2, 3)


def test_an_unknown_label(tokenizer):
    with pytest.raises(InputError, match=r"'even', 'odd'.*Received: .*'prime'"):
        text_batches(TextExamples(["a"], ["prime"]), tokenizer, CONFIG)
