"""Precision, recall and F1 of whole entities, as CoNLL's shared tasks count them."""

import re
from collections.abc import Sequence

from keras_squeezebert.errors import InputError
from keras_squeezebert.metrics.checks import check_lengths

_TAG = re.compile("O|[BI]-.+")

# Type, first word, and the word after the last.
Entity = tuple[str, int, int]


def entities(
    labels: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> dict[str, float]:
    """How many entities are found with their type and all of their words.

    The definition is `conlleval`'s, which papers report and `seqeval` computes by
    default: an `I-` that continues nothing begins an entity. (`seqeval`'s strict mode
    would drop it.)

    Args:
        labels: For each text the tags of its words: "O", "B-TYPE", "I-TYPE" (IOB2, or
            IOB1).
        predictions: The same of a model.

    Returns:
        `precision`, `recall` and `f1` over the entities of all texts, each 0 where it
        would be 0 / 0, and `accuracy` over the tags.

    Raises:
        InputError: Nothing to measure, different lengths, or another tag.

    Example:
        >>> figures = entities(
        ...     [["B-PER", "I-PER", "O", "B-LOC"]], [["B-PER", "I-PER", "O", "O"]]
        ... )
        >>> figures["precision"], figures["recall"], figures["accuracy"]
        (1.0, 0.5, 0.75)

    Reference:
        Tjong Kim Sang and De Meulder 2003, arXiv cs/0306050.
    """
    check_lengths(labels=labels, predictions=predictions)
    true = found = correct = tags = equal_tags = 0
    for row, (expected, predicted) in enumerate(zip(labels, predictions, strict=True)):
        _check_tags(f"labels[{row}]", expected)
        _check_tags(f"predictions[{row}]", predicted)
        if len(expected) != len(predicted):
            raise InputError(
                "A text must have one predicted tag for each label. Received: "
                f"len(labels[{row}])={len(expected)}, "
                f"len(predictions[{row}])={len(predicted)}"
            )
        in_labels, in_predictions = set(spans(expected)), set(spans(predicted))
        true += len(in_labels)
        found += len(in_predictions)
        correct += len(in_labels & in_predictions)
        tags += len(expected)
        equal_tags += sum(map(str.__eq__, expected, predicted))
    if not tags:
        raise InputError(
            f"A metric needs one tag or more. Received: {len(labels)} texts without any"
        )
    return {
        "precision": _share(correct, found),
        "recall": _share(correct, true),
        "f1": _share(2 * correct, found + true),
        "accuracy": equal_tags / tags,
    }


def spans(tags: Sequence[str]) -> list[Entity]:
    """The entities that the tags of one text mark.

    Example:
        >>> spans(["B-PER", "I-PER", "B-PER", "O", "I-LOC"])
        [('PER', 0, 2), ('PER', 2, 3), ('LOC', 4, 5)]
    """
    found = []
    open_type = ""
    for position, tag in enumerate(tags):
        prefix, _, entity_type = tag.partition("-")
        if prefix == "I" and entity_type == open_type:
            found[-1] = (entity_type, found[-1][1], position + 1)
        elif prefix != "O":
            found.append((entity_type, position, position + 1))
        open_type = entity_type
    return found


def _share(part, whole):
    return part / whole if whole else 0.0


def _check_tags(name, tags):
    if isinstance(tags, str):
        raise InputError(
            f"Each text must have a list of tags. Received: {name}={tags!r}"
        )
    for position, tag in enumerate(tags):
        if not (isinstance(tag, str) and _TAG.fullmatch(tag)):
            raise InputError(
                "A tag must be 'O', or 'B-' or 'I-' and a type. Of other labels, "
                f"measure the accuracy. Received: {name}[{position}]={tag!r}"
            )
