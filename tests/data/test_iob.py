"""Schemes of tags: what one says of entities, IOB2 says too, and auto finds it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_squeezebert.data import to_iob2
from keras_squeezebert.data.iob import scheme_of
from keras_squeezebert.errors import InputError

# An independent account: a sentence is its spans, and each scheme writes them.
SPANS = st.lists(
    st.tuples(st.sampled_from(["", "PER", "LOC", "B-x"]), st.integers(1, 4)), max_size=6
)


def iob2(spans):
    tags = []
    for kind, length in spans:
        if kind:
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 1)
        else:
            tags += ["O"] * length
    return tags


def iob1(spans):
    tags, last = [], ""
    for kind, length in spans:
        if kind:
            tags += [f"{'B' if kind == last else 'I'}-{kind}"]
            tags += [f"I-{kind}"] * (length - 1)
        else:
            tags += ["O"] * length
        last = kind
    return tags


def bioes(spans):
    tags = []
    for kind, length in spans:
        if not kind:
            tags += ["O"] * length
        elif length == 1:
            tags += [f"S-{kind}"]
        else:
            tags += [f"B-{kind}"] + [f"I-{kind}"] * (length - 2) + [f"E-{kind}"]
    return tags


WRITERS = {"IOB1": iob1, "IOB2": iob2, "BIOES": bioes}


def found(sentences):
    return scheme_of(sentences, lambda row, word: f"tags[{row}][{word}]")


@pytest.mark.parametrize("scheme", WRITERS)
@given(spans=SPANS)
def test_every_scheme_becomes_iob2(scheme, spans):
    assert to_iob2(WRITERS[scheme](spans), scheme) == iob2(spans)
    assert to_iob2(WRITERS[scheme](spans), "auto") == iob2(spans)


@given(spans=SPANS)
def test_iob_reads_both(spans):
    assert to_iob2(iob1(spans), "IOB") == iob2(spans)
    assert to_iob2(iob2(spans), "IOB") == iob2(spans)


@pytest.mark.parametrize("scheme", WRITERS)
@given(sentences=st.lists(SPANS, min_size=1, max_size=4))
def test_auto_finds_the_scheme_and_no_other_fits(scheme, sentences):
    if not any(kind for spans in sentences for kind, _ in spans):
        return  # without entities the schemes are one
    tags = [WRITERS[scheme](spans) for spans in sentences]
    assert found(tags) == scheme
    for other in set(WRITERS) - {scheme}:
        with pytest.raises(InputError):
            for row in tags:
                to_iob2(row, other)


@given(st.lists(st.text("BIESO-XY", max_size=4), max_size=6))
def test_any_tags_are_read_or_refused(tags):
    try:
        written = to_iob2(tags, "auto")
    except InputError:
        return
    assert len(written) == len(tags)
    assert to_iob2(written, "auto") == written


def test_plain_tags():
    assert to_iob2(["NN", "-LRB-", "B-"], "plain") == ["NN", "-LRB-", "B-"]
    assert found([["NN", "-LRB-", "O"], ["."]]) == "plain"
    assert found([["O"], ["O", "O"]]) == "plain"


@pytest.mark.parametrize(
    ("tags", "part"),
    [
        (["O", "I-LOC", "I-LOC", "O", "B-LOC"], "'IOB' takes B and I"),
        (["B-LOC", "NN"], "'plain' leaves all as it is"),
        (["B-LOC", "E-PER"], "tags[0][0], 'B-LOC': in BIOES an I-LOC or E-LOC"),
        (["S-LOC", "L-LOC"], "tags[0][1], 'L-LOC'"),
        (["O", "B", "I"], "tags[0][1]: a prefix must have a type"),
    ],
)
def test_auto_says_that_it_cannot_tell(tags, part):
    with pytest.raises(InputError) as caught:
        found([tags])
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "tags", "part"),
    [
        ("IOB1", ["O", "B-LOC"], "tags[1]: in IOB1 it must follow a B-LOC or I-LOC"),
        ("IOB1", ["I-PER", "B-LOC"], "tags[1]: in IOB1"),
        ("IOB2", ["B-LOC", "I-PER"], "tags[1]: in IOB2 it must follow a B-PER"),
        ("IOB2", ["S-LOC"], "must be O or one of B-X, I-X. Mend it"),
        ("BIOES", ["B-LOC", "O"], "tags[0]: in BIOES an I-LOC or E-LOC must follow"),
        ("BIOES", ["S-LOC", "E-LOC"], "tags[1]: in BIOES it must follow"),
        ("BIOES", ["B-LOC", "I-LOC"], "tags[1]: in BIOES an I-LOC"),
        ("IOB", ["b-LOC"], "tags[0]: a tag of IOB"),
        ("IOB2", ["B-"], "tags[0]: a tag of IOB2"),
        ("IOB2", ["BI-LOC"], "tags[0]: a tag of IOB2"),
        ("IOB2", [""], "Received: ''"),
        ("BILOU", ["O"], "Received: scheme='BILOU'"),
        ("IOB2", "O", "`tags` must be a list of strings"),
    ],
)
def test_what_does_not_fit(scheme, tags, part):
    with pytest.raises(InputError) as caught:
        to_iob2(tags, scheme)
    assert part in str(caught.value)
