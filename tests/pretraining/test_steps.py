"""Steps go through the rows of each phase in their order, from any step on."""

import itertools

import numpy as np
import pytest
from generated import COMMON

from keras_squeezebert.pretraining.batches import PretrainingBatches, PretrainingSteps
from keras_squeezebert.pretraining.cache import TokenCache
from keras_squeezebert.pretraining.recipe import Phase, PretrainingRecipe
from keras_squeezebert.pretraining.rows import Rows

# Together more rows than a pass has, in batches that the end of a pass goes through.
PHASES = (Phase(16, 12, 5), Phase(32, 6, 4), Phase(16, 6, 3))
RECIPE = PretrainingRecipe(
    phases=PHASES,
    accumulation_steps=2,
    mask_rate=0.3,
    whole_words=True,
    clean_share=0.1,
    seed=7,
)


@pytest.fixture(scope="module")
def cache(tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("steps")
    rows = np.resize(COMMON, (40, 9))
    text = [" ".join(words).capitalize() + "." for words in rows.tolist()]
    path = folder / "t.txt"
    path.write_text("\n".join(text))
    return TokenCache.write(folder / "cache", [path], tokenizer)


@pytest.fixture
def steps(cache, tokenizer):
    """Anew for each test: what came before is not to matter."""
    return PretrainingSteps(cache, tokenizer, RECIPE)


def assert_equal(found, expected):
    for actual, wanted in zip(found, expected, strict=True):
        assert actual.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_array_equal(actual[name], array, err_msg=name)
            assert actual[name].dtype == array.dtype


def row_by_row(cache, tokenizer, masking, recipe):
    """The batch of every step, each row made alone."""
    for phase in recipe.phases:
        rows = Rows(
            cache,
            tokenizer,
            phase.length,
            masking,
            recipe.sentence_order,
            recipe.clean_share,
        )
        endless = (
            rows.batch(number, [row])
            for number in itertools.count()
            for row in rows.numbered(number * len(rows), len(rows))[0][1]
        )
        for _ in range(phase.steps * recipe.accumulation_steps):
            size = phase.batch_size // recipe.accumulation_steps
            made = list(itertools.islice(endless, size))
            yield tuple(
                {
                    name: np.concatenate([part[name] for part in parts])
                    for name in parts[0]
                }
                for parts in zip(*made, strict=True)
            )


def test_steps_are_the_rows_of_their_phase(cache, tokenizer, steps):
    expected = list(row_by_row(cache, tokenizer, steps.masking, RECIPE))
    assert len(expected) == RECIPE.steps == 24
    for step, batch in enumerate(expected):
        assert_equal(steps(step), batch)
    # From any step on, in any order.
    for step in (13, 3, 23, 10, 9, 0):
        assert_equal(steps(step), expected[step])
        assert_equal(PretrainingSteps(cache, tokenizer, RECIPE)(step), expected[step])


def test_a_pass_ends_within_a_batch(cache, tokenizer, steps):
    """Or the tests here would not tell."""
    rows = [Rows(cache, tokenizer, n, steps.masking) for n in (16, 32)]
    for number, phase in enumerate(PHASES[:2]):
        assert len(rows[number]) % (phase.batch_size // 2)
        assert len(rows[number]) < phase.batch_size * phase.steps


def test_accumulated_steps_are_the_batch(cache, tokenizer, steps):
    recipe = PretrainingRecipe(**{**vars(RECIPE), "accumulation_steps": 1})
    whole = PretrainingSteps(cache, tokenizer, recipe)
    for update in range(recipe.updates):
        parts = [steps(2 * update), steps(2 * update + 1)]
        expected = [
            {
                name: np.concatenate([part[name] for part in of_both])
                for name in of_both[0]
            }
            for of_both in zip(*parts, strict=True)
        ]
        assert_equal(whole(update), expected)


def test_phases(steps):
    assert steps.ends == [10, 18, 24]
    assert [steps.phase(step) for step in range(24)] == [0] * 10 + [1] * 8 + [2] * 6
    assert [steps.rows_of_step(step) for step in (0, 9, 10, 17, 18)] == [6, 6, 3, 3, 3]
    assert [steps.tokens(step) for step in (0, 9, 10, 17, 18)] == [96, 96, 96, 96, 48]
    for step in range(24):
        inputs, _ = steps(step)
        assert inputs["input_ids"].size == steps.tokens(step)


def test_there_are_batches_after_the_last(cache, tokenizer, steps):
    """Of a held-out text more may be wanted than a short pretraining has steps."""
    longer = (*PHASES[:2], Phase(16, 6, 10))
    longer = PretrainingRecipe(**{**vars(RECIPE), "phases": longer})
    others = PretrainingSteps(cache, tokenizer, longer)
    for step in (23, 24, 30):
        assert_equal(steps(step), others(step))


@pytest.mark.parametrize(("first", "count"), [(0, 24), (8, 5), (17, 1), (20, 4)])
def test_a_dataset_is_its_steps(cache, tokenizer, steps, first, count):
    dataset = PretrainingBatches(
        PretrainingSteps(cache, tokenizer, RECIPE), first, count, ["distance"]
    )
    assert len(dataset) == count
    for index in range(count):
        inputs, labels = dataset[index]
        nothing = labels.pop("distance")
        assert_equal((inputs, labels), steps(first + index))
        assert nothing.tolist() == [0.0] * steps.rows_of_step(first + index)
        assert nothing.dtype == "float32"
