"""Masking: hides word pieces, others in every epoch, the same by the same seed."""

from collections.abc import Sequence

import numpy as np

from keras_squeezebert.errors import InputError
from keras_squeezebert.labels import IGNORED_LABEL
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.tokenizers.vocabulary import PREFIX


class Masking:
    """Chooses pieces at random, and puts `[MASK]` or another piece in their place.

    What becomes of a row depends on the seed, the epoch and the row's number alone, not
    on the batch it is in, nor on what was drawn before. Special tokens stay.

    Args:
        tokenizer: A `SqueezeBertTokenizerFast`.
        rate: Share of the pieces that are chosen.
        whole_words: Whether a word is chosen with all of its pieces, or not at all.
        seed: Of the choice, 0 or more.
        mask_share: Of the chosen pieces, the share that become `[MASK]`.
        random_share: The share that become any other piece; the rest stays as it is.

    Raises:
        InputError: A share is not in [0, 1], or the seed is negative.

    Example:
        >>> tokenizer = SqueezeBertTokenizerFast()
        >>> ids = tokenizer("the cat sat on the mat")["input_ids"]
        >>> masked, labels = Masking(tokenizer, 0.3)(ids, rows=[0], epoch=2)
        >>> tokenizer.decode(masked[0], skip_special_tokens=False)
        '[CLS] the [MASK] sat on the [MASK] [SEP]'
        >>> labels.tolist()
        [[-100, -100, 4937, -100, -100, -100, 13523, -100]]

    Reference:
        Devlin et al. 2019, arXiv 1810.04805, section 3.1; whole words are from the
        README of google-research/bert, May 2019.
    """

    def __init__(
        self,
        tokenizer: SqueezeBertTokenizerFast,
        rate: float = 0.15,
        whole_words: bool = False,
        seed: int = 0,
        mask_share: float = 0.8,
        random_share: float = 0.1,
    ):
        for name, share in [
            ("rate", rate),
            ("mask_share", mask_share),
            ("random_share", random_share),
            ("mask_share + random_share", mask_share + random_share),
        ]:
            if not 0 <= share <= 1:
                raise InputError(f"`{name}` must be in [0, 1]. Received: {share}")
        if seed < 0:
            raise InputError(f"`seed` must not be negative. Received: seed={seed}")
        self.rate = rate
        self.seed = seed
        self.mask_share = mask_share
        self.random_share = random_share
        self.mask_token_id = tokenizer.mask_token_id
        ordinary = np.ones(tokenizer.vocab_size, bool)
        ordinary[tokenizer.all_special_ids] = False
        self.ordinary = ordinary  # (vocabulary,)
        self.ordinary_ids = np.flatnonzero(ordinary)
        # The pieces that are chosen when the one before them is.
        self.bound = ordinary & [
            whole_words and token.startswith(PREFIX) for token in tokenizer.vocabulary
        ]  # (vocabulary,)

    @classmethod
    def hiding(
        cls, tokenizer: SqueezeBertTokenizerFast, rate: float, seed: int = 0
    ) -> "Masking":
        """For inputs whose pieces are only not to be seen: each becomes `[MASK]`."""
        return cls(tokenizer, rate, seed=seed, mask_share=1.0, random_share=0.0)

    def __call__(
        self, ids: np.ndarray, rows: Sequence[int], epoch: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ids with pieces hidden, and labels: these pieces, −100 elsewhere.

        Args:
            ids: Int (rows, seq).
            rows: The number of each row.
            epoch: The pass over the data.
        """
        seq = ids.shape[-1]
        choice, kind, other = draws(self.seed, epoch, rows, seq)  # (rows, seq) each
        positions = np.where(self.bound[ids], 0, np.arange(seq))  # (rows, seq)
        word_starts = np.maximum.accumulate(positions, axis=-1)  # (rows, seq)
        choice = np.take_along_axis(choice, word_starts, axis=-1)
        chosen = self.ordinary[ids] & (choice < self.rate)  # (rows, seq)

        pieces = self.ordinary_ids
        random_ids = pieces[(other * len(pieces)).astype(int)]  # (rows, seq)
        is_mask, is_random = kind < self.mask_share, kind >= 1 - self.random_share
        hidden = np.select(
            [chosen & is_mask, chosen & is_random],
            [self.mask_token_id, random_ids],
            ids,
        )
        labels = np.where(chosen, ids, IGNORED_LABEL)
        return hidden.astype("int32"), labels.astype("int32")


def draws(
    seed: int, epoch: int, rows: Sequence[int], seq: int, count: int = 3
) -> np.ndarray:
    """Random numbers in [0, 1) for each token: `count` arrays (rows, seq).

    A longer sequence has the same numbers, and more of them.

    Reference:
        Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3": numbers by
        counter and key, of which the row is one and the seed and epoch the other.
    """
    numbers = np.empty((len(rows), seq, count))
    for number, row in zip(numbers, rows, strict=True):
        bits = np.random.Philox(key=[seed, epoch], counter=[0, row, 0, 0])
        np.random.Generator(bits).random(out=number)
    return np.moveaxis(numbers, -1, 0)
