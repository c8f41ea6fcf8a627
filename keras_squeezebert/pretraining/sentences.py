"""split_sentences: where a sentence ends, well enough to put sentences in rows."""

import re

# A full stop after these, or after a single capital letter, ends nothing.
_ABBREVIATIONS = (
    *("Mr", "Mrs", "Ms", "Dr", "St", "Prof", "Rev", "Hon", "Capt", "Col", "Gen", "Lt"),
    *("Sgt", "Jr", "Sr", "vs", "etc", "[A-Z]"),
)
_NO_END = "".join(rf"(?<!\b{word}\.)" for word in _ABBREVIATIONS)
# Quotes and brackets may close after the mark; what follows begins as sentences do.
_END = re.compile(rf"""(?<=[.!?…]){_NO_END}(["'”’)\]]*)\s+(?=["'“‘(\[]*[A-Z0-9])""")


def split_sentences(text: str) -> list[str]:
    """The sentences of a paragraph of English.

    Nothing is lost but the space between them. Mistakes are harmless here: a sentence
    is only a unit that rows are packed with and that is not cut.

    Example:
        >>> split_sentences('He met Mr. Smith. "Who are you?" A long silence (2 min).')
        ['He met Mr. Smith.', '"Who are you?"', 'A long silence (2 min).']
    """
    sentences, begin = [], 0
    for match in _END.finditer(text):
        sentences.append(text[begin : match.end(1)])
        begin = match.end()
    return [*sentences, text[begin:]]
