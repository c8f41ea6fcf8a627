"""A model that is taught: the loss, and what it leads to."""

import keras
import numpy as np
import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, inputs_for, make_model, run, to_numpy

from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite import calibrate, quantize_aware

CLASSIFIER = "SqueezeBertForSequenceClassification"
CALM = ONE_LAYER.replace(**WITHOUT_DROPOUT)
ROWS = 4
HEADS = {
    "SqueezeBertForMaskedLM": lambda rng, seq: rng.integers(0, 101, (ROWS, seq)),
    "SqueezeBertForMultipleChoice": lambda rng, seq: rng.integers(0, 3, ROWS),
    "SqueezeBertForQuestionAnswering": lambda rng, seq: {
        name: rng.integers(0, seq, ROWS) for name in ("start_logits", "end_logits")
    },
    CLASSIFIER: lambda rng, seq: rng.integers(0, 3, ROWS),
    "SqueezeBertForTokenClassification": lambda rng, seq: rng.integers(
        0, 3, (ROWS, seq)
    ),
}


def softmax(x):
    exponent = np.exp(x - x.max(-1, keepdims=True))
    return exponent / exponent.sum(-1, keepdims=True)


def cross_entropy(answer, output, temperature):
    p, q = softmax(answer / temperature), softmax(output / temperature)
    return -(p * np.log(q)).sum(-1)


def some(architecture):
    inputs = inputs_for(architecture, 3)
    labels = HEADS[architecture](
        np.random.default_rng(0), inputs["input_ids"].shape[-1]
    )
    return inputs, labels


def first_loss(model, inputs, labels):
    model.compile(keras.optimizers.SGD(0.0))
    return model.fit(inputs, labels, verbose=0).history["loss"][0]


@pytest.mark.parametrize("architecture", HEADS)
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_loss(architecture, temperature):
    teacher, student = make_model(architecture, CALM), make_model(architecture, CALM, 1)
    inputs, labels = some(architecture)
    by_labels = first_loss(student, inputs, labels)
    student.distill_from(teacher, weight=0.3, temperature=temperature)
    answers, outputs = run(teacher, inputs), run(student, inputs)
    distances = [cross_entropy(answers[k], outputs[k], temperature) for k in outputs]
    if distances[0].ndim == 2:  # of tokens
        distances = [d[inputs["attention_mask"] != 0] for d in distances]
    taught = temperature**2 * np.mean([d.mean() for d in distances])
    expected = 0.7 * by_labels + 0.3 * taught
    assert first_loss(student, inputs, labels) == pytest.approx(expected, rel=1e-5)
    assert abs(taught - by_labels) > 0.01
    # Evaluation goes by the labels.
    evaluated = student.evaluate(inputs, labels, verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(by_labels, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "distance"),
    [
        (
            {"problem_type": "regression"},
            lambda a, o: ((a - o) ** 2).mean(),
        ),
        (
            {"problem_type": "multi_label_classification"},
            lambda a, o: (np.log1p(np.exp(o)) - o / (1 + np.exp(-a))).mean(),
        ),
    ],
    ids=["regression", "multi-label"],
)
def test_the_loss_of_other_tasks(changes, distance):
    config = CALM.replace(**changes)
    teacher, student = make_model(CLASSIFIER, config), make_model(CLASSIFIER, config, 1)
    inputs, _ = some(CLASSIFIER)
    student.distill_from(teacher, weight=1.0)
    a, o = run(teacher, inputs)["logits"], run(student, inputs)["logits"]
    loss = first_loss(student, inputs, np.zeros((ROWS, 3), "float32"))
    assert loss == pytest.approx(distance(a, o), rel=1e-5)


def test_a_student_comes_nearer_and_its_teacher_stays():
    teacher, student = make_model(CLASSIFIER, CALM), make_model(CLASSIFIER, CALM, 1)
    inputs, _ = some(CLASSIFIER)
    before = [to_numpy(weight).copy() for weight in teacher.weights]
    target = run(teacher, inputs)["logits"].argmax(-1)
    wrong = (target + 1) % 3  # so it is from the teacher that it learns
    student.distill_from(teacher, weight=1.0)
    student.compile(keras.optimizers.Adam(1e-3))
    losses = student.fit(inputs, wrong, epochs=30, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(run(student, inputs)["logits"].argmax(-1), target)
    for old, weight in zip(before, teacher.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), old)


def test_a_quantized_copy_learns_from_its_model(tmp_path):
    model = make_model(CLASSIFIER, CALM)
    inputs, labels = some(CLASSIFIER)
    quantized = quantize_aware(model, "int8")
    calibrate(quantized, [inputs], progress=False)
    quantized.distill_from(model)
    quantized.compile()
    quantized.fit(inputs, labels, verbose=0)
    # What is saved knows of no teacher.
    quantized.save(tmp_path / "a.keras")
    loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert len(loaded.weights) == len(quantized.weights)
    loaded.fit(inputs, labels, verbose=0)


def test_without_a_teacher_any_more():
    teacher, student = make_model(CLASSIFIER, CALM), make_model(CLASSIFIER, CALM, 1)
    inputs, labels = some(CLASSIFIER)
    expected = first_loss(student, inputs, labels)
    student.distill_from(teacher)
    student.distill_from(None)
    assert first_loss(student, inputs, labels) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": 1.5}, "`weight` .* weight=1.5"),
        ({"temperature": 0.0}, "`temperature` .* temperature=0.0"),
    ],
)
def test_numbers_out_of_range(arguments, message):
    model = make_model(CLASSIFIER, CALM)
    with pytest.raises(InputError, match=message):
        model.distill_from(model, **arguments)


def test_a_teacher_of_other_labels():
    teacher = make_model(CLASSIFIER, CALM.replace(id2label={0: "a", 1: "b"}))
    with pytest.raises(InputError, match=r"\(None, 2\) of the teacher, \(None, 3\)"):
        make_model(CLASSIFIER, CALM).distill_from(teacher)
