"""squeezebert predict: what a model says of a few texts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from keras_squeezebert.cli.heads import (
    all_predict_options,
    check_cut,
    check_options,
    head_of,
)
from keras_squeezebert.cli.options import as_json, print_json, row_length
from keras_squeezebert.errors import InputError

# Rows that run together.
_BATCH_SIZE = 32


@click.command()
@click.argument("model")
@click.argument("texts", nargs=-1, required=True)
@all_predict_options
@row_length
@as_json
def predict(model, texts, max_length, as_json, **values):
    """Ask MODEL, a model's folder, a Hub id, a .tflite or a SavedModel, about TEXTS.

    What is asked is what the model was trained for: a label of each text; the entities
    in it; an answer to --question from it; which --choice goes on from it; or what
    stands where it has [MASK].

    \b
    Examples:
      squeezebert predict my-model "turn on the lights"
      squeezebert predict my-model.tflite "what time is it" "wake me at six" --json
      squeezebert predict my-ner "Ada Lovelace left London"
      squeezebert predict my-squad "The key is under the mat." --question "Where is it?"
      squeezebert predict my-swag "She opened" --choice "the door." --choice "a rain."
      squeezebert predict squeezebert/squeezebert-uncased "Paris is in [MASK]."
    """
    from keras_squeezebert.inference import load_model
    from keras_squeezebert.tasks import example_outputs

    source = load_model(model)
    head = head_of(source.architecture)
    check_options(head)
    form = _FORMS[head.name]
    examples = form.examples(list(texts), values)
    task = form.task(values) if form.task else head.task(values)
    config = source.config
    check_cut(source, max_length)
    limit = head.row_length(source.max_length, max_length)
    features = task.encode(examples, source.tokenizer, config, limit)
    outputs = example_outputs(task, source.model, examples, features, _BATCH_SIZE)
    answers = task.decode(outputs, features, examples, config)
    results = [
        {"text": text, **form.result(text, answer, values)}
        for text, answer in zip(texts, answers, strict=True)
    ]
    for note, count in features.notes.items():
        if count:
            click.echo(f"{count} {note}", err=True)
    if as_json:
        print_json(results)
        return
    for result in results:
        click.echo(result["text"])
        for line in form.lines(result):
            click.echo(f"  {line}")


# === Labels of texts


def _texts(texts, values):
    from keras_squeezebert.data import TextExamples

    pair = values["text_pair"]
    return TextExamples(texts, None, None if pair is None else [pair] * len(texts))


def _labels(text, answer, values):
    if "scores" not in answer:
        return answer
    best = sorted(answer["scores"].items(), key=lambda item: -item[1])
    return {**answer, "scores": dict(best[: values["top"]])}


def _lines_of_labels(result):
    if "value" in result:
        return [f"{result['value']:.4f}"]
    lines = [f"{score:6.1%}  {label}" for label, score in result["scores"].items()]
    if "labels" in result:
        lines.insert(0, f"labels: {', '.join(result['labels']) or 'none'}")
    return lines


# === Tags of words


def _words(texts, values):
    from keras_squeezebert.data import TokenExamples
    from keras_squeezebert.tasks import word_spans

    return TokenExamples([[t[a:b] for a, b in word_spans(t)] for t in texts])


def _entities(text, answer, values):
    from keras_squeezebert.tasks import entities, word_spans

    spans = word_spans(text)
    if any(tag != "O" and tag[:2] not in ("B-", "I-") for tag in answer["tags"]):
        return {"words": [text[a:b] for a, b in spans], **answer}
    return {"entities": entities(text, spans, answer)}


def _lines_of_entities(result):
    if "words" in result:
        names = ("tags", "words", "scores")
        return _table(zip(*(result[name] for name in names), strict=True))
    rows = [
        (e["type"], f"{e['text']}  {e['start']}–{e['end']}", e["score"])
        for e in result["entities"]
    ]
    return _table(rows) or ["no entities"]


def _table(rows):
    rows = list(rows)
    width = max((len(name) for name, *_ in rows), default=0)
    return [f"{score:6.1%}  {name:{width}}  {text}" for name, text, score in rows]


# === Answers to a question


def _questions(texts, values):
    from keras_squeezebert.data import QuestionExamples

    question = values["question"]
    if question is None:
        raise InputError(
            "A model for question-answering is asked with --question, and finds the "
            "answer in the texts. Received: no --question"
        )
    ids = list(map(str, range(len(texts))))
    return QuestionExamples(ids, [question] * len(texts), texts)


def _answer(text, answer, values):
    return {
        "question": values["question"],
        "answer": answer["text"],
        **{name: answer[name] for name in ("start", "score", "no_answer_score")},
        "n_best": answer["n_best"][: values["top"]],
    }


def _lines_of_answer(result):
    lines = []
    for passage in result["n_best"]:
        end = passage["start"] + len(passage["text"])
        where = f"{passage['start']}–{end}"
        lines.append(f"{passage['score']:6.1%}  {passage['text']}  {where}")
    if not result["answer"]:
        lines.insert(0, "no answer")
    return lines


# === Choices


def _choices(texts, values):
    from keras_squeezebert.data import ChoiceExamples

    choices = list(values["choices"])
    if len(choices) < 2:
        raise InputError(
            "A model for multiple-choice wants --choice twice or more. Received: "
            f"{len(choices)} times"
        )
    return ChoiceExamples(texts, [choices] * len(texts))


def _choice(text, answer, values):
    choices = zip(values["choices"], answer["scores"], strict=True)
    return {
        "choice": answer["choice"],
        "choices": [{"text": choice, "score": score} for choice, score in choices],
    }


def _lines_of_choice(result):
    best = sorted(result["choices"], key=lambda choice: -choice["score"])
    return [f"{choice['score']:6.1%}  {choice['text']}" for choice in best]


# === Gaps


def _documents(texts, values):
    from keras_squeezebert.data import TextExamples

    return TextExamples(texts)


def _fill_mask(values):
    from keras_squeezebert.tasks import FillMask

    return FillMask(top=values["top"])


def _gaps(text, answer, values):
    return {"masks": answer}


def _lines_of_gaps(result):
    return [
        "  ".join(f"{p['token']} {p['score']:.1%}" for p in pieces)
        for pieces in result["masks"]
    ]


@dataclass(frozen=True)
class _Form:
    """How one head is asked, and how its answers are shown.

    Args:
        examples: A function of the texts and the options' values.
        result: A function of a text, its answer and the values: what JSON says.
        lines: A function of that: what people read.
        task: A function of the values; None is the head's own.
    """

    examples: Callable[[list[str], dict[str, Any]], Any]
    result: Callable[[str, Any, dict[str, Any]], dict[str, Any]]
    lines: Callable[[dict[str, Any]], list[str]]
    task: Callable[[dict[str, Any]], Any] | None = None


_FORMS = {
    "sequence-classification": _Form(_texts, _labels, _lines_of_labels),
    "token-classification": _Form(_words, _entities, _lines_of_entities),
    "question-answering": _Form(_questions, _answer, _lines_of_answer),
    "multiple-choice": _Form(_choices, _choice, _lines_of_choice),
    "masked-lm": _Form(_documents, _gaps, _lines_of_gaps, _fill_mask),
}
