"""Recipe: the numbers that a training goes by."""

import math
from dataclasses import dataclass
from typing import Literal

import keras
from keras import ops

from keras_squeezebert.errors import InputError
from keras_squeezebert.layers.base import PACKAGE
from keras_squeezebert.models.optimizer import adamw

# By name, where a number lies: the least, the largest, and whether the least is in.
_LIMITS = {
    "epochs": (1, math.inf, True),
    "batch_size": (1, math.inf, True),
    "learning_rate": (0, math.inf, False),
    "weight_decay": (0, 1, True),
    "warmup_ratio": (0, 1, True),
    "layer_decay": (0, 1, False),
    "clip_norm": (0, math.inf, False),
    "label_smoothing": (0, 1, True),
    "accumulation_steps": (1, math.inf, True),
    "patience": (1, math.inf, True),
    "seed": (0, 2**32 - 1, True),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is fine-tuned; the defaults are BERT's for pretrained weights.

    Args:
        epochs: Passes over the training data.
        batch_size: Rows of a step.
        learning_rate: The highest; a model from random weights wants about 1e-3.
        weight_decay: AdamW's, not applied to biases and LayerNorms.
        warmup_ratio: Share of all steps in which the rate rises from 0, on a line.
        decay: How it falls to 0 in the others, on a line or on a cosine.
        layer_decay: Share of a layer's rate that the layer below it has.
        clip_norm: Norm to which the gradient of all weights together is cut.
        label_smoothing: Share of a label that is spread over all labels.
        accumulation_steps: Steps whose gradients make one update of the weights: the
            memory of a small batch for the mean of a large one.
        patience: Epochs without a better score after which training ends; None goes on
            to the last.
        seed: Of the order of the rows.

    Raises:
        InputError: A number is out of its range.

    Example:
        >>> schedule = Recipe(learning_rate=1e-3, warmup_ratio=0.5).schedule(steps=8)
        >>> [round(1e3 * float(schedule(step)), 3) for step in (0, 2, 4, 6, 8)]
        [0.0, 0.5, 1.0, 0.5, 0.0]

    Reference:
        Devlin et al. 2019, arXiv 1810.04805, appendix A; Iandola et al. 2020,
        section 4.2.
    """

    epochs: int = 3
    batch_size: int = 32
    learning_rate: float = 5e-5
    weight_decay: float = 0.01
    warmup_ratio: float = 0.1
    decay: Literal["linear", "cosine"] = "linear"
    layer_decay: float = 1.0
    clip_norm: float = 1.0
    label_smoothing: float = 0.0
    accumulation_steps: int = 1
    patience: int | None = None
    seed: int = 0

    def __post_init__(self):
        for name, (least, most, is_in) in _LIMITS.items():
            value = getattr(self, name)
            if value is None:  # of `patience`
                continue
            if not (least <= value <= most) or (value == least and not is_in):
                raise InputError(
                    f"`{name}` must be in {'[' if is_in else '('}{least}, {most}"
                    f"{')' if most == math.inf else ']'}. Received: {name}={value}"
                )
        if self.decay not in ("linear", "cosine"):
            raise InputError(
                f"`decay` must be linear or cosine. Received: decay={self.decay!r}"
            )

    def schedule(self, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """The learning rate of each of so many updates of the weights."""
        return WarmUpAndDecay(
            self.learning_rate, int(steps * self.warmup_ratio), steps, self.decay
        )

    def optimizer(self, steps: int) -> keras.optimizers.Optimizer:
        """A new AdamW for so many steps, of which several can make an update."""
        return adamw(
            self.schedule(max(1, steps // self.accumulation_steps)),
            self.weight_decay,
            self.layer_decay,
            global_clipnorm=self.clip_norm,
            # Keras takes None, and no 1.
            gradient_accumulation_steps=(
                self.accumulation_steps if self.accumulation_steps > 1 else None
            ),
        )


@keras.saving.register_keras_serializable(PACKAGE)
class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises from 0 on a line and falls to 0 on a line or a cosine.

    Args:
        peak: The highest rate.
        warmup_steps: Steps in which it rises.
        steps: All steps; from the last on it is 0.
        decay: "linear" or "cosine".

    Example:
        >>> [float(WarmUpAndDecay(1.0, 2, 6)(step)) for step in range(7)]
        [0.0, 0.5, 1.0, 0.75, 0.5, 0.25, 0.0]

    Reference:
        `transformers.get_linear_schedule_with_warmup` and its cosine.
    """

    def __init__(self, peak, warmup_steps, steps, decay="linear"):
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.steps = steps
        self.decay = decay

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = step / max(1, self.warmup_steps)
        left = (self.steps - step) / max(1, self.steps - self.warmup_steps)
        left = ops.clip(left, 0.0, 1.0)
        if self.decay == "cosine":
            left = 0.5 - 0.5 * ops.cos(math.pi * left)
        return self.peak * ops.where(step < self.warmup_steps, rising, left)

    def get_config(self):
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "steps": self.steps,
            "decay": self.decay,
        }
