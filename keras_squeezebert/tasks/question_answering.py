"""QuestionAnswering: the passage of a text that answers a question, or none."""

from dataclasses import dataclass

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import softmax
from keras_squeezebert.lengths import check_length
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.pieces import Pieces, numbered, token_rows, word_pieces
from keras_squeezebert.tasks.spans import best_spans
from keras_squeezebert.tasks.task import Task, known
from keras_squeezebert.tokenizers.inputs import length_limit


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowFeatures(Features):
    """Features whose rows are windows of texts.

    Args:
        windows: The pieces of the text that each row holds.
        columns: Where in the row they begin, int (rows,).
    """

    windows: Pieces
    columns: np.ndarray


@dataclass(frozen=True)
class QuestionAnswering(Task):
    """Questions about texts, answered by passages of them (SQuAD 1.1 and 2.0).

    A row holds the question and as much of the text as fits; a long text becomes
    several rows, windows that overlap. The label of a window without the whole of the
    (first) answer is 0, `[CLS]`.

    Of all spans of all windows that are not too long, the one with the greatest sum of
    start and end logits is the answer. Its probability is among the `n_best` spans, and
    no answer, if there is a threshold for that. An answer is

        {"text": "Oslo", "start": 14, "score": 0.9, "no_answer_score": -3.2,
         "n_best": [{"text": "Oslo", "start": 14, "score": 0.9}, …]}

    where `start` counts characters of the text, and `no_answer_score` is by how much
    `[CLS]` is better than the best span. No answer is the text "".

    Args:
        doc_stride: Pieces that a window shares with the one before.
        max_question_length: Pieces at which a question is truncated.
        max_answer_length: Most pieces of an answer.
        n_best: How many spans to tell.
        no_answer_threshold: The `no_answer_score` above which there is no answer; None
            answers always, as in SQuAD 1.1.

    Raises:
        InputError: A number is too small.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> from keras_squeezebert.data import QuestionExamples
        >>> examples = QuestionExamples(["q"], ["Where?"], ["She lives in Oslo."])
        >>> task, config = QuestionAnswering(n_best=1), SqueezeBertConfig()
        >>> features = task.encode(examples, SqueezeBertTokenizerFast(), config)
        >>> start, end = np.zeros((2, *features.inputs["input_ids"].shape))
        >>> start[0, 7] = end[0, 7] = 5.0
        >>> outputs = {"start_logits": start, "end_logits": end}
        >>> answer, = task.decode(outputs, features, examples, config)
        >>> answer["text"], answer["start"], answer["no_answer_score"]
        ('Oslo', 13, -10.0)

    Reference:
        `examples/pytorch/question-answering/run_qa.py` of `transformers`. It looks for
        spans between the twenty best starts and the twenty best ends only.
    """

    doc_stride: int = 128
    max_question_length: int = 64
    max_answer_length: int = 30
    n_best: int = 20
    no_answer_threshold: float | None = None

    architecture = "SqueezeBertForQuestionAnswering"

    def __post_init__(self):
        least = {
            "doc_stride": 0,
            "max_question_length": 1,
            "max_answer_length": 1,
            "n_best": 1,
        }
        for name, number in least.items():
            if getattr(self, name) < number:
                raise InputError(
                    f"`{name}` must be {number} or more. Received: "
                    f"{name}={getattr(self, name)}"
                )

    def check_windows(self, max_length: int) -> None:
        """Checks that windows get on in the text.

        Raises:
            InputError: One that shares `doc_stride` pieces has no room for others.
        """
        if max_length - 3 - self.max_question_length <= self.doc_stride:
            raise InputError(
                "Beside the longest question and three special tokens, a window must "
                "hold more of the text than it shares with the one before. Received: "
                f"max_length={max_length}, "
                f"max_question_length={self.max_question_length}, "
                f"doc_stride={self.doc_stride}"
            )

    def encode(self, examples, tokenizer, config, max_length=384):
        limit = length_limit(max_length, "longest", True, True, tokenizer.options)
        self.check_windows(limit)
        questions = word_pieces(tokenizer, examples.questions)
        contexts = word_pieces(tokenizer, examples.contexts)
        kept = np.minimum(questions.counts, self.max_question_length)  # (examples,)
        room = limit - 3 - kept  # (examples,)
        step = room - self.doc_stride
        further = -(-np.maximum(contexts.counts - room, 0) // step)  # rounded up
        rows, number = numbered(1 + further)
        skipped = number * step[rows]  # (rows,)
        counts = np.minimum(room[rows], contexts.counts[rows] - skipped)
        windows = contexts.take(rows).cut(skipped, counts)
        inputs = token_rows(tokenizer, questions.cut(0, kept).take(rows), windows)
        check_length(inputs["input_ids"].shape[-1], config)

        columns = kept[rows] + 2  # after [CLS] and [SEP]
        notes = {
            "questions that were truncated": int((kept < questions.counts).sum()),
            "texts in several windows": int((further > 0).sum()),
        }
        labels = None
        if examples.answers is not None:
            first, last = _pieces_of_answers(contexts, examples.answers)  # (examples,)
            whole = (skipped <= first[rows]) & (last[rows] < skipped + counts)
            labels = {
                name: np.where(whole, columns + piece[rows] - skipped, 0).astype(
                    "int32"
                )
                for name, piece in [("start_logits", first), ("end_logits", last)]
            }
            in_a_window = np.bincount(rows, weights=whole) > 0
            has_answer = np.array([bool(answers) for answers in examples.answers])
            notes["answers in no window"] = int((has_answer & ~in_a_window).sum())
        return WindowFeatures(
            inputs=inputs,
            labels=labels,
            rows=rows,
            windows=windows,
            columns=columns,
            notes=notes,
        )

    def decode(self, outputs, features, examples, config):
        start, end = outputs["start_logits"], outputs["end_logits"]  # (rows, seq)
        no_answer = np.full(len(examples), np.inf)
        np.minimum.at(no_answer, features.rows, start[:, 0] + end[:, 0])
        spans, scores = self._best_spans(start, end, features)
        offsets = features.windows.offsets
        bounds = np.searchsorted(spans[:, 0], np.arange(len(examples) + 1))
        answers = []
        for example, context in enumerate(examples.contexts):
            of_example = slice(*bounds[example : example + 2])
            begins = offsets[spans[of_example, 1], 0].tolist()
            ends = offsets[spans[of_example, 2], 1].tolist()
            passages = [(context[a:b], a) for a, b in zip(begins, ends, strict=True)]
            answers.append(
                self._answer(passages, scores[of_example], no_answer[example])
            )
        return answers

    def _best_spans(self, start, end, features):
        """Example, first and last piece of the best spans, (spans, 3), and scores.

        They are sorted by the example, and then the best first. Pieces are counted over
        all texts.
        """
        counts = features.windows.counts[:, None]  # (rows, 1)
        pieces = np.arange(max(counts.max(), 1))  # of a window
        columns = np.minimum(features.columns[:, None] + pieces, start.shape[-1] - 1)
        start, end = (
            np.where(
                pieces < counts, np.take_along_axis(logits, columns, axis=-1), -np.inf
            )
            for logits in (start, end)
        )  # (rows, pieces)
        first, last, scores = best_spans(
            start, end, self.max_answer_length, self.n_best
        )  # (rows, spans)
        before = features.windows.begins[:, None]
        example = np.broadcast_to(features.rows[:, None], first.shape)
        spans = np.stack([example, before + first, before + last], axis=-1)
        spans, scores = spans[scores > -np.inf], scores[scores > -np.inf]
        # Windows overlap: of a span that is in two, the better score counts.
        order = np.lexsort([-scores, *spans.T[::-1]])
        spans, scores = spans[order], scores[order]
        is_new = np.diff(spans, axis=0, prepend=-1).any(axis=-1)
        spans, scores = spans[is_new], scores[is_new]
        order = np.lexsort([spans[:, 2], spans[:, 1], -scores, spans[:, 0]])
        spans, scores = spans[order], scores[order]
        _, rank = numbered(np.bincount(spans[:, 0]))
        return spans[rank < self.n_best], scores[rank < self.n_best]

    def _answer(self, passages, scores, no_answer):
        """The answer to one question, of spans sorted by their score."""
        may_be_none = self.no_answer_threshold is not None
        everything = np.append(scores, no_answer if may_be_none else [])
        probabilities = softmax(everything).round(6).tolist() if len(everything) else []
        n_best = [
            {"text": text, "start": start, "score": probability}
            for (text, start), probability in zip(passages, probabilities, strict=False)
        ]
        best = scores[0] if passages else np.finfo("float32").min
        difference = float(no_answer - best)
        if passages and not (may_be_none and difference > self.no_answer_threshold):
            chosen = n_best[0]
        else:
            score = probabilities[-1] if may_be_none else 0.0
            chosen = {"text": "", "start": None, "score": score}
        return {**chosen, "no_answer_score": difference, "n_best": n_best}

    def metric(self, config):
        return METRICS["squad"]

    def score(self, examples, answers, config):
        known("answers", examples.answers)
        no_answer_scores = None
        if self.no_answer_threshold is not None:
            no_answer_scores = [answer["no_answer_score"] for answer in answers]
        return self.metric(config).compute(
            [[answer.text for answer in right] for right in examples.answers],
            [answer["text"] for answer in answers],
            no_answer_scores,
        )


def _pieces_of_answers(contexts, answers):
    """First and last piece of each first answer, in its text; −1 where is none."""
    found = np.full((len(answers), 2), -1)
    for row, (begin, count) in enumerate(
        zip(contexts.begins.tolist(), contexts.counts.tolist(), strict=True)
    ):
        if answers[row]:
            answer = answers[row][0]
            starts, ends = contexts.offsets[begin : begin + count].T
            # The last piece that begins by then, and the first that ends no sooner.
            found[row] = (
                np.searchsorted(starts, answer.start, side="right") - 1,
                np.searchsorted(ends, answer.start + len(answer.text), side="left"),
            )
    return found.T
