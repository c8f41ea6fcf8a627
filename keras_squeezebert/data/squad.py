"""read_squad: questions about passages, in the JSON of SQuAD 1.1 and 2.0."""

import json
import logging
import os

from keras_squeezebert.data.question_examples import Answer, QuestionExamples
from keras_squeezebert.data.text_files import (
    SURROGATE,
    excerpt,
    listed,
    read_text,
)
from keras_squeezebert.errors import InputError

logger = logging.getLogger(__name__)


def read_squad(path: str | os.PathLike, repair: bool = False) -> QuestionExamples:
    """Reads questions about passages and their answers.

    Of 2.0, a question that `is_impossible` has no answers; its `plausible_answers` are
    not read. Answers are known for all the questions of a file or for none.

    Args:
        path: The file, in UTF-8.
        repair: Moves an answer that is not at its offset to the nearest place in its
            context where it is, and logs how many were moved as a warning. Otherwise
            such an answer is an error, and so is one that is nowhere in its context.

    Returns:
        The questions in the order of the file.

    Raises:
        InputError: The file cannot be read, is not of this form, or an answer is not
            in its place. The message tells where, as in `$.data[0].paragraphs[2]`.

    Example:
        >>> import pathlib, tempfile
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "questions.json"
        >>> answer = {"text": "under the mat", "answer_start": 11}
        >>> question = {"id": "q1", "question": "Where is it?", "answers": [answer]}
        >>> passage = {"context": "The key is under the mat.", "qas": [question]}
        >>> _ = path.write_text(json.dumps({"data": [{"paragraphs": [passage]}]}))
        >>> read_squad(path).answers
        [[Answer(text='under the mat', start=11)]]

    Reference:
        Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of
        Text"; Rajpurkar et al. 2018, "Know What You Don't Know".
    """
    ids, questions, contexts, answers = [], [], [], []
    places = {}  # of each id
    moved = 0
    for where, context, question in _questions(path):
        name = _member(where, question, "id", str)
        if name in places:
            raise InputError(
                f"{where}: `id` must be another than that of {places[name]}. Received: "
                f"{name!r}"
            )
        places[name] = where
        ids.append(name)
        questions.append(_member(where, question, "question", str))
        contexts.append(context)
        answers.append(None)
        if "answers" in question:
            answers[-1], more = _answers(where, context, question, repair)
            moved += more
    if not ids:
        raise InputError(
            "A file of examples must have at least one. Received: no questions in "
            f"{path}"
        )
    if moved:
        logger.warning(
            "%s: moved %d answers to the nearest occurrence in their contexts, of "
            "%d questions",
            *(path, moved, len(ids)),
        )
    known = [row is not None for row in answers]
    if any(known) and not all(known):
        raise InputError(
            f"{places[ids[known.index(False)]]}: all questions of a file must have "
            "`answers`, or none; an empty list tells that there is no answer. "
            f"Received: {known.count(False)} of {len(ids)} without"
        )
    return QuestionExamples(ids, questions, contexts, answers if any(known) else None)


def _questions(path):
    """Place, context and object of each question."""
    text = read_text(path)
    try:
        root = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        reason = getattr(error, "msg", error)
        raise InputError(
            f"{path}, line {line}: expected the JSON of SQuAD. Received: {reason}"
        ) from None
    for in_data, article in _items(f"{path}, $", root, "data"):
        for in_article, paragraph in _items(in_data, article, "paragraphs"):
            context = _member(in_article, paragraph, "context", str)
            for where, question in _items(in_article, paragraph, "qas"):
                yield where, context, question


def _answers(where, context, question, repair):
    """The answers to a question, and how many of them were moved."""
    answers, moved = [], 0
    for place, entry in _items(where, question, "answers"):
        text = _member(place, entry, "text", str)
        answer = Answer(text, _member(place, entry, "answer_start", int))
        if not text or text not in context:
            raise InputError(
                f"{place}: an answer must be a passage of its context. Received: "
                f"{excerpt(text)}"
            )
        if not answer.is_in(context):
            if not repair:
                raise InputError(
                    f"{place}: the context must have the answer at its `answer_start`. "
                    "Mend it, or move it to the nearest place with `repair=True`. "
                    f"Received: {answer.start} for {excerpt(text)}"
                )
            answer = Answer(text, _nearest(context, text, answer.start))
            moved += 1
        answers.append(answer)
    impossible = question.get("is_impossible")
    if impossible is not None and impossible is not (not answers):
        raise InputError(
            f"{where}: `is_impossible` must be true if there are no answers, and else "
            f"false. Received: {excerpt(impossible)}, {len(answers)} answers"
        )
    return answers, moved


def _nearest(context, text, start):
    """Where the text is that begins nearest to `start`, of two the earlier."""
    start = min(max(start, 0), len(context))
    before = context.rfind(text, 0, start + len(text))
    after = context.find(text, start)
    found = [place for place in (before, after) if place >= 0]
    return min(found, key=lambda place: abs(place - start))


# === JSON, whose places are written as in JSONPath


def _items(where, parent, name):
    """Place and value of each of a list."""
    for number, item in enumerate(_member(where, parent, name, list)):
        yield f"{where}.{name}[{number}]", item


def _member(where, parent, name, kind):
    """A value of a JSON object, which must have it, of that type."""
    if not isinstance(parent, dict) or name not in parent:
        members = f"one with {listed(parent)}" if isinstance(parent, dict) else None
        raise InputError(
            f"{where}: expected a JSON object with {name!r}. Received: "
            f"{members or excerpt(parent)}"
        )
    value = parent[name]
    if type(value) is not kind:  # a bool is an int to Python, but no offset
        raise InputError(
            f"{where}.{name}: expected {_KINDS[kind]}. Received: {excerpt(value)}"
        )
    if kind is str and SURROGATE.search(value):
        raise InputError(
            f"{where}.{name}: it holds one half of a surrogate pair, which is no "
            f"character. Received: {excerpt(value)}"
        )
    return value


_KINDS = {str: "a string", int: "an integer", list: "a list"}
