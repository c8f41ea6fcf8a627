"""Rows are the cache's pieces, all of them, in segments, with some to be guessed."""

import itertools

import numpy as np
import pytest
from generated import COMMON
from hypothesis import given
from hypothesis import strategies as st

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.pretraining.cache import TokenCache
from keras_squeezebert.pretraining.rows import Rows, packed
from keras_squeezebert.tasks.masking import Masking

LENGTH = 32


@pytest.fixture(scope="module")
def cache(tokenizer, tmp_path_factory):
    """Documents of short and long sentences, words of several pieces, two shards."""
    rng = np.random.default_rng(0)

    def sentence():
        words = [
            COMMON[rng.integers(len(COMMON))]
            if rng.random() < 0.8
            else "un" + "abcxyz"[:number]
            for number in rng.integers(1, 7, rng.integers(1, rng.choice([6, 20, 60])))
        ]
        return " ".join(words).capitalize() + "."

    documents = [
        "\n".join(
            " ".join(sentence() for _ in range(rng.integers(1, 5)))
            for _ in range(rng.integers(1, 8))
        )
        for _ in range(150)
    ]
    folder = tmp_path_factory.mktemp("rows")
    path = folder / "t.txt"
    # One piece alone, of which no two segments can be made.
    path.write_text("\n\n".join(["alone", *documents]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_squeezebert.pretraining.cache._CHUNK_LINES", 350)
        made = TokenCache.write(folder / "cache", [path], tokenizer, shard_tokens=1000)
    assert len(made.shards) == 2
    return made


@pytest.fixture(scope="module")
def rows_of(cache, tokenizer):
    """Rows of the cache by the options of `Rows` and of its `Masking`."""

    def made(rate=0.15, seed=0, whole_words=False, length=LENGTH, **options):
        masking = Masking(tokenizer, rate, whole_words, seed)
        return Rows(cache, tokenizer, length, masking, **options)

    return made


def near(rate, count):
    """Five standard deviations of a share of so many."""
    return pytest.approx(rate, abs=5 * np.sqrt(rate * (1 - rate) / count))


# === Packing

lengths_of_documents = st.lists(
    st.lists(st.integers(1, 30), min_size=1, max_size=12), max_size=6
)


def slowly_packed(documents, room):
    """The ranges that `packed` gives, unit by unit."""
    ranges, begin = [], 0
    for lengths in documents:
        row = 0
        for length in lengths:
            parts = [room] * (length // room) + [length % room] * (length % room > 0)
            for part in parts:
                if row + part > room:
                    ranges.append([begin, begin + row])
                    begin, row = begin + row, 0
                row += part
        ranges.append([begin, begin + row])
        begin += row
    return ranges


@given(documents=lengths_of_documents, room=st.integers(1, 12))
def test_packing(documents, room):
    sentence_ends = np.cumsum([n for lengths in documents for n in lengths], dtype=int)
    document_ends = np.cumsum([len(lengths) for lengths in documents], dtype=int)
    ranges = packed(sentence_ends, document_ends, room)
    assert ranges.dtype == "int64"
    assert ranges.shape == (len(ranges), 2)
    assert ranges.tolist() == slowly_packed(documents, room)
    # What is meant by it.
    begins, ends = ranges.T
    assert [0, *ends] == [*begins, sum(map(sum, documents))]  # a partition
    assert (ends > begins).all() and (ends - begins <= room).all()
    limits = sentence_ends[document_ends - 1]
    assert np.isin(limits, ends).all()  # no row crosses the end of a document
    for begin, end in zip([0, *sentence_ends], sentence_ends, strict=False):
        if end - begin <= room:  # is not cut
            assert not ((begin < ends) & (ends < end)).any()


def test_no_pieces_make_no_ranges():
    nothing = np.zeros(0, "int64")
    assert packed(nothing, nothing, 5).shape == (0, 2)
    assert packed(nothing, nothing, 5).dtype == "int64"


# === Batches


def spans_of(rows, numbers):
    return [
        rows.cache.shards[rows.shards[row]].ids[slice(*rows.spans[row])].tolist()
        for row in numbers
    ]


def ranges(rows):
    """Those of all rows that could be, by the shard."""
    return [
        packed(shard.sentence_ends, shard.document_ends, LENGTH - 2 - rows.paired)
        for shard in rows.cache.shards
    ]


def restored(inputs, labels):
    """The ids with what is to be guessed in its place; where labels are, and how."""
    ids = inputs["input_ids"].copy()
    is_place = labels["masked_lm"] != IGNORED_LABEL
    # The used places come first; the others are the first token's.
    assert (np.sort(~is_place, axis=-1) == ~is_place).all()
    assert not inputs["masked_positions"][~is_place].any()
    rows, places = np.nonzero(is_place)
    positions = inputs["masked_positions"][rows, places]
    assert len(np.unique(np.stack([rows, positions]), axis=1).T) == len(rows)
    ids[rows, positions] = labels["masked_lm"][rows, places]
    is_label = np.zeros(ids.shape, bool)
    is_label[rows, positions] = True
    return ids, is_label


def parted(tokenizer, ids, types, mask):
    """The pieces of each segment of a row, which is all that the row has."""
    length = mask.sum()
    assert mask.tolist() == [1] * length + [0] * (len(mask) - length)
    assert (ids[length:] == tokenizer.pad_token_id).all()
    assert not types[length:].any()
    second = types.sum()
    assert types[:length].tolist() == [0] * (length - second) + [1] * second
    assert ids[0] == tokenizer.cls_token_id
    segments = [ids[1 : length - second], ids[length - second : length]]
    segments = [segment for segment in segments if len(segment)]
    for segment in segments:
        assert segment[-1] == tokenizer.sep_token_id
        assert len(segment) > 1
    return [segment[:-1].tolist() for segment in segments]


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("rate", [0.0, 0.15, 0.6, 1.0])
@pytest.mark.parametrize("paired", [False, True])
def test_rows_are_the_pieces(tokenizer, rows_of, paired, rate, whole_words):
    rows = rows_of(rate, whole_words=whole_words, paired=paired)
    numbers = np.arange(len(rows))
    inputs, labels = rows.batch(0, numbers)
    for array in [*inputs.values(), *labels.values()]:
        assert array.dtype == "int32"
    if rate:
        ids, _ = restored(inputs, labels)
    else:
        assert "masked_positions" not in inputs and "masked_lm" not in labels
        ids = inputs["input_ids"]
    assert ids.shape == (len(rows), LENGTH)
    swapped = labels["sentence_order"] if paired else np.zeros(len(rows), bool)
    spans = spans_of(rows, numbers)
    for number, span in enumerate(spans):
        segments = parted(
            tokenizer,
            ids[number],
            inputs["token_type_ids"][number],
            inputs["attention_mask"][number],
        )
        assert len(segments) == 1 + paired
        if swapped[number]:
            segments.reverse()
        assert [*itertools.chain(*segments)] == span
        if paired:
            begin, end = rows.spans[number]
            ends = rows.cache.shards[rows.shards[number]].sentence_ends
            inside = ends[(begin < ends) & (ends < end)] - begin
            assert len(segments[0]) in inside or not len(inside)
    # All the pieces of the cache, but for those that are alone in a row.
    alone = np.concatenate([np.diff(whole) == 1 for whole in ranges(rows)]).sum()
    assert alone > 1  # of the cut sentences some have one piece left
    assert sum(map(len, spans)) == rows.cache.counts["tokens"] - paired * alone


def test_half_of_the_rows_are_swapped(rows_of):
    rows = rows_of()
    order = np.concatenate(
        [rows.batch(p, np.arange(len(rows)))[1]["sentence_order"] for p in range(3)]
    )
    assert np.isin(order, [0, 1]).all()
    assert order.mean() == near(0.5, len(order))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_clean_rows(rows_of, share):
    rows = rows_of(0.4, clean_share=share)
    numbers = np.arange(len(rows))
    # Of ten pieces or more, of which some would be hidden.
    numbers = numbers[np.diff(rows.spans[numbers])[:, 0] > 20]
    inputs, labels = rows.batch(0, numbers)
    is_clean = (labels["masked_lm"] == IGNORED_LABEL).all(axis=-1)
    assert is_clean.mean() == near(share, len(numbers))
    ids, _ = restored(inputs, labels)
    np.testing.assert_array_equal(inputs["input_ids"][is_clean], ids[is_clean])
    # Nothing else of these rows is another.
    _, others = rows_of(0.4).batch(0, numbers)
    np.testing.assert_array_equal(labels["sentence_order"], others["sentence_order"])
    np.testing.assert_array_equal(
        labels["masked_lm"][~is_clean], others["masked_lm"][~is_clean]
    )


# === What is guessed


@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("rate", [0.15, 0.5])
def test_what_is_guessed_is_what_masking_hides(tokenizer, rows_of, rate, whole_words):
    """But for words that have no place, of rows that have too many of them."""
    rows = rows_of(rate, whole_words=whole_words)
    numbers = np.arange(len(rows))
    inputs, labels = rows.batch(2, numbers)
    ids, is_label = restored(inputs, labels)
    hidden, all_labels = rows.masking(ids, numbers, 2)
    is_chosen = all_labels != IGNORED_LABEL
    assert not (is_label & ~is_chosen).any()
    np.testing.assert_array_equal(inputs["input_ids"], np.where(is_label, hidden, ids))
    counts, kept = is_chosen.sum(axis=-1), is_label.sum(axis=-1)
    is_crowded = counts > rows.places
    assert 0 < is_crowded.sum() < len(rows)
    np.testing.assert_array_equal(kept[~is_crowded], counts[~is_crowded])
    if not whole_words:
        assert (kept[is_crowded] == rows.places).all()
        return
    # A word has all its pieces guessed or none; of a crowded row one has no place.
    special = np.isin(ids, tokenizer.all_special_ids)
    begins = ~rows.masking.bound[ids] | special
    for row in range(len(rows)):
        words = np.split(np.arange(LENGTH), np.flatnonzero(begins[row])[1:])
        words = [word[~special[row, word]] for word in words]
        words = [word for word in words if len(word)]
        assert all(len(np.unique(is_label[row, word])) == 1 for word in words)
        if is_crowded[row]:
            dropped = (is_chosen & ~is_label)[row]
            longest = max(len(word) for word in words if dropped[word[0]])
            assert longest > rows.places - kept[row]


def test_every_position_is_guessed_as_often(rows_of):
    """Those at the end of a row too, though it may have more than it has places."""
    rows = rows_of(length=16, paired=False)
    numbers = np.flatnonzero(np.diff(rows.spans)[:, 0] == 14)
    is_label = np.concatenate(
        [restored(*rows.batch(p, numbers))[1][:, 1:-1] for p in range(10)]
    )
    assert (is_label.sum(axis=-1) == rows.places).mean() > 0.1
    begin, end = is_label[:, :4].mean(), is_label[:, -4:].mean()
    count = 4 * len(is_label)
    assert end == near(begin, count / 2)  # for both of them vary


def test_places_are_no_more_than_pieces(rows_of):
    assert rows_of(1.0).places == LENGTH - 3
    assert rows_of(1.0, paired=False).places == LENGTH - 2
    assert rows_of(0.15).places == 6
    assert rows_of(0.001).places == 1


# === Passes


def test_a_pass_has_each_row_once(rows_of):
    rows = rows_of()
    orders = []
    for number in range(3):
        ((found, order),) = rows.numbered(number * len(rows), len(rows))
        assert found == number
        assert sorted(order) == list(range(len(rows)))
        orders.append(order.tolist())
    assert orders[0] != orders[1] != orders[2] != orders[0]
    assert orders == [
        rows_of().numbered(n * len(rows), len(rows))[0][1].tolist() for n in range(3)
    ]
    assert orders[0] != rows_of(seed=1).numbered(0, len(rows))[0][1].tolist()


@given(first=st.integers(0, 3000), count=st.integers(0, 3000))
def test_rows_are_numbered_across_passes(rows_of, first, count):
    rows = rows_of()
    endless = [(n // len(rows), n % len(rows)) for n in range(first, first + count)]
    found = [
        (number, row) for number, part in rows.numbered(first, count) for row in part
    ]
    orders = {n: rows.numbered(n * len(rows), len(rows))[0][1] for n, _ in endless}
    assert found == [(number, orders[number][place]) for number, place in endless]


def flat(inputs, labels):
    return {**inputs, **labels}


@pytest.mark.parametrize("whole_words", [False, True])
def test_the_same_whatever_the_batch(rows_of, whole_words):
    options = {"rate": 0.3, "whole_words": whole_words, "clean_share": 0.2, "seed": 9}
    whole = flat(*rows_of(**options).batch(1, range(60)))
    rows = rows_of(**options)
    for first, last in [(30, 60), (0, 1), (1, 30)]:
        part = flat(*rows.batch(1, range(first, last)))
        for name, array in whole.items():
            np.testing.assert_array_equal(part[name], array[first:last], err_msg=name)
    some = flat(*rows.batch(1, [50, 3]))
    for name, array in whole.items():
        np.testing.assert_array_equal(some[name], array[[50, 3]], err_msg=name)


def test_others_in_every_pass_and_by_the_seed(rows_of):
    numbers = np.arange(200)
    base = flat(*rows_of(0.3).batch(0, numbers))
    for other in (
        rows_of(0.3).batch(1, numbers),
        rows_of(0.3, seed=1).batch(0, numbers),
    ):
        other = flat(*other)
        for name in base:
            if name != "attention_mask":
                assert (base[name] != other[name]).any(), name
        # Rows are parted elsewhere, too, not only swapped.
        same_order = base["sentence_order"] == other["sentence_order"]
        types = [values["token_type_ids"][same_order] for values in (base, other)]
        assert (types[0] != types[1]).any()


def test_the_largest_seed(rows_of):
    rows = rows_of(seed=2**32 - 1)
    ((number, numbers),) = rows.numbered(0, 20)
    found = flat(*rows.batch(number, numbers))
    others = flat(*rows_of(seed=2**32 - 2).batch(number, numbers))
    assert (found["input_ids"] != others["input_ids"]).any()


# === Bad input


def test_a_cache_without_rows(tokenizer, tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("one\n\nword\n")
    cache = TokenCache.write(tmp_path / "cache", [path], tokenizer)
    masking = Masking(tokenizer)
    assert len(Rows(cache, tokenizer, 8, masking, paired=False)) == 2
    with pytest.raises(InputError, match=r"no text.*Received: \{'tokens': 2"):
        Rows(cache, tokenizer, 8, masking)


def test_a_shard_without_pieces(tokenizer, tmp_path, monkeypatch):
    """Lines of which the tokenizer leaves nothing may be all of a shard."""
    monkeypatch.setattr("keras_squeezebert.pretraining.cache._CHUNK_LINES", 1)
    path = tmp_path / "t.txt"
    path.write_text("\x07\n" * 3 + "Two words.\n" + "\x07\n")
    cache = TokenCache.write(tmp_path / "cache", [path], tokenizer, shard_tokens=1)
    assert [len(shard.ids) for shard in cache.shards] == [3, 0]
    rows = Rows(cache, tokenizer, 8, Masking(tokenizer, 0.0), paired=False)
    inputs, _ = rows.batch(0, [0])
    assert tokenizer.batch_decode(inputs["input_ids"]) == ["two words."]
