"""The passage of a text that answers a question, or none."""

import tensorflow as tf

from keras_squeezebert.serving.text_head import TextHead, strings
from keras_squeezebert.serving.texts import as_utf8, cut, substrings
from keras_squeezebert.tasks import QuestionAnswering

_NEVER = tf.float32.min  # the score of what cannot be


class ServedQuestionAnswering(TextHead):
    """What `tasks.QuestionAnswering` says of a question and a context of any length.

    Gives the `answer`, string (batch,); its `start` and `end` in the context, in
    characters, int; its `score`, and by how much no answer is better, the
    `no_answer_score`, float. No answer is "", and starts and ends at −1.

    Args:
        model: A `SqueezeBertForQuestionAnswering`.
        tokenizer: A `SqueezeBertTokenizer`.
        task: How long questions and answers may be, and so on.
    """

    inputs = {"question": strings(None), "context": strings(None)}
    max_length = 384

    def __init__(self, model, tokenizer, task=None):
        super().__init__(model, tokenizer)
        self.task = task or QuestionAnswering()
        self.task.check_windows(self.tokenizer.limit(paired=True))

    def __call__(self, question, context):
        context = as_utf8(context)
        question = self.tokenizer.word_pieces(question)  # (batch, pieces)
        pieces, starts, ends = self.tokenizer.word_pieces.with_offsets(context)
        kept = tf.minimum(question.row_lengths(), self.task.max_question_length)
        rows, skipped, counts = self._windows(kept, pieces.row_lengths())
        columns = tf.gather(kept, rows)  # of a row, the question's
        outputs = self.model(
            self.tokenizer.rows(
                cut(question, rows, tf.zeros_like(rows), columns),
                cut(pieces, rows, skipped, counts),
            )
        )
        start, end = (
            tf.cast(outputs[name], tf.float32)
            for name in ("start_logits", "end_logits")
        )  # (rows, seq)
        # A batch without rows has no columns.
        at_cls = tf.reduce_sum(start[:, :1] + end[:, :1], axis=1)  # (rows,)
        no_answer = tf.math.unsorted_segment_min(at_cls, rows, tf.size(kept))
        columns += 2  # [CLS] and [SEP]
        spans = self._spans(_cut(start, columns, counts), _cut(end, columns, counts))
        spans = _of_texts(spans, rows, skipped, counts, pieces)
        scores, best = self._best(spans)  # (batch, spans)
        first = best[:, 0] // self.task.max_answer_length  # (batch,)
        last = first + best[:, 0] % self.task.max_answer_length
        return self._answers(
            context, _at(starts, first), _at(ends, last), scores, no_answer
        )

    def _windows(self, kept, counts):
        """Text of each window, pieces before it, and pieces in it, (rows,) each."""
        room = self.tokenizer.limit(paired=True) - 3 - kept  # (batch,)
        step = room - self.task.doc_stride
        further = -(-tf.maximum(counts - room, 0) // step)  # rounded up
        numbers = tf.ragged.range(1 + further)  # (batch, windows)
        rows = numbers.value_rowids()
        skipped = numbers.flat_values * tf.gather(step, rows)
        counts = tf.gather(counts, rows) - skipped
        return rows, skipped, tf.minimum(tf.gather(room, rows), counts)

    def _spans(self, start, end):
        """The score of each span by first piece and pieces after it, in windows.

        Args:
            start: Logits of the pieces of a window, (rows, pieces).
            end: The same.

        Returns:
            (rows, pieces, lengths).
        """
        lengths = self.task.max_answer_length
        beyond = tf.pad(end, [(0, 0), (0, lengths - 1)], constant_values=_NEVER)
        ends = tf.signal.frame(beyond, lengths, 1)
        # Of two that cannot be, the sum is −∞.
        return tf.maximum(start[:, :, None] + ends, _NEVER)

    def _best(self, spans):
        """The greatest scores of each text, and where they are, (batch, spans) each."""
        batch, *sizes = tf.unstack(tf.shape(spans))
        count = tf.reduce_prod(sizes)
        flat = tf.reshape(spans, [batch, count])
        return tf.math.top_k(flat, tf.minimum(self.task.n_best, count))

    def _answers(self, context, start, end, scores, no_answer):
        """The outputs, of the best span of each text and the scores of more."""
        threshold = self.task.no_answer_threshold
        difference = no_answer - scores[:, 0]
        if threshold is not None:
            scores = tf.concat([scores, no_answer[:, None]], axis=1)
        probabilities = tf.nn.softmax(scores)  # (batch, spans)
        is_answer = scores[:, 0] > _NEVER  # without pieces there is none
        score, of_none = probabilities[:, 0], tf.zeros_like(no_answer)
        if threshold is not None:
            is_answer &= difference <= threshold
            of_none = probabilities[:, -1]
        start, end = tf.where(is_answer, start, 0), tf.where(is_answer, end, 0)
        return {
            "answer": substrings(context, start, end),
            "start": tf.where(is_answer, start, -1),
            "end": tf.where(is_answer, end, -1),
            "score": tf.where(is_answer, score, of_none),
            "no_answer_score": difference,
        }


def _cut(logits, begins, counts):
    """Of each row's logits those of its window, and beside it _NEVER."""
    number = tf.range(tf.reduce_max(tf.concat([counts, [0]], axis=0)))
    columns = tf.minimum(begins[:, None] + number, tf.shape(logits, tf.int64)[1] - 1)
    logits = tf.gather(logits, columns, batch_dims=1)
    return tf.where(number < counts[:, None], logits, _NEVER)


def _of_texts(spans, rows, skipped, counts, pieces):
    """The scores of windows as those of their texts, (batch, pieces, lengths).

    Windows overlap: of a span that is in two, the better score counts.
    """
    longest = tf.maximum(pieces.bounding_shape(1), 1)
    number = tf.range(tf.shape(spans, tf.int64)[1])
    place = (rows * longest + skipped)[:, None] + number  # (rows, pieces)
    place = tf.where(number < counts[:, None], place, -1)  # which is dropped
    lengths = spans.shape[2]
    best = tf.math.unsorted_segment_max(
        tf.reshape(spans, [-1, lengths]),
        tf.reshape(place, [-1]),
        pieces.nrows() * longest,
    )
    return tf.reshape(best, [pieces.nrows(), longest, lengths])


def _at(values, columns):
    """One value of each row, (batch,); of a row that has none there, any."""
    flat = tf.concat([values.flat_values, [0]], axis=0)
    places = values.row_starts() + tf.cast(columns, tf.int64)
    return tf.gather(flat, tf.minimum(places, tf.size(flat, tf.int64) - 1))
