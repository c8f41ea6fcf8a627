"""The entities in a text, or the tags of its words."""

import tensorflow as tf

from keras_squeezebert.serving.sequence_classification import label_names
from keras_squeezebert.serving.text_head import TextHead
from keras_squeezebert.serving.texts import as_utf8, cut, substrings, words_of
from keras_squeezebert.tasks.token_classification import are_of_entities, neutral_id


class ServedTokenClassification(TextHead):
    """What `tasks.TokenClassification` says of the words of a text of any length.

    Gives, where all labels are tags of entities, of each entity its `type` and its
    `text`, string (batch, entities); where it starts and ends in the text, `start` and
    `end` in characters, int; and its `score`, float. For other tags it gives of each
    word the same, with its `tag` in place of the type. A text with fewer of them than
    another of the batch has "", −1 and 0 for the rest.

    Args:
        model: A `SqueezeBertForTokenClassification`.
        tokenizer: A `SqueezeBertTokenizer`.
    """

    def __call__(self, text):
        text = as_utf8(text)
        words, starts, ends = words_of(text)  # (batch, words)
        tags, scores = self._tags(words)  # (words of all texts,)
        names = label_names(self.config)
        if not are_of_entities(self.config):
            return {
                "tag": words.with_flat_values(tf.gather(names, tags)).to_tensor(""),
                "text": words.to_tensor(""),
                "start": starts.to_tensor(-1),
                "end": ends.to_tensor(-1),
                "score": words.with_flat_values(scores).to_tensor(0.0),
            }
        types, spans, scores = self._entities(tags, scores, starts, ends)
        start, end = spans
        flat = substrings(
            tf.gather(text, start.value_rowids()), start.flat_values, end.flat_values
        )
        return {
            "type": types.to_tensor(""),
            "text": start.with_flat_values(flat).to_tensor(""),
            "start": start.to_tensor(-1),
            "end": end.to_tensor(-1),
            "score": scores.to_tensor(0.0),
        }

    # === Tags

    def _tags(self, words):
        """The tag of each word and its probability, (words of all texts,) each."""
        count = tf.size(words.flat_values, out_type=tf.int64)
        joined = tf.strings.reduce_join(words, axis=1, separator=" ")
        pieces, offsets, _ = self.tokenizer.word_pieces.with_offsets(joined)
        word = _words_of_pieces(words, pieces, offsets)  # (pieces of all texts,)
        first = tf.math.unsorted_segment_min(
            tf.range(tf.size(word, out_type=tf.int64)), word, count
        )  # (words of all texts,)
        room = self.tokenizer.limit(paired=False) - 2
        rows, begins, counts = _cut_between_words(pieces, tf.gather(first, word), room)
        logits = self.model(self.tokenizer.rows(cut(pieces, rows, begins, counts)))
        logits = tf.cast(logits, tf.float32)[:, 1:]  # (rows, pieces, labels)
        # As many as there are pieces, in their order.
        logits = tf.boolean_mask(logits, tf.sequence_mask(counts, tf.shape(logits)[1]))
        probabilities = tf.nn.softmax(logits)  # (pieces of all texts, labels)
        found = first < tf.size(word, out_type=tf.int64)
        first = tf.where(found, first, 0)
        # A word of control characters alone has no pieces.
        neutral = neutral_id(self.config)
        nothing = tf.zeros([1, self.config.num_labels])
        probabilities = tf.concat([probabilities, nothing], axis=0)
        probabilities = tf.gather(probabilities, first)  # (words of all texts, labels)
        tags = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        scores = tf.reduce_max(probabilities, axis=-1)
        return tf.where(found, tags, neutral), tf.where(found, scores, 0.0)

    # === Entities

    def _entities(self, tags, scores, starts, ends):
        """The types, the spans and the scores of entities, ragged (batch, entities)."""
        prefixes, _, kinds = zip(
            *(tag.partition("-") for tag in self.config.id2label.values()), strict=True
        )
        kind, in_entity, is_begin = (
            tf.gather(tf.constant(of_labels), tags)
            for of_labels in (
                [kinds.index(kind) for kind in kinds],
                [prefix != "O" for prefix in prefixes],
                [prefix == "B" for prefix in prefixes],
            )
        )  # (words of all texts,) each
        rows = starts.value_rowids()
        goes_on = tf.concat(
            [
                [False],
                in_entity[:-1] & (kind[1:] == kind[:-1]) & (rows[1:] == rows[:-1]),
            ],
            axis=0,
        )[: tf.size(rows)]
        is_first = in_entity & (is_begin | ~goes_on)
        number = tf.cumsum(tf.cast(is_first, tf.int32)) - 1
        number = tf.where(in_entity, number, -1)  # of the entity that a word is of
        firsts = tf.where(is_first)[:, 0]  # (entities,)
        count = tf.size(firsts)

        def by_row(values):
            return tf.RaggedTensor.from_value_rowids(
                values, tf.gather(rows, firsts), starts.nrows()
            )

        last = tf.math.unsorted_segment_max(ends.flat_values, number, count)
        return (
            by_row(tf.gather(tf.constant(kinds), tf.gather(tags, firsts))),
            (by_row(tf.gather(starts.flat_values, firsts)), by_row(last)),
            by_row(tf.math.unsorted_segment_mean(scores, number, count)),
        )


# === From pieces to words, and to rows


def _words_of_pieces(words, pieces, offsets):
    """The word that each piece is of, counted over all texts, (pieces,)."""
    lengths = tf.strings.length(words.flat_values, unit="UTF8_CHAR")
    lengths = tf.cast(lengths, tf.int64) + 1  # with the space
    # Of all texts on one line; the last is where a text without words begins.
    edges = tf.concat([[0], tf.cumsum(lengths)], axis=0)
    begins = tf.gather(edges, words.row_starts())  # (batch,)
    characters = tf.gather(begins, pieces.value_rowids())
    characters += tf.cast(offsets.flat_values, tf.int64)
    return tf.searchsorted(edges, characters, side="right", out_type=tf.int64) - 1


def _cut_between_words(pieces, first, room):
    """Texts cut to rows of at most `room` pieces: text, first piece and count of each.

    Args:
        pieces: Ragged (batch, pieces).
        first: Of each piece, the first one of its word, counted over all texts.
        room: Most pieces of a row; a word of more is cut inside.
    """
    counts = pieces.row_lengths()  # (batch,)
    starts = pieces.row_starts()
    first = tf.concat([first, [0]], axis=0)  # so that there is one

    def next_cut(cuts):
        begin = cuts[:, -1]
        furthest = begin + room
        is_more = furthest < counts
        word = tf.gather(first, tf.where(is_more, starts + furthest, 0)) - starts
        end = tf.where(word > begin, word, furthest)
        return tf.concat([cuts, tf.where(is_more, end, counts)[:, None]], axis=1)

    cuts = tf.zeros_like(counts)[:, None]
    (cuts,) = tf.while_loop(
        lambda cuts: tf.reduce_any(cuts[:, -1] + room < counts),
        lambda cuts: (next_cut(cuts),),
        (cuts,),
        shape_invariants=(tf.TensorShape([None, None]),),
    )
    ends = tf.concat([cuts[:, 1:], counts[:, None]], axis=1)
    # The first row of a text is there even if it has no pieces.
    is_row = (cuts < ends) | (tf.range(tf.shape(cuts)[1]) == 0)
    return (
        tf.where(is_row)[:, 0],
        tf.boolean_mask(cuts, is_row),
        tf.boolean_mask(ends - cuts, is_row),
    )
