"""TokenClassification: a tag for each word, as for named entities."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from keras_squeezebert.config import SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import softmax
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.lengths import check_length
from keras_squeezebert.metrics import METRICS
from keras_squeezebert.metrics.entities import spans as spans_of_entities
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.pieces import Pieces, numbered, token_rows, word_pieces
from keras_squeezebert.tasks.task import Task, known
from keras_squeezebert.tokenizers.inputs import as_texts, length_limit

# Tags that say nothing of a word: of entities, and of parts of speech.
_NEUTRAL_TAGS = ("O", "X")

# Punctuation around a word is words of its own, as in corpora; inside it is not.
_WORD = re.compile(r"\w(?:\S*\w)?|\S")

Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class WordFeatures(Features):
    """Features that know where the words of all sentences, in order, begin.

    Args:
        places: Row and column of the first piece of each word, int (words, 2); −1 for
            a word without pieces.
    """

    places: np.ndarray


@dataclass(frozen=True)
class TokenClassification(Task):
    """Sentences as words, each of which has a tag.

    The first piece of a word stands for it; the others are ignored, as in Devlin et al.
    A sentence that is longer than a row becomes several, cut between words (but a word
    that is longer than a row inside it), so that no word goes without an answer. A word
    that has no pieces at all, of control characters, gets "O", or another tag that says
    nothing.

    An answer is `{"tags": ["O", "B-LOC"], "scores": [0.9, 0.8]}`, one of each for every
    word; :func:`entities` makes spans of text of it.

    Example:
        >>> from keras_squeezebert import SqueezeBertTokenizerFast
        >>> from keras_squeezebert.data import TokenExamples
        >>> config = SqueezeBertConfig(id2label={0: "O", 1: "B-LOC"})
        >>> examples = TokenExamples([["from", "Drammen"]], [["O", "B-LOC"]])
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> features = TokenClassification().encode(examples, tokenizer, config)
        >>> tokenizer.convert_ids_to_tokens(features.inputs["input_ids"][0])
        ['[CLS]', 'from', 'dr', '##am', '##men', '[SEP]']
        >>> features.labels.tolist()
        [[-100, 0, 1, -100, -100, -100]]
    """

    architecture = "SqueezeBertForTokenClassification"

    def encode(self, examples, tokenizer, config, max_length=None):
        limit = length_limit(max_length, "longest", True, False, tokenizer.options)
        if limit < 3:
            raise InputError(
                "A row holds [CLS], [SEP] and at least one token of the sentence. "
                f"Received: {limit} tokens"
            )
        sentences = [as_texts(words) for words in examples.words]
        pieces = word_pieces(tokenizer, [" ".join(words) for words in sentences])
        words = _words_of_pieces(pieces, sentences)  # (pieces of all sentences,)
        is_first = np.diff(words, prepend=-1) != 0  # (pieces of all sentences,)

        rows, parts = _cut_between_words(pieces, is_first, limit - 2)
        inputs = token_rows(tokenizer, parts)
        check_length(inputs["input_ids"].shape[-1], config)

        places = np.full((sum(map(len, sentences)), 2), -1)
        row_of_piece, number = parts.places()
        columns = 1 + number  # after [CLS]
        places[words[is_first]] = np.stack(
            [row_of_piece[is_first], columns[is_first]], axis=-1
        )
        labels = None
        found = places[:, 0] >= 0  # (words,)
        if examples.tags is not None:
            labels = np.full(inputs["input_ids"].shape, IGNORED_LABEL, "int32")
            labels[tuple(places[found].T)] = _tag_ids(examples.tags, config)[found]
        return WordFeatures(
            inputs=inputs,
            labels=labels,
            labels_of_tokens=True,
            rows=rows,
            places=places,
            notes={
                "sentences in several rows": int((np.bincount(rows) > 1).sum()),
                "words without pieces": int((~found).sum()),
            },
        )

    def decode(self, outputs, features, examples, config):
        names = list(config.id2label.values())
        ids = np.full(len(features.places), neutral_id(config))  # (words,)
        scores = np.zeros(len(ids))  # (words,)
        found = features.places[:, 0] >= 0  # (words,)
        logits = outputs["logits"][tuple(features.places[found].T)]
        probabilities = softmax(logits)  # (words with pieces, labels)
        ids[found] = probabilities.argmax(axis=-1)
        scores[found] = probabilities.max(axis=-1, initial=0).round(6)
        ends = np.cumsum([len(words) for words in examples.words])[:-1]
        return [
            {"tags": [names[i] for i in of_words], "scores": of_scores.tolist()}
            for of_words, of_scores in zip(
                np.split(ids, ends), np.split(scores, ends), strict=True
            )
        ]

    def metric(self, config):
        """Of entities where all labels are tags of entities, else the accuracy."""
        return METRICS["entities" if are_of_entities(config) else "accuracy"]

    def score(self, examples, answers, config):
        labels = known("tags", examples.tags)
        predictions = [answer["tags"] for answer in answers]
        metric = self.metric(config)
        if metric is METRICS["accuracy"]:
            labels, predictions = list(chain(*labels)), list(chain(*predictions))
        return metric.compute(labels, predictions)

    def label_names(self, examples):
        """The tags by name, the neutral one first."""
        distinct = {tag for tags in known("tags", examples.tags) for tag in tags}
        return sorted(distinct, key=lambda tag: (tag not in _NEUTRAL_TAGS, tag))


def neutral_id(config: SqueezeBertConfig) -> int:
    """The class id of the tag that says nothing of a word, or 0 if there is none.

    Example:
        >>> neutral_id(SqueezeBertConfig(id2label={0: "B-LOC", 1: "O"}))
        1
    """
    found = (config.label2id[tag] for tag in _NEUTRAL_TAGS if tag in config.label2id)
    return next(found, 0)


def are_of_entities(config: SqueezeBertConfig) -> bool:
    """Whether all labels are tags of entities in IOB1 or IOB2.

    Example:
        >>> are_of_entities(SqueezeBertConfig(id2label={0: "NOUN", 1: "VERB"}))
        False
    """
    return all(tag == "O" or tag[:2] in ("B-", "I-") for tag in config.label2id)


# === Entities


def word_spans(text: str) -> list[Span]:
    """Where the words of a raw text start and end, with punctuation apart.

    Example:
        >>> text = "She left U.S. soil (and Oslo)."
        >>> [text[start:end] for start, end in word_spans(text)]
        ['She', 'left', 'U.S', '.', 'soil', '(', 'and', 'Oslo', ')', '.']
    """
    return [match.span() for match in _WORD.finditer(text)]


def entities(
    text: str, spans: Sequence[Span], answer: dict[str, list]
) -> list[dict[str, Any]]:
    """The entities that the tags of a text's words mark.

    Args:
        text: The text.
        spans: Where each of its words starts and ends.
        answer: What `TokenClassification.decode` says of the words.

    Returns:
        For each its `type`, its `text`, `start` and `end` (characters), and as its
        `score` the mean probability of its words' tags.

    Example:
        >>> text = "Ada left New York."
        >>> answer = {
        ...     "tags": ["B-PER", "O", "B-LOC", "I-LOC", "O"],
        ...     "scores": [0.9, 0.9, 0.8, 0.6, 0.9],
        ... }
        >>> entities(text, word_spans(text), answer)[1]
        {'type': 'LOC', 'text': 'New York', 'start': 9, 'end': 17, 'score': 0.7}
    """
    found = []
    for kind, first, after in spans_of_entities(answer["tags"]):
        start, end = spans[first][0], spans[after - 1][1]
        score = np.mean(answer["scores"][first:after])
        found.append(
            {
                "type": kind,
                "text": text[start:end],
                "start": start,
                "end": end,
                "score": round(float(score), 6),
            }
        )
    return found


# === From pieces to words, and to rows


def _words_of_pieces(pieces: Pieces, sentences: list[list[str]]) -> np.ndarray:
    """The word that each piece is of, counted over all sentences."""
    lengths = [len(word) + 1 for words in sentences for word in words]
    ends = np.cumsum(lengths)  # of all sentences on one line
    starts = ends - lengths  # (words,)
    counts = [len(words) for words in sentences]
    first_words = np.cumsum(counts) - counts  # (sentences,)
    texts, _ = pieces.places()
    offsets = pieces.offsets[pieces.indices(), 0]  # (pieces of all sentences,)
    characters = starts[first_words][texts] + offsets
    return np.searchsorted(starts, characters, side="right") - 1


def _cut_between_words(
    pieces: Pieces, is_first: np.ndarray, room: int
) -> tuple[np.ndarray, Pieces]:
    """The sentence of each row, and what of it the row holds, at most `room` pieces."""
    ends = np.cumsum(pieces.counts)
    cuts = [
        _cuts(np.flatnonzero(is_first[end - count : end]), count, room)
        for end, count in zip(ends.tolist(), pieces.counts.tolist(), strict=True)
    ]
    rows, number = numbered(np.array([len(cut) for cut in cuts]))
    begins = np.array([begin for cut in cuts for begin in cut])  # (rows,)
    is_last = np.append(number[1:] == 0, True)  # of the rows of a sentence
    ends = np.where(is_last, pieces.counts[rows], np.append(begins[1:], 0))
    return rows, pieces.take(rows).cut(begins, ends - begins)


def _cuts(word_starts, count, room):
    """Where the rows of one sentence begin, in pieces."""
    cuts = [0]
    while count - cuts[-1] > room:
        furthest = cuts[-1] + room
        begun = np.searchsorted(word_starts, furthest, side="right")
        cut = int(word_starts[begun - 1])
        cuts.append(cut if cut > cuts[-1] else furthest)
    return cuts


def _tag_ids(tags, config: SqueezeBertConfig) -> np.ndarray:
    """The class id of each tag; (words,)."""
    label2id = config.label2id
    for row, of_words in enumerate(tags):
        for word, tag in enumerate(of_words):
            if tag not in label2id:
                raise InputError(
                    "A tag is unknown. Expected one of the model's labels: "
                    f"{', '.join(map(repr, label2id))}. Received: "
                    f"tags[{row}][{word}]={tag!r}"
                )
    return np.array([label2id[tag] for of_words in tags for tag in of_words], "int32")
