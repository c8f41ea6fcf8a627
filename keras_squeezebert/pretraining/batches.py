"""PretrainingBatches: the batches of a report of the history, for `fit`."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

import keras
import numpy as np

from keras_squeezebert.pretraining.cache import TokenCache
from keras_squeezebert.pretraining.recipe import PretrainingRecipe
from keras_squeezebert.pretraining.rows import Rows
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast
from keras_squeezebert.training.data_parallel import Share


class PretrainingSteps:
    """The batch of each step of a recipe, by its number alone.

    Args:
        cache: A `TokenCache`.
        tokenizer: Its tokenizer.
        recipe: Of the pretraining.
    """

    def __init__(
        self,
        cache: TokenCache,
        tokenizer: SqueezeBertTokenizerFast,
        recipe: PretrainingRecipe,
    ):
        self.cache = cache
        self.tokenizer = tokenizer
        self.recipe = recipe
        self.masking = Masking(
            tokenizer, recipe.mask_rate, recipe.whole_words, recipe.seed
        )
        steps = [p.steps * recipe.accumulation_steps for p in recipe.phases]
        self.ends = list(accumulate(steps))
        self._rows = (None, None)

    def phase(self, step: int) -> int:
        """The number of the phase that a step is in; the last one has no end here."""
        return bisect_right(self.ends[:-1], step)

    def rows_of_step(self, step: int) -> int:
        """Rows of its batch."""
        batch_size = self.recipe.phases[self.phase(step)].batch_size
        return batch_size // self.recipe.accumulation_steps

    def tokens(self, step: int) -> int:
        """Tokens of its batch, padding among them."""
        return self.rows_of_step(step) * self.recipe.phases[self.phase(step)].length

    def __call__(self, step):
        """`(inputs, labels)` of a step; see `Rows.batch`, and what teaches nothing."""
        number = self.phase(step)
        if self._rows[0] != number:  # of one phase at a time, for they can be many
            self._rows = (number, self._of_phase(number))
        rows = self._rows[1]
        in_phase = step - (self.ends[number - 1] if number else 0)
        count = self.rows_of_step(step)
        parts = [
            rows.batch(pass_number, of_pass)
            for pass_number, of_pass in rows.numbered(in_phase * count, count)
        ]
        if len(parts) == 1:
            return parts[0]
        return keras.tree.map_structure(lambda *a: np.concatenate(a), *parts)

    def _of_phase(self, number):
        return Rows(
            self.cache,
            self.tokenizer,
            self.recipe.phases[number].length,
            self.masking,
            self.recipe.sentence_order,
            self.recipe.clean_share,
        )


class PretrainingBatches(keras.utils.PyDataset):
    """Some consecutive steps as a dataset of Keras, on every backend.

    Args:
        steps: The `PretrainingSteps`.
        first: Number of the first step.
        count: How many there are.
        targets: Names of the losses that go by no labels.
        share: What of each batch is for this process. Default: all of it.
    """

    def __init__(
        self,
        steps: PretrainingSteps,
        first: int,
        count: int,
        targets: Sequence[str] = (),
        share: Share | None = None,
    ):
        super().__init__()
        self.steps = steps
        self.first = first
        self.count = count
        self.targets = targets
        self.share = share or Share()

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        inputs, labels = self.steps(self.first + index)
        nothing = np.zeros(len(inputs["input_ids"]), "float32")
        labels |= dict.fromkeys(self.targets, nothing)
        return self.share.of((inputs, labels))
