"""What a recipe makes of its numbers."""

import dataclasses

import keras
import numpy as np
import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.optimizer import GroupedMuon
from keras_squeezebert.pretraining import Phase, PretrainingRecipe
from keras_squeezebert.training.recipe import WarmUpAndDecay

TWO = (Phase(16, 8, 10, 1e-2), Phase(32, 4, 7, 1e-3))


def test_the_defaults_are_the_paper_s():
    """Iandola et al. 2020, section 4.1."""
    recipe = PretrainingRecipe()
    phases = [dataclasses.astuple(phase) for phase in recipe.phases]
    assert phases == [(128, 8192, 56_000, 2.5e-3), (512, 8192, 6_000, 2.5e-3)]
    assert (recipe.optimizer, recipe.warmup_ratio) == ("lamb", 0.28)
    assert recipe.updates == 62_000


@pytest.mark.parametrize("decay", ["linear", "cosine"])
def test_each_phase_has_a_schedule_of_its_own(decay):
    recipe = PretrainingRecipe(phases=TWO, warmup_ratio=0.3, decay=decay)
    schedule = recipe.schedule()
    found = [float(schedule(step)) for step in range(18)]
    first, second = (
        WarmUpAndDecay(1e-2, 3, 10, decay),
        WarmUpAndDecay(1e-3, 2, 7, decay),
    )
    expected = [float(first(step)) for step in range(10)]
    expected += [float(second(step)) for step in range(7)]
    np.testing.assert_allclose(found, [*expected, 0.0], rtol=1e-6)
    assert max(found) == pytest.approx(recipe.learning_rate)


def test_reports_end_with_their_phases():
    recipe = PretrainingRecipe(phases=TWO, report_steps=4)
    assert recipe.report_ends == [4, 8, 10, 14, 17]
    halves = dataclasses.replace(recipe, accumulation_steps=2)
    assert halves.report_ends == [8, 16, 20, 28, 34]
    assert halves.epochs == 5
    assert (halves.steps, halves.updates) == (34, 17)
    whole = dataclasses.replace(recipe, report_steps=5)
    assert whole.report_ends == [5, 10, 15, 17]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lamb", keras.optimizers.Lamb),
        ("adamw", keras.optimizers.AdamW),
        ("muon", GroupedMuon),
    ],
)
def test_biases_and_layer_norms_do_not_decay(name, kind):
    optimizer = PretrainingRecipe(
        phases=TWO, optimizer=name, weight_decay=0.5
    ).new_optimizer()
    assert type(optimizer) is kind
    variables = {
        leaf: keras.Variable(np.ones(3, "float32"), name=leaf)
        for leaf in ("kernel", "bias", "gamma", "beta")
    }
    optimizer.build(list(variables.values()))
    decaying = [n for n, v in variables.items() if optimizer._use_weight_decay(v)]
    assert decaying == ["kernel"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": ()}, "a phase at least"),
        ({"optimizer": "sgd"}, "`optimizer` must be lamb or adamw or muon.*'sgd'"),
        ({"decay": "none"}, "`decay` must be linear or cosine"),
        ({"hidden_states": "first"}, "`hidden_states` must be all or last"),
        ({"mask_rate": 1.5}, r"`mask_rate` must be in \[0, 1\].*1.5"),
        ({"clean_share": -0.1}, "`clean_share`"),
        ({"warmup_ratio": float("nan")}, "`warmup_ratio`"),
        ({"hidden_weight": -1.0}, "`hidden_weight` must be 0 or more"),
        ({"masked_lm_weight": float("inf")}, "`masked_lm_weight`"),
        ({"clip_norm": 0.0}, "`clip_norm` must be positive"),
        ({"accumulation_steps": 0}, "`accumulation_steps` must be 1 or more"),
        ({"accumulation_steps": 3}, "equal parts.*batch_size=8, accumulation_steps=3"),
        ({"report_steps": 0}, "`report_steps`"),
        ({"seed": -1}, "`seed`"),
        ({"seed": 2**32}, "`seed`"),
    ],
)
def test_numbers_out_of_range(changes, message):
    with pytest.raises(InputError, match=message):
        PretrainingRecipe(**{"phases": TWO, **changes})


@pytest.mark.parametrize(
    ("numbers", "name"),
    [
        ((7, 8, 10), "length"),
        ((16, 0, 10), "batch_size"),
        ((16, 8, 0), "steps"),
        ((16, 8, 10, 0.0), "learning_rate"),
        ((16, 8, 10, float("nan")), "learning_rate"),
    ],
)
def test_phases_out_of_range(numbers, name):
    with pytest.raises(InputError, match=f"`{name}` of a phase"):
        Phase(*numbers)
