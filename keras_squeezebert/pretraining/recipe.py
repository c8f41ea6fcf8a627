"""PretrainingRecipe: the numbers that a pretraining goes by."""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import keras
from keras import ops

from keras_squeezebert.errors import InputError
from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.models.optimizer import NOT_DECAYED, GroupedMuon
from keras_squeezebert.training.recipe import WarmUpAndDecay

_SHARES = ("warmup_ratio", "weight_decay", "mask_rate", "clean_share")
_WEIGHTS = ("masked_lm_weight", "hidden_weight", "attention_weight", "sentence_weight")
_OPTIMIZERS = {
    "lamb": keras.optimizers.Lamb,
    "adamw": keras.optimizers.AdamW,
    "muon": GroupedMuon,
}
_CHOICES = {
    "optimizer": tuple(_OPTIMIZERS),
    "decay": ("linear", "cosine"),
    "hidden_states": ("all", "last"),
}


@dataclass(frozen=True)
class Phase:
    """A part of a pretraining in which all rows are of one length.

    Args:
        length: Tokens of a row, with the special ones.
        batch_size: Rows of an update of the weights.
        steps: Updates.
        learning_rate: The highest, at the end of the phase's own warm-up.

    Example:
        >>> phase = Phase(128, 256, 1000, 1e-3)
        >>> phase.length * phase.batch_size * phase.steps  # tokens
        32768000
    """

    length: int
    batch_size: int
    steps: int
    learning_rate: float = 2.5e-3

    def __post_init__(self):
        for name, least in [("length", 8), ("batch_size", 1), ("steps", 1)]:
            if getattr(self, name) < least:
                raise InputError(
                    f"`{name}` of a phase must be {least} or more. Received: {self}"
                )
        if not 0 < self.learning_rate < math.inf:
            raise InputError(
                f"`learning_rate` of a phase must be positive. Received: {self}"
            )


# 56k steps of 128 tokens, 6k of 512, 8,192 rows each.
PAPER_PHASES = (Phase(128, 8192, 56_000), Phase(512, 8192, 6_000))


@dataclass(frozen=True, kw_only=True)
class PretrainingRecipe:
    """How a model is pretrained; the defaults are the paper's.

    Args:
        phases: One after the other, each with a warm-up and a decay of its own.
        optimizer: "lamb", for batches of thousands of rows, "adamw", or "muon", which
            is :class:`~keras_squeezebert.models.optimizer.GroupedMuon`.
        warmup_ratio: Share of a phase's updates in which the rate rises from 0.
        decay: How it falls to 0 in the others, on a line or on a cosine.
        weight_decay: Not applied to biases and LayerNorms.
        clip_norm: Norm to which the gradient of all weights together is cut.
        accumulation_steps: Steps whose gradients make one update: each takes that
            part of a batch onto the device.
        mask_rate: Share of the pieces that are to be guessed.
        whole_words: Whether words are masked whole.
        clean_share: Share of the rows of which nothing is masked. For distillation: a
            teacher answers for texts as they are.
        sentence_order: Whether a row is two segments, half of them in the wrong order,
            which is to be told; else it is one.
        masked_lm_weight: Of the loss of the guesses.
        hidden_weight: Of the distance to a teacher's hidden states.
        hidden_states: Which: "all", whose distances count alike, or the "last".
        attention_weight: Of that to its attention.
        sentence_weight: Of that to its mean-pooled embedding of the row.
        report_steps: Updates between two lines of the history, of which there is one
            at the end of a phase, too.
        seed: Of all randomness.

    Raises:
        InputError: A number is out of its range, or a batch cannot be accumulated
            evenly.

    Example:
        >>> recipe = PretrainingRecipe(
        ...     phases=(Phase(32, 8, 4, 1e-3), Phase(64, 8, 2, 1e-4)), warmup_ratio=0.5
        ... )
        >>> schedule = recipe.schedule()
        >>> [round(1e3 * float(schedule(step)), 2) for step in range(6)]
        [0.0, 0.5, 1.0, 0.5, 0.0, 0.1]

    Reference:
        Iandola et al. 2020, section 4.1; sentence order is from Lan et al. 2020, arXiv
        1909.11942, LAMB from You et al. 2020, arXiv 1904.00962.
    """

    phases: tuple[Phase, ...] = PAPER_PHASES
    optimizer: Literal["lamb", "adamw", "muon"] = "lamb"
    warmup_ratio: float = 0.28
    decay: Literal["linear", "cosine"] = "linear"
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    accumulation_steps: int = 1
    mask_rate: float = 0.15
    whole_words: bool = False
    clean_share: float = 0.0
    sentence_order: bool = True
    masked_lm_weight: float = 1.0
    hidden_weight: float = 0.0
    hidden_states: Literal["all", "last"] = "all"
    attention_weight: float = 0.0
    sentence_weight: float = 0.0
    report_steps: int = 1000
    seed: int = 0

    # A pretraining goes on to its end: see `training.session.Session`.
    patience = None

    def __post_init__(self):
        if not self.phases:
            raise InputError("A pretraining needs a phase at least. Received: none")
        for name in _SHARES:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"`{name}` must be in [0, 1]. Received: {getattr(self, name)}"
                )
        for name in _WEIGHTS:
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(
                    f"`{name}` must be 0 or more. Received: {getattr(self, name)}"
                )
        if not self.clip_norm > 0:
            raise InputError(
                f"`clip_norm` must be positive. Received: {self.clip_norm}"
            )
        for name in ("accumulation_steps", "report_steps"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"`{name}` must be 1 or more. Received: {getattr(self, name)}"
                )
        if not 0 <= self.seed < 2**32:
            raise InputError(f"`seed` must be in [0, 2^32). Received: {self.seed}")
        for name, names in _CHOICES.items():
            if getattr(self, name) not in names:
                raise InputError(
                    f"`{name}` must be {' or '.join(names)}. Received: "
                    f"{getattr(self, name)!r}"
                )
        for phase in self.phases:
            if phase.batch_size % self.accumulation_steps:
                raise InputError(
                    "The rows of a batch are accumulated in equal parts. Received: "
                    f"batch_size={phase.batch_size}, "
                    f"accumulation_steps={self.accumulation_steps}"
                )

    @property
    def updates(self) -> int:
        """Of the weights, in all phases."""
        return sum(phase.steps for phase in self.phases)

    @property
    def steps(self) -> int:
        """Parts of batches that go through the model."""
        return self.updates * self.accumulation_steps

    @property
    def report_ends(self) -> list[int]:
        """The steps after which a report is due; the last of each phase among them."""
        ends, begin = [], 0
        for phase in self.phases:
            end = begin + phase.steps
            ends += [*range(begin + self.report_steps, end, self.report_steps), end]
            begin = end
        return [update * self.accumulation_steps for update in ends]

    @property
    def epochs(self) -> int:
        """Reports, for Keras an epoch each."""
        return len(self.report_ends)

    @property
    def learning_rate(self) -> float:
        """The highest of all phases."""
        return max(phase.learning_rate for phase in self.phases)

    def schedule(self) -> keras.optimizers.schedules.LearningRateSchedule:
        """The learning rate of each update."""
        return PhasedSchedule(
            [(phase.learning_rate, phase.steps) for phase in self.phases],
            self.warmup_ratio,
            self.decay,
        )

    def new_optimizer(self) -> keras.optimizers.Optimizer:
        """The optimizer, without a state."""
        accumulated = self.accumulation_steps if self.accumulation_steps > 1 else None
        optimizer = _OPTIMIZERS[self.optimizer](
            self.schedule(),
            weight_decay=self.weight_decay,
            epsilon=1e-6,
            global_clipnorm=self.clip_norm,
            gradient_accumulation_steps=accumulated,
        )
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
        return optimizer


@keras.saving.register_keras_serializable(PACKAGE)
class PhasedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Phases, each with a warm-up and a decay.

    Args:
        phases: The peak and the steps of each.
        warmup_ratio: Share of a phase's steps in which the rate rises.
        decay: "linear" or "cosine".

    Example:
        >>> schedule = PhasedSchedule([(1.0, 2), (0.5, 4)], warmup_ratio=0.5)
        >>> [float(schedule(step)) for step in range(7)]
        [0.0, 1.0, 0.0, 0.25, 0.5, 0.25, 0.0]
    """

    def __init__(self, phases, warmup_ratio, decay="linear"):
        self.phases = phases
        self.warmup_ratio = warmup_ratio
        self.decay = decay

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rate = ops.zeros_like(step)
        ends = list(accumulate(steps for _, steps in self.phases))
        for (peak, steps), end in zip(self.phases, ends, strict=True):
            begin = end - steps
            of_phase = WarmUpAndDecay(
                peak, int(steps * self.warmup_ratio), steps, self.decay
            )
            inside = ops.logical_and(step >= begin, step < end)
            rate = ops.where(inside, of_phase(step - begin), rate)
        return rate

    def get_config(self):
        return {
            "phases": self.phases,
            "warmup_ratio": self.warmup_ratio,
            "decay": self.decay,
        }
