"""A model that is taught: the loss, and what it leads to."""

import keras
import numpy as np
import pytest
from tiny import ONE_LAYER, WITHOUT_DROPOUT, inputs_for, make_model, run, to_numpy

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.distillation import SavedAnswers, output_shapes
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


def taught_loss(architecture, answers, outputs, mask, temperature):
    """The mean over outputs of the cross entropies, without the padding."""
    losses = []
    for name, output in outputs.items():
        answer, is_token = answers[name], mask != 0
        if architecture == "SqueezeBertForQuestionAnswering":  # (batch, seq)
            losses += [
                cross_entropy(a[kept], o[kept], temperature)
                for a, o, kept in zip(answer, output, is_token, strict=True)
            ]
            continue
        distances = cross_entropy(answer, output, temperature)
        losses.append((distances[is_token] if output.ndim == 3 else distances).mean())
    return temperature**2 * np.mean(losses)


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
    taught = taught_loss(
        architecture,
        run(teacher, inputs),
        run(student, inputs),
        inputs["attention_mask"],
        temperature,
    )
    expected = 0.7 * by_labels + 0.3 * taught
    assert first_loss(student, inputs, labels) == pytest.approx(expected, rel=1e-5)
    assert abs(taught - by_labels) > 0.01
    # Evaluation goes by the labels.
    evaluated = student.evaluate(inputs, labels, verbose=0, return_dict=True)
    assert evaluated["loss"] == pytest.approx(by_labels, rel=1e-5)


@pytest.mark.parametrize("unlabelled", [1, ROWS])
def test_rows_without_labels_count_to_the_teacher_alone(unlabelled):
    teacher, student = make_model(CLASSIFIER, CALM), make_model(CLASSIFIER, CALM, 1)
    inputs, labels = some(CLASSIFIER)
    labels = labels.copy()
    labels[:unlabelled] = -100
    known = labels != -100
    some_inputs = {name: array[known] for name, array in inputs.items()}
    by_labels = first_loss(student, some_inputs, labels[known]) if known.any() else 0.0
    student.distill_from(teacher, weight=0.3)
    taught = taught_loss(
        CLASSIFIER,
        run(teacher, inputs),
        run(student, inputs),
        inputs["attention_mask"],
        1.0,
    )
    expected = 0.7 * by_labels + 0.3 * taught
    assert first_loss(student, inputs, labels) == pytest.approx(expected, rel=1e-5)


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


# === Saved answers


@pytest.mark.parametrize("architecture", HEADS)
def test_answers_that_come_with_the_inputs(architecture):
    teacher, student = make_model(architecture, CALM), make_model(architecture, CALM, 1)
    inputs, labels = some(architecture)
    student.distill_from(teacher, weight=0.3, temperature=2.0)
    expected = first_loss(student, inputs, labels)
    # What padding is answered does not count, and is not saved.
    padding = inputs["attention_mask"] == 0
    answers = {name: answer.copy() for name, answer in run(teacher, inputs).items()}
    for answer in answers.values():
        if answer.shape[:2] == padding.shape:
            answer[padding] = 0
    answered = {**inputs, **{f"teacher_{name}": a for name, a in answers.items()}}
    student.distill_from(SavedAnswers(output_shapes(teacher)), 0.3, 2.0)
    assert first_loss(student, answered, labels) == pytest.approx(expected, rel=1e-6)
    # They are no inputs of the model.
    for name, value in run(student, inputs).items():
        np.testing.assert_array_equal(run(student, answered)[name], value)
    student.evaluate(answered, labels, verbose=0)


def test_answers_that_are_not_there():
    student = make_model(CLASSIFIER, CALM)
    student.distill_from(SavedAnswers(output_shapes(student)))
    student.compile(run_eagerly=True)
    with pytest.raises(InputError, match=r"hold no answers .* Received: input_ids"):
        student.fit(*some(CLASSIFIER), verbose=0)


# === What does not fit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weight": 1.5}, "`weight` .* weight=1.5"),
        ({"temperature": 0.0}, "`temperature` .* temperature=0.0"),
        ({"hidden_weight": -1.0}, "`hidden_weight` .* hidden_weight=-1.0"),
        ({"attention_weight": np.nan}, "`attention_weight` .* attention_weight=nan"),
    ],
)
def test_numbers_out_of_range(arguments, message):
    model = make_model(CLASSIFIER, CALM)
    with pytest.raises(InputError, match=message):
        model.distill_from(model, **arguments)


def test_a_teacher_of_other_labels():
    teacher = make_model(CLASSIFIER, CALM.replace(id2label={0: "a", 1: "b"}))
    student = make_model(CLASSIFIER, CALM)
    for of_it in (teacher, SavedAnswers(output_shapes(teacher))):
        with pytest.raises(InputError, match=r"\(None, 2\)} of the teacher, .*, 3\)}"):
            student.distill_from(of_it)


def test_a_model_without_a_task():
    model = make_model("SqueezeBertModel", CALM)
    with pytest.raises(InputError, match=r"without a task .* a SqueezeBertModel"):
        model.distill_from(model)


def test_a_teacher_of_any_kind():
    """As long as it has the outputs."""
    x = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    embedded = keras.layers.Embedding(101, 8)(x["input_ids"])
    logits = keras.layers.Dense(3)(keras.ops.mean(embedded, axis=1))
    teacher, student = keras.Model(x, logits), make_model(CLASSIFIER, CALM)
    inputs, labels = some(CLASSIFIER)
    student.distill_from(teacher, weight=1.0)
    answers, outputs = run(teacher, inputs)["logits"], run(student, inputs)["logits"]
    expected = cross_entropy(answers, outputs, 1.0).mean()
    assert first_loss(student, inputs, labels) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InputError, match="a model of this package"):
        student.distill_from(teacher, hidden_weight=1.0)
