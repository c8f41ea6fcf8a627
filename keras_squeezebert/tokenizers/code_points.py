"""What BERT's normaliser and pre-tokeniser make of each code point, as arrays.

The Rust library itself is asked about all of Unicode, so that the graph follows its
tables, whichever version of Unicode they are of.
"""

import functools
import itertools
import unicodedata
from dataclasses import dataclass

import numpy as np
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

BLOCK = 256  # code points

# Private-use characters, which the normaliser drops from any text, carry the special
# tokens through the table: they are kept, each as a word of its own.
MARKS = tuple(map(chr, range(0x100000, 0x100005)))

# Values that are no code points: the one looked up, and a mark that is removed only
# after all have been sorted.
SAME = -1
REMOVED = 0

_KEPT = ((SAME,),) * BLOCK
_DROPPED = ((),) * BLOCK
_ALONE = (32, SAME, 32)

# A value is a code point plus its canonical combining class times this.
CLASS = 2**21

# No canonical decomposition or lower case has a digit in it.
_SEPARATOR = "0"
# Marks of the highest and the lowest class: other marks sort between them.
_LAST_MARK, _FIRST_MARK = "\u0345", "\u0334"


@dataclass(frozen=True)
class CodePointTable:
    """A map from code points to sequences of values, shared among equal blocks.

    Args:
        blocks: Row of `outputs` for each block of 256 code points.
        outputs: (rows, 256), the index of an output sequence for each code point.
        splits: Output i is `values[splits[i] : splits[i + 1]]`.
        values: SAME, or a code point or REMOVED plus CLASS times its combining class.
    """

    blocks: np.ndarray
    outputs: np.ndarray
    splits: np.ndarray
    values: np.ndarray


@functools.lru_cache
def code_point_table(
    do_lower_case: bool, strips_accents: bool, tokenize_chinese_chars: bool
) -> CodePointTable:
    """The table for some options; spaces in its outputs part words.

    Example:
        >>> table = code_point_table(True, True, True)
        >>> row = table.blocks[ord("É") // 256]
        >>> index = table.outputs[row, ord("É") % 256]
        >>> chr(*table.values[table.splits[index] : table.splits[index + 1]])
        'e'
    """
    reader = _Reader(do_lower_case, strips_accents, tokenize_chinese_chars)
    rows = {}
    blocks = []
    for start in range(0, 0x110000, BLOCK):
        row = reader.outputs_of_block(start)
        blocks.append(rows.setdefault(row, len(rows)))
    indices = {}
    for output in itertools.chain.from_iterable(rows):
        indices.setdefault(output, len(indices))
    return CodePointTable(
        blocks=np.array(blocks, np.int32),
        outputs=np.array([[indices[o] for o in row] for row in rows], np.int32),
        splits=np.cumsum([0, *map(len, indices)], dtype=np.int64),
        values=np.array([*itertools.chain.from_iterable(indices)], np.int32),
    )


class _Reader:
    """Asks the Rust library, a block of code points at a time."""

    def __init__(self, do_lower_case, strips_accents, tokenize_chinese_chars):
        self._normalize = BertNormalizer(
            clean_text=True,
            handle_chinese_chars=tokenize_chinese_chars,
            strip_accents=strips_accents,
            lowercase=do_lower_case,
        ).normalize_str
        self._clean = BertNormalizer(
            handle_chinese_chars=False, strip_accents=False, lowercase=False
        ).normalize_str
        self._split = BertPreTokenizer().pre_tokenize_str
        self._classes = _combining_classes() if strips_accents else {}

    def outputs_of_block(self, start):
        """The output sequence of each code point from `start` on."""
        if 0xD800 <= start < 0xE000:  # surrogates, which no valid text holds
            return _DROPPED
        characters = [chr(code) for code in range(start, start + BLOCK)]
        joined = "".join(characters)
        normalized = self._normalize(joined)
        # Most blocks are unassigned or private, and need no closer look.
        if (
            normalized == joined
            and len(self._split(joined)) == 1
            and self._classes.keys().isdisjoint(characters)
        ):
            return _KEPT
        if not normalized and not self._clean(joined):
            return tuple(_ALONE if c in MARKS else () for c in characters)

        asked = [c for c in characters if c != _SEPARATOR]
        normalized = self._normalize(_SEPARATOR + _SEPARATOR.join(asked))
        normals = normalized.split(_SEPARATOR)[1:]
        if _SEPARATOR in characters:
            normals.insert(characters.index(_SEPARATOR), _SEPARATOR)
        # Punctuation parts from the separators; anything else is one word with them.
        lone = {word for word, _ in self._split(normalized) if len(word) == 1}
        lone.discard(_SEPARATOR)
        return tuple(
            self._output(character, normal, lone)
            for character, normal in zip(characters, normals, strict=True)
        )

    def _output(self, character, normal, lone):
        if not normal:
            if not self._clean(character):
                return ()
            first, *_ = NFD().normalize_str(character)
            return (REMOVED + CLASS * self._classes.get(first, 0),)
        output = []
        for part in normal.strip(" ") or normal:
            code = ord(part) + CLASS * self._classes.get(part, 0)
            value = SAME if code == ord(character) else code
            output += [32, value, 32] if part in lone else [value]
        return tuple(output)


def _combining_classes():
    """Classes of the characters that the Rust library's NFD sorts by.

    A class once assigned never changes; which characters have one yet does, by version
    of Unicode.
    """
    return {
        character: unicodedata.combining(character)
        for character in map(chr, range(0x110000))
        if unicodedata.combining(character) and not _is_starter(character)
    }


def _is_starter(character):
    """Whether NFD moves no combining mark past `character`."""
    text = NFD().normalize_str(_LAST_MARK + character + _FIRST_MARK)
    return text.index(_LAST_MARK) < text.index(_FIRST_MARK)
