"""Batches hold every example once, whole, and little else."""

import dataclasses
import gc

import keras
import numpy as np
import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, make_inputs, make_model

from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
from keras_squeezebert.data import (
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import (
    Features,
    MaskedLM,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
)
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.training import batches, text_batches

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


def lengths_and_labels(dataset):
    rows = []
    for inputs, labels in dataset.as_numpy_iterator():
        rows += zip(inputs["attention_mask"].sum(-1), labels, strict=True)
    return [(int(length), int(label)) for length, label in rows]


EXPECTED = sorted((count + 2, count % 2) for count in COUNTS)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
@pytest.mark.parametrize("seed", [None, 5])
def test_every_example_once(tokenizer, batch_size, seed):
    dataset = text_batches(
        EXAMPLES, tokenizer, CONFIG, batch_size=batch_size, shuffle_seed=seed
    )
    assert sorted(lengths_and_labels(dataset)) == EXPECTED
    assert len(dataset) == len(list(dataset)) == -(-len(COUNTS) // batch_size)
    sizes = sorted(len(labels) for _, labels in dataset)
    assert sizes[1:] == [batch_size] * (len(dataset) - 1)


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
    for seed in (None, 0):
        tokens = places = 0
        for inputs, _ in text_batches(
            EXAMPLES, tokenizer, CONFIG, batch_size=8, shuffle_seed=seed
        ):
            lengths = inputs["attention_mask"].numpy().sum(-1)
            assert inputs["input_ids"].shape[1] == lengths.max()
            tokens += lengths.sum()
            places += lengths.max() * len(lengths)
        assert places < 1.2 * tokens


def test_long_texts_are_truncated(tokenizer):
    dataset = text_batches(EXAMPLES, tokenizer, CONFIG, max_length=10)
    assert max(length for length, _ in lengths_and_labels(dataset)) == 10


def test_shuffled_anew_each_epoch_and_alike_by_seed(tokenizer):
    def epochs(seed):
        dataset = text_batches(
            EXAMPLES, tokenizer, CONFIG, batch_size=4, shuffle_seed=seed
        )
        return [lengths_and_labels(dataset) for _ in range(2)]

    first, second = epochs(1)
    assert first != second
    assert [first, second] == epochs(1)
    assert first != epochs(2)[0]


def test_masking(tokenizer):
    dataset = text_batches(
        EXAMPLES, tokenizer, CONFIG, shuffle_seed=0, mask_rate=0.3, batch_size=8
    )
    masked = words = 0
    for _ in range(5):
        for inputs, _ in dataset:
            ids = inputs["input_ids"].numpy()
            assert (ids[:, 0] == tokenizer.cls_token_id).all()
            ends = (ids == tokenizer.sep_token_id).sum(-1)
            assert (ends == 1).all()
            masked += (ids == tokenizer.mask_token_id).sum()
            words += inputs["attention_mask"].numpy().sum() - 2 * len(ids)
    assert masked / words == pytest.approx(0.3, abs=0.03)


def test_without_labels(tokenizer):
    dataset = text_batches(TextExamples(["a", "b"]), tokenizer, CONFIG)
    ((inputs,),) = list(dataset)
    assert inputs["input_ids"].shape == (2, 3)


def test_an_unknown_label(tokenizer):
    with pytest.raises(InputError, match=r"'even', 'odd'.*Received: .*'prime'"):
        text_batches(TextExamples(["a"], ["prime"]), tokenizer, CONFIG)


# === Features of every task


CHOICES = 3  # the place of a multiple choice among them


@pytest.fixture(scope="module")
def all_features(tokenizer):
    """Features of 3 to 32 tokens, of every kind of labels."""
    words = [text.split() for text in EXAMPLES.texts]
    half = [" ".join(row[: len(row) // 2 + 1]) for row in words]
    names = [str(number) for number in range(len(words))]
    several = CONFIG.replace(problem_type="multi_label_classification")
    tags = [[("even", "odd")[i % 2] for i in range(len(row))] for row in words]
    made = [
        (
            SequenceClassification(),
            several,
            TextExamples(EXAMPLES.texts, [[x] for x in EXAMPLES.labels]),
        ),
        (TokenClassification(), CONFIG, TokenExamples(words, tags)),
        (
            QuestionAnswering(),
            CONFIG,
            QuestionExamples(names, half, half, [[]] * len(names)),
        ),
        (
            MultipleChoice(),
            CONFIG,
            ChoiceExamples(half, [[x, "word"] for x in half], [0] * len(half)),
        ),
        (MaskedLM(packed=False, rate=0.3), CONFIG, EXAMPLES),
    ]
    return [
        task.encode(examples, tokenizer, config, max_length=256)
        for task, config, examples in made
    ]


@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("number", range(5))
def test_batches_are_rows_of_the_features(all_features, number, seed):
    features = all_features[number]
    # One more input, which tells what row a row is.
    array = features.inputs["input_ids"]
    numbers = np.arange(len(array)).reshape(-1, *[1] * (array.ndim - 1))
    marked = dataclasses.replace(
        features, inputs={**features.inputs, "row": numbers.astype("int32")}
    )
    seen = []
    dataset = batches(marked, batch_size=8, seed=seed, epoch=4)
    for inputs, labels in dataset.as_numpy_iterator():
        rows = inputs.pop("row").ravel()
        seen += rows.tolist()
        assert inputs["input_ids"].shape[-1] == inputs["attention_mask"].sum(-1).max()
        expected = features.batch(rows, 4)
        for actual, array in zip(
            keras.tree.flatten((inputs, labels)),
            keras.tree.flatten(expected),
            strict=True,
        ):
            np.testing.assert_array_equal(actual, array)
            assert actual.dtype == array.dtype
    assert sorted(seen) == list(range(len(features)))


# === Going on where training stopped


def contents(dataset):
    return [
        [array.tolist() for array in keras.tree.flatten(batch)]
        for batch in dataset.as_numpy_iterator()
    ]


@pytest.mark.parametrize("number", range(5))
def test_an_epoch_depends_on_the_seed_and_its_number(all_features, number):
    features = all_features[number]
    dataset = batches(features, batch_size=8, seed=7)
    epochs = [contents(dataset) for _ in range(4)]
    assert all(epochs[0] != other for other in epochs[1:])
    later = batches(features, batch_size=8, seed=7, epoch=2)
    assert [contents(later), contents(later)] == epochs[2:]
    assert contents(batches(features, batch_size=8, seed=8)) != epochs[0]


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("seed", [None, 7])
def test_the_rest_of_an_epoch(all_features, tokenizer, number, seed):
    """What is left after some batches are the others, and the next epoch is whole."""
    features = all_features[number]
    options = {"batch_size": 8, "seed": seed}
    if number != CHOICES:
        options["hiding"] = Masking(tokenizer, 0.5)
    whole = batches(features, epoch=2, **options)
    epochs = [contents(whole), contents(whole)]
    count = len(epochs[0])
    for skip in (0, 1, count - 1, count):
        rest = batches(features, epoch=2, skip=skip, **options)
        assert len(rest) == count - skip
        assert contents(rest) == epochs[0][skip:]
    first = 2 if seed is None else 3
    assert contents(batches(features, epoch=first, **options)) == epochs[1]
    assert len(batches(features, skip=count + 1, **options)) == 0


def test_part_of_an_epoch_is_one(all_features):
    """`take` and an iterator that is left do not shift the epochs after the next."""
    dataset = batches(all_features[1], batch_size=8, seed=7)
    whole = contents(batches(all_features[1], batch_size=8, seed=7, epoch=1))
    assert len(contents(dataset.take(2))) == 2
    assert contents(dataset) == whole


def test_a_dataset_of_a_dataset_keeps_its_rows(all_features):
    features = all_features[0]
    expected = contents(batches(features, batch_size=3, seed=5).take(2))
    derived = batches(features, batch_size=3, seed=5).map(lambda *batch: batch).take(2)
    iterators = [
        iter(batches(features, batch_size=3, seed=5)),
        batches(features, batch_size=3, seed=5).as_numpy_iterator(),
    ]
    gc.collect()
    assert contents(derived) == expected
    first, again = (next(iterator)[0]["input_ids"] for iterator in iterators)
    np.testing.assert_array_equal(first, again)


def test_without_a_seed_every_iteration_is_the_same(all_features):
    for features in all_features:
        dataset = batches(features, batch_size=8)
        assert contents(dataset) == contents(dataset)


def test_hidden_pieces_are_of_the_epoch(tokenizer):
    def made(**changes):
        return text_batches(
            EXAMPLES, tokenizer, CONFIG, shuffle_seed=4, mask_rate=0.5, **changes
        )

    dataset, again = made(), made()
    epochs = [contents(dataset), contents(dataset)]
    assert epochs[0] != epochs[1]
    assert [contents(again), contents(again)] == epochs


def test_fit_goes_through_the_epochs():
    """Three epochs at once, and one and then two, end in the same weights."""
    config = ONE_LAYER.replace(**WITHOUT_DROPOUT)
    inputs = make_inputs(18, 9, config=config)
    inputs["attention_mask"] = np.tri(18, 9, -1, "int32")
    labels = np.random.default_rng(0).integers(3, size=(18, 9)).astype("int32")
    features = Features(
        inputs=inputs, labels=labels, labels_of_tokens=True, rows=np.arange(18)
    )

    def trained(*parts):
        model = make_model("SqueezeBertForTokenClassification", config)
        model.compile(keras.optimizers.SGD(0.05))
        for first, last in parts:
            data = batches(features, batch_size=4, seed=1, epoch=first)
            model.fit(data, initial_epoch=first, epochs=last, shuffle=False, verbose=0)
        return np.concatenate([weights.ravel() for weights in model.get_weights()])

    whole = trained((0, 3))
    np.testing.assert_allclose(trained((0, 1), (1, 3)), whole, atol=1e-6)
    other_epochs = trained((0, 1), (0, 2))
    assert not np.allclose(other_epochs, whole, atol=1e-4)


# === Bad input


@pytest.mark.parametrize(
    "number", [{"batch_size": 0}, {"seed": -1}, {"epoch": -2}, {"skip": -1}], ids=str
)
def test_numbers_out_of_range(all_features, number):
    with pytest.raises(InputError, match=f"Received: {next(iter(number))}="):
        batches(all_features[0], **number)


def test_lengths_padded_to_a_multiple(tokenizer):
    features = SequenceClassification().encode(EXAMPLES, tokenizer, CONFIG)
    options = {"batch_size": 8, "seed": 5, "epoch": 3}
    padded = batches(features, pad_to_multiple_of=16, **options).as_numpy_iterator()
    bare = batches(features, **options).as_numpy_iterator()
    lengths = set()
    for (inputs, labels), (expected, expected_labels) in zip(padded, bare, strict=True):
        seq = expected["input_ids"].shape[1]
        lengths.add(inputs["input_ids"].shape[1])
        np.testing.assert_array_equal(labels, expected_labels)
        for name, array in inputs.items():
            np.testing.assert_array_equal(array[:, :seq], expected[name])
            assert not array[:, seq:].any()
    assert lengths == {16, 32}


def test_the_epoch_may_be_asked_for(tokenizer):
    features = SequenceClassification().encode(EXAMPLES, tokenizer, CONFIG)
    numbers = iter([4, 4, 2])
    dataset = batches(features, batch_size=8, seed=5, epoch=lambda: next(numbers))
    for epoch in (4, 4, 2):
        expected = batches(features, batch_size=8, seed=5, epoch=epoch)
        assert lengths_and_labels(dataset) == lengths_and_labels(expected)
