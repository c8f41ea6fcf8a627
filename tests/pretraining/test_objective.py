"""The losses of a pretraining, against NumPy."""

import dataclasses

import keras
import numpy as np
import pytest
from pretraining_runs import CONFIG, RECIPE, SIZES, make_student, make_teacher

from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
from keras_squeezebert.errors import InputError
from keras_squeezebert.pretraining import Phase, PretrainingRecipe
from keras_squeezebert.pretraining.initial import draw_kernels
from keras_squeezebert.pretraining.objective import (
    AttentionDistance,
    HiddenDistance,
    SentenceDistance,
    pretraining_model,
)

ROWS, LENGTH = 3, 7
MASK = np.array([[1] * 7, [1] * 4 + [0] * 3, [1] + [0] * 6], "int32")
PHASES = (Phase(16, 8, 4, 1e-3),)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def make_inputs(rng):
    ids = rng.integers(5, CONFIG.vocab_size, (ROWS, LENGTH)).astype("int32")
    return {
        "input_ids": ids * MASK,
        "attention_mask": MASK,
        "token_type_ids": np.zeros_like(ids),
        "masked_positions": np.array([[3, 5], [1, 0], [0, 0]], "int32"),
    }


def test_hidden_distance(rng):
    states, taught = rng.normal(size=(2, 2, ROWS, LENGTH, 5)).astype("float32")
    found = HiddenDistance()(list(states), list(taught), MASK)
    expected = np.zeros(ROWS)
    for row in range(ROWS):
        tokens = MASK[row] == 1
        for state, target in zip(states[:, row], taught[:, row], strict=True):
            missed = ((state[tokens] - target[tokens]) ** 2).sum()
            expected[row] += missed / (target[tokens] ** 2).sum() / 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    zeros = [np.zeros_like(state) for state in states]
    np.testing.assert_allclose(
        HiddenDistance()(zeros, list(taught), MASK), 1, rtol=1e-6
    )


def test_sentence_distance(rng):
    state, taught = rng.normal(size=(2, ROWS, LENGTH, 5)).astype("float32")
    found = SentenceDistance()(state, taught, MASK)
    for row in range(ROWS):
        first, second = (x[row][MASK[row] == 1].mean(axis=0) for x in (state, taught))
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        assert float(found[row]) == pytest.approx(1 - cosine, abs=1e-5)
    assert np.abs(SentenceDistance()(3 * taught, taught, MASK)).max() < 1e-6


def test_attention_distance(rng):
    """Of three layers' attention the student's two learn from the last of each pair."""
    student, teacher = make_student().transformer, make_teacher()
    numbers = [0, 2, 3]
    inputs = {n: a for n, a in make_inputs(rng).items() if n != "masked_positions"}
    mine = student.intermediate_outputs(inputs)
    theirs = teacher.intermediate_outputs(inputs)
    found = AttentionDistance(student, teacher, numbers)(
        mine["hidden_states"][:-1],
        [theirs["hidden_states"][number - 1] for number in numbers[1:]],
        MASK,
    )
    expected = np.zeros(ROWS)
    for q, number in zip(mine["attentions"], numbers[1:], strict=True):
        p, q = (
            np.asarray(x, "float64")  # (rows, heads, queries, keys)
            for x in (theirs["attentions"][number - 1], q)
        )
        # Where a key is padding both are 0.
        terms = np.where(
            p > 0, p * np.log(np.maximum(p, 1e-30) / np.maximum(q, 1e-30)), 0
        )
        of_queries = terms.sum(axis=-1).mean(axis=1)  # (rows, queries)
        expected += (of_queries * MASK).sum(axis=-1) / MASK.sum(axis=-1) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-6)
    assert expected.max() > 0.01


def test_the_graph_has_each_loss(rng):
    """Its outputs are those of the models run one by one."""
    student, teacher = make_student(), make_teacher()
    training = pretraining_model(student, RECIPE, teacher)
    inputs = make_inputs(rng)
    outputs = training(inputs)
    assert set(outputs) == {
        *("masked_lm", "sentence_order"),
        *("hidden_distance", "attention_distance", "sentence_distance"),
    }
    tokens = {n: inputs[n] for n in inputs if n != "masked_positions"}
    logits = student.predict(tokens, verbose=0)  # (rows, seq, vocabulary)
    expected = np.take_along_axis(logits, inputs["masked_positions"][..., None], axis=1)
    np.testing.assert_allclose(outputs["masked_lm"], expected, rtol=1e-4, atol=1e-5)
    states = student.transformer.intermediate_outputs(tokens)["hidden_states"]
    taught = teacher.intermediate_outputs(tokens)["hidden_states"]
    np.testing.assert_allclose(
        outputs["hidden_distance"],
        HiddenDistance()(states, [taught[0], taught[2], taught[3]], MASK),
        rtol=1e-4,
    )
    np.testing.assert_allclose(
        outputs["sentence_distance"],
        SentenceDistance()(states[-1], taught[-1], MASK),
        atol=1e-5,
    )


def test_the_last_states_alone(rng):
    student, teacher = make_student(), make_teacher()
    recipe = dataclasses.replace(RECIPE, hidden_states="last")
    training = pretraining_model(student, recipe, teacher)
    inputs = make_inputs(rng)
    found = training(inputs)["hidden_distance"]
    tokens = {n: inputs[n] for n in inputs if n != "masked_positions"}
    state, taught = (
        encoder.intermediate_outputs(tokens)["hidden_states"][-1]
        for encoder in (student.transformer, teacher)
    )
    np.testing.assert_allclose(
        found, HiddenDistance()([state], [taught], MASK), rtol=1e-4
    )


def test_losses_are_weighed_and_places_without_a_label_do_not_count(rng):
    recipe = PretrainingRecipe(
        phases=PHASES, masked_lm_weight=0.5, hidden_weight=3.0, sentence_order=False
    )
    student, teacher = make_student(), make_teacher()
    training = pretraining_model(student, recipe, teacher)
    inputs = make_inputs(rng)
    outputs = training.predict(inputs, verbose=0)
    labels = np.array([[7, 9], [11, -100], [-100, -100]], "int32")
    targets = {"masked_lm": labels, "hidden_distance": np.zeros(ROWS, "float32")}
    figures = training.evaluate(inputs, targets, verbose=0, return_dict=True)
    logits = outputs["masked_lm"].astype("float64")
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    guessed = -np.mean([logs[0, 0, 7], logs[0, 1, 9], logs[1, 0, 11]])
    assert figures["masked_lm_loss"] == pytest.approx(guessed, rel=1e-4)
    hidden = outputs["hidden_distance"].mean()
    assert figures["hidden_distance_loss"] == pytest.approx(hidden, rel=1e-4)
    assert figures["loss"] == pytest.approx(0.5 * guessed + 3 * hidden, rel=1e-4)


def test_the_teacher_does_not_learn(rng):
    student, teacher = make_student(), make_teacher()
    before = [np.array(weight) for weight in teacher.weights]
    training = pretraining_model(student, RECIPE, teacher)
    assert not {id(v) for v in teacher.variables} & {id(v) for v in training.variables}
    inputs = make_inputs(rng)
    labels = {
        "masked_lm": np.array([[7, 9], [11, -100], [6, -100]], "int32"),
        "sentence_order": np.array([0, 1, 0], "int32"),
        **dict.fromkeys(
            [n for n in training.output if n.endswith("_distance")],
            np.zeros(ROWS, "float32"),
        ),
    }
    training.train_on_batch(inputs, labels)
    training.train_on_batch(inputs, labels)
    for weight, value in zip(teacher.weights, before, strict=True):
        np.testing.assert_array_equal(weight, value)


def test_the_teacher_s_dropout_is_off(rng):
    """Its states in a step of training are those of inference."""
    teacher = make_teacher()
    assert teacher.config.hidden_dropout_prob > 0
    student = make_student()
    training = pretraining_model(student, RECIPE, teacher)
    layer = next(la for la in training.layers if type(la).__name__ == "TeacherStates")
    inputs = make_inputs(rng)
    names = ("input_ids", "attention_mask", "token_type_ids")
    tokens = [inputs[name] for name in names]
    found = layer(*tokens, training=True)
    expected = teacher.intermediate_outputs({n: inputs[n] for n in names})
    for state, target in zip(found, expected["hidden_states"], strict=True):
        np.testing.assert_allclose(state, target, atol=1e-6)


def test_a_wider_teacher_is_reached_by_a_map(rng):
    config = SqueezeBertConfig.preset(
        "bert-base", **{**SIZES, "hidden_size": 48, "num_hidden_layers": 2}
    )
    wide = SqueezeBertModel(config)
    draw_kernels(wide.variables, 0.2, seed=1)
    recipe = PretrainingRecipe(phases=PHASES, hidden_weight=1.0, sentence_weight=1.0)
    student = make_student()
    training = pretraining_model(student, recipe, wide)
    projection = training.get_layer("projection").kernel
    assert tuple(projection.shape) == (32, 48)
    assert id(projection) not in {id(variable) for variable in student.variables}
    assert float(keras.ops.max(training(make_inputs(rng))["hidden_distance"])) > 0


@pytest.mark.parametrize(
    ("weights", "changes", "message"),
    [
        ({"hidden_weight": 1.0}, None, "to a teacher.*hidden_weight, no teacher"),
        ({}, {}, "Of a teacher something is to be learnt"),
        ({"hidden_weight": 1.0}, {"vocab_size": 99}, "vocabulary.*99 pieces"),
        ({"hidden_weight": 1.0}, {"num_hidden_layers": 1}, "as many or more.*2 layers"),
        (
            {"attention_weight": 1.0},
            {"num_attention_heads": 8},
            "head by head.*4 heads of the model, 8",
        ),
    ],
)
def test_what_cannot_be_learnt(weights, changes, message):
    teacher = None
    if changes is not None:
        sizes = {**SIZES, "num_hidden_layers": 2, **changes}
        teacher = SqueezeBertModel(SqueezeBertConfig.preset("bert-base", **sizes))
    with pytest.raises(InputError, match=message):
        pretraining_model(
            make_student(), PretrainingRecipe(phases=PHASES, **weights), teacher
        )


def test_nothing_to_learn():
    recipe = PretrainingRecipe(phases=PHASES, mask_rate=0.0, sentence_order=False)
    with pytest.raises(InputError, match="nothing to learn"):
        pretraining_model(make_student(), recipe)
