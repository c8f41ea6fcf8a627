import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_squeezebert import InputError
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.options import TokenizerOptions
from keras_squeezebert.tokenizers.pruning import prune_vocabulary
from keras_squeezebert.tokenizers.vocabulary import read_vocabulary, write_vocabulary

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def test_odd_pieces_survive_a_file(tmp_path):
    tokens = [*SPECIAL, "\u2028", "a b", "\x0b", "##\x85", "é"]
    write_vocabulary(tmp_path / "vocab.txt", tokens)
    assert read_vocabulary(tmp_path / "vocab.txt") == tokens


def test_windows_line_ends(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(SPECIAL).encode())
    assert SqueezeBertTokenizerFast(tmp_path / "vocab.txt").vocab_size == 5


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([], "Received: vocabulary="),
        ([*SPECIAL, "a", "a"], r"vocabulary\[5\]=vocabulary\[6\]='a'"),
        ([*SPECIAL, ""], r"Received: vocabulary\[5\]=''"),
        ([*SPECIAL, None], r"Received: vocabulary\[5\]=None"),
        (SPECIAL[:-1], r"Received: '\[MASK\]', vocab_size=4"),
    ],
)
def test_bad_vocabularies(tokens, message):
    with pytest.raises(InputError, match=message):
        SqueezeBertTokenizerFast(tokens)


def test_unreadable_vocabularies(tmp_path):
    with pytest.raises(InputError, match=r"Received: path=.*none\.txt"):
        SqueezeBertTokenizerFast(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"Received: path=.*latin\.txt"):
        SqueezeBertTokenizerFast(str(tmp_path / "latin.txt"))


@pytest.mark.parametrize(
    "options",
    [
        {"do_lower_case": 1},
        {"strip_accents": "no"},
        {"model_max_length": True},
        {"model_max_length": 2},
        {"mask_token": "[PAD]"},
        {"mask_token": "mask"},
        {"mask_token": None},
    ],
    ids=str,
)
def test_bad_options(options):
    with pytest.raises(InputError, match=r"Received: "):
        TokenizerOptions(**options)


def test_unknown_options():
    with pytest.raises(TypeError, match="lower_case"):
        SqueezeBertTokenizerFast(lower_case=False)


# === Pruning

# Few enough pieces to build a tokenizer for each example.
SHIPPED = SqueezeBertTokenizerFast().vocabulary
FULL = SqueezeBertTokenizerFast(
    [t for t in SHIPPED if t in SPECIAL or len(t.removeprefix("##")) < 3]
    + [t for t in SHIPPED if len(t) > 4 and t.removeprefix("##").isalpha()][::20]
)
WORDS = [t.removeprefix("##") for t in FULL.vocabulary if t not in SPECIAL]
words = st.one_of(
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(WORDS), min_size=2, max_size=3).map("".join),
)
texts = st.lists(words, max_size=8).map(" ".join)


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, max_size=5), texts)
def test_pruning_keeps_how_kept_pieces_are_used(seen, new):
    kept = prune_vocabulary(FULL.vocabulary, seen)
    assert set(SPECIAL) <= set(kept) and "a" in kept and "##a" in kept
    assert kept == [token for token in FULL.vocabulary if token in set(kept)]
    pruned = SqueezeBertTokenizerFast(kept)
    for text in seen:
        assert pruned.tokenize(text) == FULL.tokenize(text)
    pieces = FULL.tokenize(new)
    if set(pieces) <= set(kept):
        assert pruned.tokenize(new) == pieces
    # Single characters still spell what the other pieces no longer do.
    assert "".join(p.removeprefix("##") for p in pruned.tokenize(new)) == "".join(
        p.removeprefix("##") for p in pieces
    )


def test_pruning_follows_the_options():
    vocabulary = [*SPECIAL, "Ab", "ab", "abc", "a", "##b"]
    assert prune_vocabulary(vocabulary, ["Ab"], do_lower_case=False) == [
        *SPECIAL, "Ab", "a", "##b"
    ]  # fmt: skip
    assert prune_vocabulary(vocabulary, ["Ab"]) == [*SPECIAL, "ab", "a", "##b"]
