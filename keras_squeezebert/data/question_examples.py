"""QuestionExamples: questions about texts, answered by passages of the texts."""

from dataclasses import dataclass

from keras_squeezebert.data.checks import (
    check_as_many,
    check_strings,
)
from keras_squeezebert.errors import InputError


@dataclass(frozen=True)
class Answer:
    """A passage of a context.

    Args:
        text: The passage, as the context has it.
        start: Index in the context of its first character (a code point, as in
            Python's strings).
    """

    text: str
    start: int

    def is_in(self, context: str) -> bool:
        """Whether the context has this passage at its place."""
        return self.start >= 0 and context.startswith(self.text, self.start)


@dataclass(frozen=True)
class QuestionExamples:
    """Parallel lists of questions, of the texts they are about, and of answers.

    Args:
        ids: A name for each question, under which predictions are scored.
        questions: The questions.
        contexts: The text that each question is about.
        answers: The answers to each question, any of which is right: several where
            several people have answered, none where the text has no answer. None where
            answers are not known.

    Raises:
        InputError: Something other than these types, lists of different lengths, an id
            given twice, or an answer that is not at its place in its context.

    Example:
        >>> examples = QuestionExamples(
        ...     ["q1", "q2"],
        ...     ["Where is it?", "Why?"],
        ...     ["The key is under the mat."] * 2,
        ...     [[Answer("under the mat", 11)], []],
        ... )
        >>> len(examples)
        2
    """

    ids: list[str]
    questions: list[str]
    contexts: list[str]
    answers: list[list[Answer]] | None = None

    def __post_init__(self):
        for name in ("ids", "questions", "contexts"):
            check_strings(name, getattr(self, name))
            check_as_many(name, getattr(self, name), "ids", self.ids)
        seen = set()
        for row, name in enumerate(self.ids):
            if name in seen:
                raise InputError(
                    f"`ids` must differ from each other. Received: ids[{row}]={name!r} "
                    "once more"
                )
            seen.add(name)
        if self.answers is not None:
            self._check_answers()

    def _check_answers(self):
        rows = self.answers
        if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
            raise InputError(
                "`answers` must be a list with a list of answers for each question. "
                f"Received: {type(rows).__name__}"
            )
        check_as_many("answers", rows, "ids", self.ids)
        for row, (answers, context) in enumerate(zip(rows, self.contexts, strict=True)):
            for number, answer in enumerate(answers):
                if not isinstance(answer, Answer):
                    raise InputError(
                        "`answers` must hold `Answer`s. Received: "
                        f"answers[{row}][{number}]={answer!r}"
                    )
                if not answer.text or not answer.is_in(context):
                    raise InputError(
                        "An answer must be a passage of its context, at its `start`. "
                        f"Received: answers[{row}][{number}]={answer!r}"
                    )

    def __len__(self) -> int:
        return len(self.ids)
