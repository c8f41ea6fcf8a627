"""to_iob2: the tags of entities in the one form that everything here works with."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_squeezebert.data.checks import check_strings
from keras_squeezebert.data.text_files import listed
from keras_squeezebert.errors import InputError


@dataclass(frozen=True)
class Scheme:
    """How a prefix tells where a word stands in its entity.

    Args:
        prefixes: Those that there are.
        continuing: Those that stand only where the tag before is of the same entity.
        continued: Those that stand only where the tag after is of the same entity.
    """

    prefixes: str
    continuing: str = ""
    continued: str = ""


SCHEMES = {
    # Ramshaw and Marcus: a B only where an entity follows another of its type.
    "IOB1": Scheme("BI", continuing="B"),
    # A B at the beginning of every entity.
    "IOB2": Scheme("BI", continuing="I"),
    # Either, or both mixed: read as `conlleval` does, which takes any I or B.
    "IOB": Scheme("BI"),
    # As IOB2, with an E at the end, and an S for entities of one word. Also IOBES.
    "BIOES": Scheme("BIES", continuing="IE", continued="BI"),
}


def to_iob2(tags: list[str], scheme: str) -> list[str]:
    """The tags of one sentence in IOB2, in which each entity begins with a B.

    Args:
        tags: A tag for each word: "O", or a prefix, a hyphen and a type, as in "I-LOC".
        scheme: What the tags are in:

            - "IOB1": an entity begins with I, or with B after another of its type.
            - "IOB2": an entity begins with B.
            - "IOB": either of the two, or both mixed.
            - "BIOES": as IOB2, but an entity ends with E, and one of one word is S.
            - "plain": not tags of entities; they are left as they are.
            - "auto": found from the tags, as :func:`scheme_of` does.

    Returns:
        As many tags.

    Raises:
        InputError: There is no such scheme, or a tag does not fit it.

    Example:
        >>> to_iob2(["I-LOC", "I-LOC", "B-LOC", "O", "I-PER"], "IOB1")
        ['B-LOC', 'I-LOC', 'B-LOC', 'O', 'B-PER']
        >>> to_iob2(["B-LOC", "E-LOC", "S-LOC", "O"], "BIOES")
        ['B-LOC', 'I-LOC', 'B-LOC', 'O']

    Reference:
        Ramshaw and Marcus 1995, "Text Chunking using Transformation-Based Learning";
        Tjong Kim Sang and Veenstra 1999, "Representing Text Chunks".
    """
    check_strings("tags", tags)
    return sentences_to_iob2([tags], scheme, lambda _, word: f"tags[{word}]")[0]


def sentences_to_iob2(
    sentences: list[list[str]], scheme: str, place: Callable[[int, int], str]
) -> list[list[str]]:
    """As :func:`to_iob2`, of many sentences.

    Args:
        sentences: The tags of each.
        scheme: As there.
        place: Where a tag stands, for messages, of its sentence and its word.

    Raises:
        InputError: As there.
    """
    if scheme == "auto":
        scheme = scheme_of(sentences, place)
    if scheme == "plain":
        return [list(tags) for tags in sentences]
    if scheme not in SCHEMES:
        raise InputError(
            f"`scheme` must be one of {listed(['auto', *SCHEMES, 'plain'])}. "
            f"Received: scheme={scheme!r}"
        )
    for where, reason, tag in _faults(sentences, scheme, place):
        raise InputError(
            f"{where}: {reason}. Mend it, or give another `scheme`. Received: {tag!r}"
        )
    return [_iob2(tags) for tags in sentences]


def scheme_of(sentences: list[list[str]], place: Callable[[int, int], str]) -> str:
    """The one scheme that all the tags are in.

    Of IOB1, IOB2 and BIOES at most one fits tags that name an entity at all: the first
    word of the first of a run of entities is I in the first, B in the second, and in
    the third an entity has an E or an S, which the others have not. (Without an entity
    the schemes are the same.) Tags of which none but "O" has one of their prefixes
    are plain.

    Args:
        sentences: The tags of each sentence.
        place: Where a tag stands, for messages, of its sentence and its word.

    Returns:
        "IOB1", "IOB2", "BIOES" or "plain".

    Raises:
        InputError: None fits.

    Example:
        >>> scheme_of([["O", "I-LOC"], ["O"]], place=lambda *_: "")
        'IOB1'
        >>> scheme_of([["DET", "NOUN"]], place=lambda *_: "")
        'plain'
    """
    distinct = {tag for tags in sentences for tag in tags}
    if not any(_entity(tag) for tag in distinct):
        if distinct <= set("BIOES"):
            _refuse_bare_prefixes(sentences, place)
        return "plain"
    reasons = []
    for scheme in ("IOB2", "IOB1", "BIOES"):
        fault = next(_faults(sentences, scheme, place), None)
        if fault is None:
            return scheme
        where, reason, tag = fault
        reasons.append(f"{where}, {tag!r}: {reason}")
    raise InputError(
        "The scheme of the tags cannot be found, as none fits all of them. Mend them, "
        "or give `scheme`: 'IOB' takes B and I in any order, 'plain' leaves all as it "
        f"is. Received: {'; '.join(reasons)}"
    )


def _refuse_bare_prefixes(sentences, place):
    """Tags that are letters may be entities of one type that is not named, or not."""
    for row, tags in enumerate(sentences):
        for word, tag in enumerate(tags):
            if tag != "O":
                raise InputError(
                    f"{place(row, word)}: a prefix must have a type, as in B-X. Add "
                    f"one, or say that tags are scheme='plain'. Received: {tag!r}"
                )


# === One tag


def _entity(tag):
    """Prefix and type of a tag, or None if it names no entity."""
    prefix, hyphen, kind = tag.partition("-")
    return (prefix, kind) if hyphen and kind and prefix in tuple("BIES") else None


def _faults(sentences, scheme, place):
    """Place, reason and tag of all that does not fit the scheme."""
    rules = SCHEMES[scheme]
    for row, tags in enumerate(sentences):
        around = ["O", *tags, "O"]
        for word, (before, tag, after) in enumerate(
            zip(around, tags, around[2:], strict=False)
        ):
            if tag == "O":
                continue
            prefix, kind = _entity(tag) or ("", "")
            reason = None
            if not prefix or prefix not in rules.prefixes:
                written = ", ".join(f"{letter}-X" for letter in rules.prefixes)
                reason = f"a tag of {scheme} must be O or one of {written}"
            elif prefix in rules.continuing and before not in _tags("BI", kind):
                reason = f"in {scheme} it must follow a B-{kind} or I-{kind}"
            elif prefix in rules.continued and after not in _tags("IE", kind):
                reason = f"in {scheme} an I-{kind} or E-{kind} must follow it"
            if reason:
                yield place(row, word), reason, tag


def _tags(prefixes, kind):
    return [f"{prefix}-{kind}" for prefix in prefixes]


def _iob2(tags):
    """IOB2 of tags that fit any of the schemes."""
    written = []
    open_kind = None  # type of the entity that an I would continue
    for tag in tags:
        prefix, kind = _entity(tag) or ("", None)
        if prefix:
            begins = prefix in "BS" or kind != open_kind
            tag = f"{'B' if begins else 'I'}-{kind}"
        open_kind = kind
        written.append(tag)
    return written
