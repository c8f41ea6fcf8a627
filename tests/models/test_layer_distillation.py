"""Layers that are taught: the losses against numpy, and who learns from them."""

import keras
import numpy as np
import pytest
from tiny import (
    CONFIG,
    HEADS,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    inputs_for,
    make_model,
    named,
    run,
    to_numpy,
)

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.distillation import SavedAnswers, output_shapes
from keras_squeezebert.models.hidden_states import with_hidden_states
from keras_squeezebert.models.layer_distillation import matched_states
from keras_squeezebert.tflite import (
    LiteRTModel,
    calibrate,
    export_tflite,
    quantize_aware,
    read_ops,
)

CLASSIFIER = "SqueezeBertForSequenceClassification"
STUDENT = CONFIG.replace(**WITHOUT_DROPOUT)  # 2 layers of width 96, 16 heads
TEACHER = STUDENT.replace(num_hidden_layers=3, hidden_size=192, intermediate_size=384)
LAYERS = {1: 2, 2: 3}  # which of the student's learns from which of the teacher's


def some(architecture):
    inputs = inputs_for(architecture, 3)
    model = make_model(architecture, STUDENT)
    labels = {
        name: np.zeros(value.shape[: 2 if value.ndim == 3 else 1], "int32")
        for name, value in run(model, inputs).items()
    }
    return inputs, labels.get("logits", labels)


def fit(model, inputs, labels, optimizer=None):
    # Eagerly: most tests take one step, and a graph takes longer to make.
    model.compile(optimizer or keras.optimizers.SGD(0.0), run_eagerly=True)
    return model.fit(inputs, labels, verbose=0).history["loss"][0]


def intermediate(model, inputs):
    """Of the encoder, by means of its own."""
    flat = {name: x.reshape(-1, x.shape[-1]) for name, x in inputs.items()}
    outputs = model.transformer.intermediate_outputs(flat)
    return {name: [to_numpy(x) for x in values] for name, values in outputs.items()}


def of_tokens(distances, mask):
    return distances[mask != 0].mean()


def hidden_loss(ours, theirs, mask, projection, first_token_last):
    pairs = [(0, 0), *LAYERS.items()]
    losses = []
    for m, n in pairs:
        difference = ours["hidden_states"][m] @ projection - theirs["hidden_states"][n]
        distances = (difference**2).mean(-1)
        if first_token_last and m == 2:
            losses.append(of_tokens(distances[:, :1], mask[:, :1]))
        else:
            losses.append(of_tokens(distances, mask))
    return np.mean(losses)


def attention_loss(ours, theirs, mask):
    losses = []
    for m, n in LAYERS.items():
        p, q = theirs["attentions"][n - 1], ours["attentions"][m - 1]
        terms = p * np.log(np.maximum(p, 1e-7) / np.maximum(q, 1e-7))
        losses.append(of_tokens(terms.sum(-1).mean(1), mask))
    return np.mean(losses)


# === The states


@pytest.mark.parametrize("architecture", HEADS)
def test_states_beside_the_outputs(architecture):
    model, inputs = make_model(architecture, STUDENT), inputs_for(architecture)
    outputs, states = with_hidden_states(model)(inputs)
    assert_equal_outputs(named(outputs), run(model, inputs), atol=0)
    expected = intermediate(model, inputs)["hidden_states"]
    assert len(states) == len(expected) == 3
    for state, value in zip(states, expected, strict=True):
        state = to_numpy(state)
        value = value[:, : state.shape[1]]
        np.testing.assert_allclose(state, value, rtol=0, atol=1e-5)
    # The last layer of what reads the first token has no other.
    reads_first = architecture in (CLASSIFIER, "SqueezeBertForMultipleChoice")
    assert states[-1].shape[1] == (1 if reads_first else 7)
    assert [state.shape[1] for state in states[:-1]] == [7, 7]


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ((6, 12), [0, 2, 4, 6, 8, 10, 12]),
        ((4, 12), [0, 3, 6, 9, 12]),
        ((3, 3), [0, 1, 2, 3]),
        ((1, 12), [0, 12]),
        ((2, 3), [0, *LAYERS.values()]),
    ],
)
def test_which_layer_learns_from_which(layers, expected):
    assert matched_states(*layers) == expected


# === The losses


@pytest.mark.parametrize("architecture", HEADS)
@pytest.mark.parametrize("same_width", [True, False])
def test_the_losses(architecture, same_width):
    config = TEACHER.replace(hidden_size=96) if same_width else TEACHER
    teacher, student = (
        make_model(architecture, config),
        make_model(architecture, STUDENT, 1),
    )
    inputs, labels = some(architecture)
    mask = inputs["attention_mask"].reshape(-1, 7)
    student.distill_from(teacher, weight=0.4)
    base = fit(student, inputs, labels)
    ours, theirs = intermediate(student, inputs), intermediate(teacher, inputs)
    reads_first = architecture in (CLASSIFIER, "SqueezeBertForMultipleChoice")

    student.distill_from(teacher, weight=0.4, hidden_weight=0.7)
    projection = np.eye(96)
    assert len(student.variables) == len(
        make_model(architecture, STUDENT).variables
    ) + (not same_width)
    if not same_width:
        projection = to_numpy(student._distillation.layers.projection.kernel)
    expected = hidden_loss(ours, theirs, mask, projection, reads_first)
    actual = fit(student, inputs, labels)
    assert actual - base == pytest.approx(0.7 * expected, rel=1e-4)

    student.distill_from(teacher, weight=0.4, attention_weight=2.0)
    expected = attention_loss(ours, theirs, mask)
    assert fit(student, inputs, labels) - base == pytest.approx(2 * expected, rel=1e-4)
    # Evaluation goes by the labels.
    evaluated = student.evaluate(inputs, labels, verbose=0, return_dict=True)
    student.distill_from(None)
    assert fit(student, inputs, labels) == pytest.approx(evaluated["loss"], rel=1e-5)


def test_a_copy_has_nothing_to_learn():
    teacher, student = make_model(CLASSIFIER, STUDENT), make_model(CLASSIFIER, STUDENT)
    inputs, labels = some(CLASSIFIER)
    base = fit(student, inputs, labels)
    student.distill_from(teacher, 0.0, hidden_weight=1.0, attention_weight=1.0)
    assert fit(student, inputs, labels) == pytest.approx(base, abs=1e-6)


# === Who learns


@pytest.mark.parametrize("hidden, attention", [(1.0, 0.0), (0.0, 1.0)])
def test_layers_come_nearer_and_the_teacher_stays(hidden, attention):
    teacher, student = (
        make_model(CLASSIFIER, TEACHER),
        make_model(CLASSIFIER, STUDENT, 1),
    )
    inputs, labels = some(CLASSIFIER)
    student.distill_from(teacher, 1.0, hidden_weight=hidden, attention_weight=attention)
    before = [to_numpy(v).copy() for v in teacher.weights]
    variables = student.trainable_variables
    ours = {v.path: to_numpy(v).copy() for v in variables}
    student.compile(keras.optimizers.Adam(1e-3))
    losses = student.fit(inputs, labels, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    for old, variable in zip(before, teacher.weights, strict=True):
        np.testing.assert_array_equal(to_numpy(variable), old)
    moved = {
        v.path for v in variables if np.abs(to_numpy(v) - ours[v.path]).max() > 1e-5
    }
    assert ("projection/kernel" in moved) == bool(hidden)
    for layer in (
        "embeddings/",
        "encoder_layer_0/attention/query/kernel",
        "classifier/",
    ):
        assert any(layer in path for path in moved), layer


@pytest.mark.parametrize("scheme", ["mixed", "int8", "dynamic"])
def test_a_quantized_student(scheme):
    teacher, inputs = make_model(CLASSIFIER, TEACHER), inputs_for(CLASSIFIER)
    student = quantize_aware(make_model(CLASSIFIER, STUDENT), scheme)
    calibrate(student, [inputs], progress=False)
    student.distill_from(teacher, hidden_weight=1.0, attention_weight=1.0)
    student.compile(keras.optimizers.Adam(1e-3), run_eagerly=True)
    losses = student.fit(inputs, np.zeros(4), epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_each_encoder_runs_once(monkeypatch):
    teacher, student = make_model(CLASSIFIER, TEACHER), make_model(CLASSIFIER, STUDENT)
    student.distill_from(teacher, hidden_weight=1.0, attention_weight=1.0)
    student.compile(run_eagerly=True)
    inputs, labels = some(CLASSIFIER)
    student.train_on_batch(inputs, labels)  # which builds what there is to build
    seen = []
    for model in (teacher, student):
        for layer in model.transformer.encoder_layers:
            call = layer.feed_forward.call

            def counted(*args, call=call, layer=layer, **kwargs):
                seen.append(id(layer))
                return call(*args, **kwargs)

            monkeypatch.setattr(layer.feed_forward, "call", counted)
    student.train_on_batch(inputs, labels)
    assert len(seen) == len(set(seen)) == 2 + 3


# === What is left of it


def test_what_is_saved_knows_of_no_teacher(tmp_path):
    teacher, student = make_model(CLASSIFIER, TEACHER), make_model(CLASSIFIER, STUDENT)
    inputs, labels = some(CLASSIFIER)
    plain = make_model(CLASSIFIER, STUDENT)
    assert len(student.weights) == len(plain.weights)
    student.distill_from(teacher, hidden_weight=1.0)
    fit(student, inputs, labels)
    assert len(student.weights) == len(plain.weights)
    for name, model in [("plain", plain), ("taught", student)]:
        model.save_pretrained(tmp_path / name)
        export_tflite(model, tmp_path / f"{name}.tflite", sequence_length=7)
    for file in ("config.json", "model.safetensors"):  # at a learning rate of 0
        taught = (tmp_path / "taught" / file).read_bytes()
        assert taught == (tmp_path / "plain" / file).read_bytes(), file
    graphs = [LiteRTModel(tmp_path / f"{name}.tflite") for name in ("plain", "taught")]
    expected, actual = (graph(inputs) for graph in graphs)
    assert_equal_outputs(named(actual), named(expected), atol=0)
    expected, actual = (
        [op.name for op in read_ops(tmp_path / f"{name}.tflite")]
        for name in ("plain", "taught")
    )
    assert actual == expected


def test_a_keras_file(tmp_path):
    teacher, student = make_model(CLASSIFIER, TEACHER), make_model(CLASSIFIER, STUDENT)
    inputs, labels = some(CLASSIFIER)
    student.distill_from(teacher, hidden_weight=1.0)
    fit(student, inputs, labels, keras.optimizers.Adam(1e-3))
    student.save(tmp_path / "a.keras")
    # The optimizer's is that of the map to the teacher's width as well.
    with pytest.warns(UserWarning, match="Skipping variable loading for optimizer"):
        loaded = keras.saving.load_model(tmp_path / "a.keras")
    assert_equal_outputs(run(loaded, inputs), run(student, inputs), atol=0)
    loaded.fit(inputs, labels, verbose=0)


# === What does not fit


@pytest.mark.parametrize(
    ("changes", "weights", "message"),
    [
        ({"num_hidden_layers": 1}, {"hidden_weight": 1.0}, "2 layers .*, 1 of the"),
        ({"num_attention_heads": 8}, {"attention_weight": 1.0}, "16 heads .*, 8 of"),
    ],
)
def test_teachers_that_do_not_fit(changes, weights, message):
    teacher = make_model(CLASSIFIER, TEACHER.replace(**changes))
    student = make_model(CLASSIFIER, STUDENT)
    with pytest.raises(InputError, match=message):
        student.distill_from(teacher, **weights)


def test_other_heads_do_for_hidden_states():
    teacher = make_model(CLASSIFIER, TEACHER.replace(num_attention_heads=8))
    student = make_model(CLASSIFIER, STUDENT)
    student.distill_from(teacher, hidden_weight=1.0)
    assert np.isfinite(fit(student, *some(CLASSIFIER)))


def test_saved_answers_have_no_layers():
    student = make_model(CLASSIFIER, STUDENT)
    with pytest.raises(InputError, match="a model of this package"):
        student.distill_from(SavedAnswers(output_shapes(student)), attention_weight=1.0)
