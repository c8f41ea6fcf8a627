"""The table of code points as a text file, for tokenizers in other languages.

Phones and browsers have a Unicode of their own, older or newer than the Rust library's,
so `web/` reads what that library does from `code_points.txt`. One file serves all
options: a reader follows BERT's normaliser step by step, and looks up what
each step makes of a code point.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from keras_squeezebert.files import atomic_file
from keras_squeezebert.tokenizers.code_points import (
    CLASS,
    MARKS,
    SAME,
    code_point_table,
)

CODE_POINTS_FILE = Path(__file__).with_name("code_points.txt")

_HEADER = """\
# What BERT's normaliser and pre-tokeniser make of code points, as Hugging Face's
# `tokenizers` does it. Written by keras_squeezebert/tokenizers/portable.py.
#
# A text is normalised by these steps. A code point that a step does not list stays.
#
#   drop           is left out
#   space          parts words, and is left out
#   ideograph      is a word, whatever the next steps make of it, if
#                  tokenize_chinese_chars
#   strip_accents  becomes other code points, if strip_accents; then each run of those
#                  whose class is not 0 is sorted by class, equal ones staying in
#                  order, and after that each 0 is left out
#   lower_case     becomes other code points, if do_lower_case
#   punctuation    is a word
#
# All numbers are hexadecimal. A line is FIRST, FIRST..LAST or FIRST..LAST/STEP, and
# what these become: one or more of CODE, or CODE+RISE, RISE more for each further one
# of the line. CODE:CLASS has a canonical combining class that is not 0.
"""

_SPACE = ord(" ")
_ALONE = (_SPACE, SAME, _SPACE)


def portable_table() -> str:
    """The contents of `code_points.txt`, of the installed `tokenizers`.

    Example:
        >>> sections = portable_table().split("\\n[")
        >>> [section.split("]")[0] for section in sections[1:]]
        ['drop', 'space', 'ideograph', 'strip_accents', 'lower_case', 'punctuation']
        >>> "C0..C5 41" in sections[4].splitlines()  # À to Å become A
        True
    """
    plain = _outputs(False, False, False)
    spaced = _outputs(False, False, True)
    sections = {
        "drop": _those(plain, ()),
        "space": _those(plain, (_SPACE,)),
        "ideograph": dict.fromkeys(_changes(plain, spaced), ()),
        "strip_accents": _changes(plain, _outputs(False, True, False)),
        "lower_case": _changes(plain, _outputs(True, False, False)),
        "punctuation": _those(plain, _ALONE),
    }
    lines = _HEADER.splitlines()
    for name, changes in sections.items():
        lines += [f"[{name}]", *_lines(changes)]
    return "\n".join([*lines, ""])


def write_portable_table(path: str | os.PathLike = CODE_POINTS_FILE) -> None:
    """Writes `code_points.txt`; `python -m keras_squeezebert.tokenizers.portable` does.

    Args:
        path: Where it goes: by default its place in the package.
    """
    with atomic_file(path) as draft:
        draft.write_text(portable_table(), encoding="ascii", newline="\n")


def _outputs(*options):
    """What each code point becomes, as the values of a `CodePointTable`."""
    table = code_point_table(*options)
    splits, values = table.splits.tolist(), table.values.tolist()
    outputs = [tuple(values[a:b]) for a, b in itertools.pairwise(splits)]
    of_each = [outputs[i] for i in table.outputs[table.blocks].flat]
    for mark in MARKS:  # which only the graph keeps
        of_each[ord(mark)] = ()
    return of_each


def _those(outputs, wanted):
    """The code points of that output, as changes to nothing."""
    return {code: () for code, output in enumerate(outputs) if output == wanted}


def _changes(plain, outputs):
    """What one step makes of the code points that it changes."""
    return {
        code: tuple(code if v == SAME else v for v in after if v != _SPACE)
        for code, (before, after) in enumerate(zip(plain, outputs, strict=True))
        if after != before
    }


def _lines(changes: dict[int, tuple[int, ...]]) -> Iterator[str]:
    """A section's lines: code points at equal steps, whose outputs rise equally."""
    rows = list(changes.items())
    start = 0
    while start < len(rows):
        step, rises = difference = _difference(*rows[start : start + 2])
        end = start + 1
        while step and _difference(*rows[end - 1 : end + 1]) == difference:
            end += 1
        # Two that happen to lie apart are no run.
        if end - start == 2 and step > 1:
            end = start + 1
        yield _line(rows[start:end], step, rises)
        start = end


def _difference(row, following=None):
    """The step to the row that follows and the rise of each value; 0 if none fits."""
    code, values = row
    if following is None or len(following[1]) != len(values):
        return 0, ()
    rises = tuple(b - a for a, b in zip(values, following[1], strict=True))
    # A value is a code point and a class, of which only the first may rise.
    if any(
        rise < 0 or value // CLASS != (value + rise) // CLASS
        for value, rise in zip(values, rises, strict=True)
    ):
        return 0, ()
    return following[0] - code, rises


def _line(rows, step, rises):
    (first, values), (last, _) = rows[0], rows[-1]
    if len(rows) == 1:
        step, rises = 1, (0,) * len(values)
    line = f"{first:X}"
    line += f"..{last:X}" * (last > first)
    line += f"/{step:X}" * (step > 1)
    for value, rise in zip(values, rises, strict=True):
        combining, code = divmod(value, CLASS)
        line += f" {code:X}"
        line += f"+{rise:X}" * (rise > 0)
        line += f":{combining:X}" * (combining > 0)
    return line


if __name__ == "__main__":
    write_portable_table()
