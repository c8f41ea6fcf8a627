"""The files from which tokenizers in other languages are made and tested."""

import itertools

import numpy as np
import pytest
from golden import answered, read_golden

from keras_squeezebert.tokenizers.code_points import (
    CLASS,
    MARKS,
    SAME,
    code_point_table,
)
from keras_squeezebert.tokenizers.portable import (
    CODE_POINTS_FILE,
    portable_table,
    write_portable_table,
)

SPACE = ord(" ")
SURROGATES = range(0xD800, 0xE000)


# === The table of code points


def test_the_file_is_what_the_installed_library_does(tmp_path):
    """If not: `python -m keras_squeezebert.tokenizers.portable`."""
    assert CODE_POINTS_FILE.read_text("ascii") == portable_table()
    write_portable_table(tmp_path / "table.txt")
    assert (tmp_path / "table.txt").read_bytes() == CODE_POINTS_FILE.read_bytes()
    assert len(CODE_POINTS_FILE.read_bytes()) < 50_000


@pytest.fixture(scope="module")
def sections():
    """The file by its own description: a dict of outputs by section."""
    sections = {}
    for line in CODE_POINTS_FILE.read_text("ascii").splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif not line.startswith("#"):
            run, *parts = line.split(" ")
            run, _, step = run.partition("/")
            first, _, last = run.partition("..")
            codes = range(
                int(first, 16), int(last or first, 16) + 1, int(step or "1", 16)
            )
            assert codes[-1] == int(last or first, 16)
            assert section.keys().isdisjoint(codes)
            for index, code in enumerate(codes):
                section[code] = [part_of(part, index) for part in parts]
    return sections


def part_of(part, index):
    part, _, combining = part.partition(":")
    code, _, rise = part.partition("+")
    return (int(code, 16) + index * int(rise or "0", 16), int(combining or "0", 16))


@pytest.mark.parametrize("options", [*itertools.product([False, True], repeat=3)])
def test_its_steps_together_do_what_the_library_does(sections, options):
    lower, strips, chinese = options
    table = code_point_table(lower, strips, chinese)

    def steps(code):
        if code in sections["drop"]:
            return []
        if code in sections["space"]:
            return [SPACE]
        parts = [(code, 0)]
        if strips:
            parts = sections["strip_accents"].get(code, parts)
        if lower:
            parts = [
                (lowered, combining)
                for part, combining in parts
                for lowered, _ in sections["lower_case"].get(part, [(part, 0)])
            ]
        values = []
        for part, combining in parts:
            alone = part in sections["punctuation"] or (
                chinese and code in sections["ideograph"]
            )
            value = part + CLASS * combining
            values += [SPACE, value, SPACE] if alone else [value]
        return values

    indices = table.outputs[table.blocks].reshape(-1)
    outputs = [
        table.values[start:end].tolist()
        for start, end in itertools.pairwise(table.splits)
    ]
    listed = {code for section in sections.values() for code in section}
    changed = np.flatnonzero(indices != outputs.index([SAME])).tolist()
    for code in listed.union(changed):
        wanted = [code if value == SAME else value for value in outputs[indices[code]]]
        if chr(code) in MARKS:  # kept by the graph, which uses them itself
            wanted = []
        assert steps(code) == wanted, hex(code)


def test_what_a_reader_may_rely_on(sections):
    for changes in (sections["strip_accents"], sections["lower_case"]):
        for parts in changes.values():
            assert parts
            # What parts words comes alone, and only marks have a class.
            codes = [code for code, _ in parts]
            alone = sections["punctuation"].keys() & {*codes}
            assert not alone or len(parts) == 1
            assert sections["space"].keys().isdisjoint(codes)
            assert sections["drop"].keys().isdisjoint(codes) or codes == [0]
    for code in sections["ideograph"]:
        assert len(sections["strip_accents"].get(code, [code])) == 1
    assert sections["drop"].keys() >= {0, 0xFFFD, *SURROGATES}


# === The golden file


def test_the_golden_file_agrees_with_the_library():
    """If not: `python tests/portable/golden.py`."""
    header, cases = read_golden()
    assert len(cases) > 5000
    for case, again in zip(cases, answered(header, cases), strict=True):
        assert case == again


def test_the_golden_file_holds_what_is_difficult():
    header, cases = read_golden()
    every = {*range(len(header["tokenizers"]))}
    for seen in (
        lambda case: "\ufffd" in case["text"],
        lambda case: "text_pair" in case,
        lambda case: case.get("padding") == "max_length",
        lambda case: "error" in case,
        lambda case: "[MASK]" in case["text"],
        lambda case: case["text"].isascii(),
        lambda case: len(case["text"]) > 1000,
        lambda case: "\0" in case["text"],
    ):
        assert {case["tokenizer"] for case in filter(seen, cases)} == every
