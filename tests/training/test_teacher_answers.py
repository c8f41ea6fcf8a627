"""A teacher's answers: the teacher's, whole or refused, and as good as the teacher."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForMultipleChoice,
    SqueezeBertForQuestionAnswering,
    SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.data import TextExamples
from keras_squeezebert.errors import InputError
from keras_squeezebert.tasks import Features, MaskedLM
from keras_squeezebert.training import batches
from keras_squeezebert.training.teacher_answers import (
    CONTENTS,
    load_answers,
    save_answers,
)

ROOT = Path(__file__).parents[2]
CONFIG = SqueezeBertConfig(
    vocab_size=60,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=1,
    num_attention_heads=4,
    max_position_embeddings=16,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
    initializer_range=0.3,
    id2label={0: "a", 1: "b", 2: "c"},
)
ROWS = 11
HEADS = {
    SqueezeBertForSequenceClassification: lambda rng, seq: rng.integers(0, 3, ROWS),
    SqueezeBertForMultipleChoice: lambda rng, seq: rng.integers(0, 3, ROWS),
    SqueezeBertForQuestionAnswering: lambda rng, seq: {
        name: rng.integers(0, 3, ROWS) for name in ("start_logits", "end_logits")
    },
    SqueezeBertForTokenClassification: lambda rng, seq: rng.integers(0, 3, (ROWS, seq)),
}
CLASSIFIER = SqueezeBertForSequenceClassification


def some_features(model_class=CLASSIFIER, seed=0):
    rng = np.random.default_rng(seed)
    seq = 9
    choices = (4,) if model_class is SqueezeBertForMultipleChoice else ()
    lengths = rng.integers(2, seq + 1, (ROWS, *choices))
    mask = (np.arange(seq) < lengths[..., None]).astype("int32")
    ids = rng.integers(1, CONFIG.vocab_size, mask.shape, dtype="int32") * mask
    return Features(
        inputs={
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        },
        labels=HEADS[model_class](rng, seq),
        labels_of_tokens=model_class is SqueezeBertForTokenClassification,
        rows=np.arange(ROWS),
    )


def make_model(model_class=CLASSIFIER, seed=0, **changes):
    keras.utils.set_random_seed(seed)
    return model_class(CONFIG.replace(**changes))


def files(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


# === What is saved


@pytest.mark.parametrize("model_class", HEADS)
def test_they_are_the_teacher_s(model_class, tmp_path):
    teacher, features = make_model(model_class), some_features(model_class)
    save_answers(teacher, features, tmp_path, batch_size=2, shard_rows=4)
    assert len(files(tmp_path)) == 1 + 3
    answered = load_answers(features, tmp_path)
    for rows in (np.array([7]), np.array([3, 10, 0])):
        inputs, labels = answered.batch(rows)
        expected_inputs, expected_labels = features.batch(rows)
        keras.tree.map_structure(np.testing.assert_array_equal, labels, expected_labels)
        outputs = teacher.predict_on_batch(expected_inputs)
        if not isinstance(outputs, dict):
            outputs = {"logits": outputs}
        assert set(inputs) == {*expected_inputs, *(f"teacher_{n}" for n in outputs)}
        for name, output in outputs.items():
            answer = inputs[f"teacher_{name}"]
            assert answer.dtype == "float16"
            if output.shape[:2] == expected_inputs["input_ids"].shape:
                padding = expected_inputs["attention_mask"] == 0
                assert (answer[padding] == 0).all()
                answer, output = answer[~padding], output[~padding]
            np.testing.assert_allclose(answer, output, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("model_class", HEADS)
def test_learning_from_them_is_learning_from_the_teacher(model_class, tmp_path):
    teacher, features = make_model(model_class), some_features(model_class)
    answered = save_answers(teacher, features, tmp_path)
    losses, weights = [], []
    for of_teacher, data in ((teacher, features), (answered.teacher, answered)):
        student = make_model(model_class, seed=1)
        student.distill_from(of_teacher, weight=0.8, temperature=2.0)
        student.compile(keras.optimizers.SGD(0.05))
        rows = batches(data, batch_size=4, seed=0)
        history = student.fit(rows, epochs=2, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
        weights.append(np.concatenate([np.ravel(w) for w in student.get_weights()]))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    np.testing.assert_allclose(weights[1], weights[0], rtol=0, atol=1e-3)


def test_padding_takes_no_room(tmp_path):
    model_class = SqueezeBertForTokenClassification
    features = some_features(model_class)
    save_answers(make_model(model_class), features, tmp_path)
    with np.load(tmp_path / "answers-00000.npz") as file:
        assert file["logits"].shape == (features.lengths.sum(), 3)


def test_logits_that_float16_cannot_hold(tmp_path):
    teacher = make_model()
    teacher.classifier.bias.assign([1e6, -1e6, 0.0])
    answered = save_answers(teacher, some_features(), tmp_path)
    answers = answered.batch(np.arange(ROWS))[0]["teacher_logits"]
    assert np.isfinite(answers).all()
    np.testing.assert_array_equal(answers.argmax(-1), 0)


# === Runs that were cut off

# The child kills itself when it has written the n-th file, and not yet renamed it.
KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import test_teacher_answers as tests

teacher, features = tests.make_model(), tests.some_features()
left = [int(sys.argv[3])]

def kill_at(event, arguments):
    if event == "os.rename":
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_at)
tests.save_answers(teacher, features, sys.argv[2], batch_size=2, shard_rows=3)
"""


def test_a_run_that_is_killed_goes_on(tmp_path):
    teacher, features = make_model(), some_features()
    settings = {"batch_size": 2, "shard_rows": 3}
    save_answers(teacher, features, tmp_path / "whole", **settings)
    expected = files(tmp_path / "whole")
    assert len(expected) == 1 + 4
    command = [sys.executable, "-c", KILLED, Path(__file__).parent, tmp_path / "cut"]
    killed = subprocess.run(
        [*map(str, command), "2"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left = files(tmp_path / "cut")
    whole = {name for name in left if not name.startswith(".")}
    assert whole == {CONTENTS, "answers-00000.npz"}
    assert len(left) == len(whole) + 1  # the one that was being written
    with pytest.raises(InputError, match=r"answers-00001\.npz is missing"):
        load_answers(features, tmp_path / "cut")
    save_answers(teacher, features, tmp_path / "cut", **settings)
    assert files(tmp_path / "cut") == expected


def test_what_is_there_is_not_computed_again(tmp_path):
    teacher, features = make_model(), some_features()
    save_answers(teacher, features, tmp_path, shard_rows=4)
    (tmp_path / "answers-00001.npz").unlink()
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    asked = []
    predict = teacher.predict_on_batch
    teacher.predict_on_batch = lambda x: asked.append(len(x["input_ids"])) or predict(x)
    save_answers(teacher, features, tmp_path, shard_rows=4)
    assert asked == [4]
    after = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    assert {name: after[name] for name in before} == before


# === Answers that are not these


def test_another_model_of_the_same_weights_is_the_same_teacher(tmp_path):
    features = some_features()
    save_answers(make_model(), features, tmp_path / "a")
    before = files(tmp_path / "a")
    make_model().save_pretrained(tmp_path / "model")
    loaded = CLASSIFIER.from_pretrained(tmp_path / "model")
    loaded.compile("sgd")
    loaded.predict(features.inputs, verbose=0)
    save_answers(loaded, features, tmp_path / "a")
    assert files(tmp_path / "a") == before


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teacher": {"seed": 1}}, "other teacher than"),
        ({"teacher": {"hidden_act": "relu"}}, "other teacher than"),
        ({"features": {"seed": 1}}, "other features than"),
        ({"settings": {"shard_rows": 5}}, r"other shard_rows .*=4 there, 5 here"),
    ],
)
def test_stale_answers(changed, message, tmp_path):
    save_answers(make_model(), some_features(), tmp_path, shard_rows=4)
    before = files(tmp_path)
    with pytest.raises(InputError, match=message):
        save_answers(
            make_model(**changed.get("teacher", {})),
            some_features(**changed.get("features", {})),
            tmp_path,
            **{"shard_rows": 4, **changed.get("settings", {})},
        )
    assert files(tmp_path) == before


def test_answers_to_other_features(tmp_path):
    save_answers(make_model(), some_features(), tmp_path)
    with pytest.raises(InputError, match="other features than"):
        load_answers(some_features(seed=1), tmp_path)
    with pytest.raises(InputError, match=r"No such file: .*answers\.json"):
        load_answers(some_features(), tmp_path / "nowhere")


def test_damaged_files(tmp_path):
    features = some_features()
    save_answers(make_model(), features, tmp_path, shard_rows=4)
    path = tmp_path / "answers-00001.npz"
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    expected = load_answers(features, tmp_path).answers["logits"]
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:  # a bit that says nothing may have any value
            answers = load_answers(features, tmp_path).answers["logits"]
        except InputError as error:
            assert "answers-00001.npz" in str(error)
        else:
            np.testing.assert_array_equal(answers, expected)
    for damaged in (b"", whole[:100], whole[:-30], b"PK" + whole):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"answers-00001\.npz is damaged"):
            save_answers(make_model(), features, tmp_path, shard_rows=4)
    path.write_bytes((tmp_path / "answers-00000.npz").read_bytes())
    with pytest.raises(InputError, match="is of other answers"):
        load_answers(features, tmp_path)


def test_damaged_contents(tmp_path):
    features = some_features()
    save_answers(make_model(), features, tmp_path)
    contents = json.loads((tmp_path / CONTENTS).read_text())
    for name in contents:
        for damaged in (
            {key: value for key, value in contents.items() if key != name},
            {**contents, name: "other"},
        ):
            (tmp_path / CONTENTS).write_text(json.dumps(damaged))
            with pytest.raises(InputError, match=r"answers\.json is damaged"):
                load_answers(features, tmp_path)


# === Mistakes


def test_pieces_that_are_hidden_anew(tmp_path):
    task = MaskedLM()
    config = SqueezeBertConfig()
    features = task.encode(TextExamples(["a cat"]), SqueezeBertTokenizerFast(), config)
    with pytest.raises(InputError, match=r"features that stay.* MaskedFeatures"):
        save_answers(make_model(), features, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["shard_rows", "batch_size"])
def test_numbers_out_of_range(name, tmp_path):
    with pytest.raises(InputError, match=f"`{name}` must be 1 or more.*=0"):
        save_answers(make_model(), some_features(), tmp_path, **{name: 0})
