"""What the graph answers: as the tasks do in numpy, whatever the text and the batch."""

import random

import numpy as np
import pytest
import tensorflow as tf
from every_head import ARCHITECTURES, LABELS, letters
from tiny import ONE_LAYER, make_model

from keras_squeezebert import SqueezeBertTokenizer
from keras_squeezebert.data import (
    ChoiceExamples,
    QuestionExamples,
    TextExamples,
    TokenExamples,
)
from keras_squeezebert.serving.signatures import SERVED, text_head
from keras_squeezebert.tasks import (
    FillMask,
    MultipleChoice,
    QuestionAnswering,
    SequenceClassification,
    TokenClassification,
    entities,
    model_outputs,
    word_spans,
)

MAX_LENGTH = 16
ROWS = 60


def texts(count, longest=60, seed=0, more=()):
    """Of letters the tokenizer knows and of what it does not, long and short."""
    rng = random.Random(seed)
    alphabet = [
        *"abcde",
        *"  ",
        "é",
        "中",
        "\u200d",
        "\u00a0",
        "\t",
        "-",
        "'",
        ".",
        "👍",
    ]
    alphabet += ["™", "\u0301", "ab cd ", *more]
    rows = ["", " ", "a", "\u200d \u0001"]
    while len(rows) < count:
        rows.append("".join(rng.choices(alphabet, k=rng.randrange(longest))))
    return rows


def in_graph(head, config=ONE_LAYER, seed=0, **options):
    """The head as a compiled function, and its model."""
    model = make_model(ARCHITECTURES[head], config, seed)
    tokenizer = SqueezeBertTokenizer(
        letters().vocabulary, max_length=MAX_LENGTH, model_max_length=24
    )
    served = SERVED[ARCHITECTURES[head]](model, tokenizer, **options)
    function = tf.function(served, autograph=False)
    concrete = function.get_concrete_function(**served.inputs)

    def answer(**inputs):
        tensors = {name: tf.constant(x, tf.string) for name, x in inputs.items()}
        outputs = concrete(**tensors)
        return {name: tensor.numpy() for name, tensor in outputs.items()}

    return answer, model


def by_task(task, examples, model):
    """The answers of `tasks/`."""
    features = task.encode(examples, letters(), model.config, MAX_LENGTH)
    outputs = model_outputs(task, model, features)
    return task.decode(outputs, features, examples, model.config)


def batches(count, seed=0):
    """Rows in batches of any size, in any order, so that none has its neighbours."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(count)
    return np.split(order, np.sort(rng.integers(0, count, 8)))


# === Sequences


@pytest.mark.parametrize("pairs", [False, True])
def test_labels(pairs):
    answer, model = in_graph("sequence-classification", pairs=pairs)
    rows, others = texts(ROWS), texts(ROWS, seed=1) if pairs else None
    expected = by_task(
        SequenceClassification(), TextExamples(rows, None, others), model
    )
    assert len({row["label"] for row in expected}) > 1
    names = list(model.config.id2label.values())
    for batch in batches(ROWS):
        inputs = {"text": [rows[i] for i in batch]}
        if pairs:
            inputs["text_pair"] = [others[i] for i in batch]
        outputs = answer(**inputs)
        for at, i in enumerate(batch):
            assert outputs["label"][at].decode() == expected[i]["label"]
            scores = [expected[i]["scores"][name] for name in names]
            assert outputs["scores"][at] == pytest.approx(scores, abs=1e-5)
            assert outputs["score"][at] == max(outputs["scores"][at])


@pytest.mark.parametrize("most, multiple", [(24, 8), (20, 4), (21, 1)])
def test_batches_have_few_lengths_and_none_that_is_too_long(most, multiple):
    model = make_model(
        "SqueezeBertForSequenceClassification",
        ONE_LAYER.replace(max_position_embeddings=most),
    )
    head = text_head(model, letters())
    lengths = {
        head.tokenizer(["a" + " a" * count])["input_ids"].shape[1]
        for count in range(2 * most)
    }
    assert lengths == {*range(3 + -3 % multiple, most + 1, multiple)}
    answers = head(tf.constant(["a b", "a " * 2 * most]))
    alone = head(tf.constant(["a b"]))
    np.testing.assert_allclose(answers["scores"][:1], alone["scores"], atol=1e-6)


def test_any_number_of_labels():
    config = ONE_LAYER.replace(problem_type="multi_label_classification")
    answer, model = in_graph("sequence-classification", config)
    rows = texts(ROWS)
    expected = by_task(SequenceClassification(), TextExamples(rows), model)
    for row, scores in zip(expected, answer(text=rows)["scores"], strict=True):
        assert scores == pytest.approx(list(row["scores"].values()), abs=1e-5)


def test_a_number():
    answer, model = in_graph(
        "sequence-classification", ONE_LAYER.replace(id2label={0: "stars"})
    )
    rows = texts(ROWS)
    expected = by_task(SequenceClassification(), TextExamples(rows), model)
    values = [row["value"] for row in expected]
    assert answer(text=rows)["value"] == pytest.approx(values, abs=1e-5)
    assert np.std(values) > 1e-2


# === Words


def tagged(rows, model):
    """The spans of the words of each text, the words, and what is said of them."""
    spans = list(map(word_spans, rows))
    words = [
        [text[a:b] for a, b in of_text]
        for text, of_text in zip(rows, spans, strict=True)
    ]
    # A text without words is no example.
    answers = by_task(
        TokenClassification(), TokenExamples(list(filter(None, words))), model
    )
    answers = iter(answers)
    nothing = {"tags": [], "scores": []}
    return spans, words, [next(answers) if of_text else nothing for of_text in words]


def entities_of(outputs, row):
    names = ("type", "text", "start", "end", "score")
    found = []
    for values in zip(*(outputs[name][row] for name in names), strict=True):
        if values[2] >= 0:
            found.append(dict(zip(names, values, strict=True)))
    return found


@pytest.mark.parametrize("longest", [30, 200])
def test_entities(longest):
    config = ONE_LAYER.replace(id2label=LABELS | {3: "B-PER", 4: "I-PER"})
    answer, model = in_graph("token-classification", config, seed=4)
    rows = texts(ROWS, longest)
    spans, _, tags = tagged(rows, model)
    expected = list(map(entities, rows, spans, tags))
    assert len({entity["type"] for found in expected for entity in found}) == 2
    assert any(" " in entity["text"] for found in expected for entity in found)
    for batch in batches(ROWS):
        outputs = answer(text=[rows[i] for i in batch])
        for at, i in enumerate(batch):
            found = entities_of(outputs, at)
            for one in found:
                one["type"], one["text"] = one["type"].decode(), one["text"].decode()
                one["score"] = pytest.approx(one["score"], abs=1e-5)
            assert expected[i] == found


def test_tags_of_words():
    config = ONE_LAYER.replace(id2label={0: "NOUN", 1: "X", 2: "VERB"})
    answer, model = in_graph("token-classification", config)
    rows = texts(ROWS)
    spans, words, expected = tagged(rows, model)
    outputs = answer(text=rows)
    for row, (tags, of_text) in enumerate(zip(expected, spans, strict=True)):
        count = len(of_text)
        assert [x.decode() for x in outputs["tag"][row][:count]] == tags["tags"]
        assert outputs["score"][row][:count] == pytest.approx(tags["scores"], abs=1e-5)
        assert [x.decode() for x in outputs["text"][row][:count]] == words[row]
        places = zip(outputs["start"][row], outputs["end"][row], strict=True)
        assert list(places)[:count] == of_text
        assert (outputs["start"][row][count:] == -1).all()
        assert (outputs["tag"][row][count:] == b"").all()


# === Passages


@pytest.mark.parametrize("threshold", [None, 0.0])
@pytest.mark.parametrize("longest", [25, 200])
def test_answers(threshold, longest):
    task = QuestionAnswering(
        doc_stride=3,
        max_question_length=5,
        max_answer_length=4,
        n_best=6,
        no_answer_threshold=threshold,
    )
    answer, model = in_graph("question-answering", task=task)
    contexts, questions = texts(ROWS, longest), texts(ROWS, 20, seed=1)
    ids = list(map(str, range(ROWS)))
    examples = QuestionExamples(ids, questions, contexts)
    expected = by_task(task, examples, model)
    for batch in batches(ROWS):
        outputs = answer(
            question=[questions[i] for i in batch], context=[contexts[i] for i in batch]
        )
        for at, i in enumerate(batch):
            text, start = outputs["answer"][at].decode(), outputs["start"][at]
            assert text == expected[i]["text"]
            if expected[i]["start"] is None:
                assert start == outputs["end"][at] == -1
            else:
                assert start == expected[i]["start"]
                assert contexts[i][start : outputs["end"][at]] == text
            for name in ("score", "no_answer_score"):
                given = pytest.approx(expected[i][name], rel=1e-5, abs=1e-5)
                assert outputs[name][at] == given
    without = [row["start"] is None for row in expected]
    assert 2 < sum(without) < ROWS - 2 if threshold is not None else any(without)


# === Choices


def test_choices():
    answer, model = in_graph("multiple-choice")
    contexts, rng = texts(ROWS, 30), random.Random(0)
    pool = [text for text in texts(200, 30, seed=2) if text]
    choices = [rng.sample(pool, rng.randrange(2, 5)) for _ in contexts]
    expected = [
        by_task(MultipleChoice(), ChoiceExamples([text], [of_text]), model)[0]
        for text, of_text in zip(contexts, choices, strict=True)
    ]
    for batch in batches(ROWS):
        most = max((len(choices[i]) for i in batch), default=0)
        filled = [choices[i] + [""] * (most - len(choices[i])) for i in batch]
        outputs = answer(
            context=[contexts[i] for i in batch],
            choices=np.array(filled, object).reshape(len(batch), most),
        )
        for at, i in enumerate(batch):
            count = len(choices[i])
            assert outputs["choice"][at] == expected[i]["choice"]
            scores = outputs["scores"][at]
            assert scores[:count] == pytest.approx(expected[i]["scores"], abs=1e-5)
            assert (scores[count:] == 0).all()
            assert outputs["score"][at] == scores.max()


# === Gaps


def test_gaps():
    answer, model = in_graph("masked-lm", top=3)
    rows = [text + "[MASK]" for text in texts(ROWS, 9, more=["[MASK]"] * 4)]
    expected = by_task(FillMask(top=3), TextExamples(rows), model)
    assert len({len(gaps) for gaps in expected}) > 2
    for batch in batches(ROWS):
        outputs = answer(text=[rows[i] for i in batch])
        for at, i in enumerate(batch):
            for gap, pieces in enumerate(expected[i]):
                tokens = [x.decode() for x in outputs["tokens"][at, gap]]
                assert tokens == [piece["token"] for piece in pieces]
                scores = [piece["score"] for piece in pieces]
                assert outputs["scores"][at, gap] == pytest.approx(scores, abs=1e-5)
            assert (outputs["tokens"][at, len(expected[i]) :] == b"").all()
    assert answer(text=["no gap"])["tokens"].shape == (1, 0, 3)
