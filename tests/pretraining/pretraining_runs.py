"""A pretraining of seconds, which the tests of it share; also run by their scripts."""

import keras
import numpy as np
from tiny import WITHOUT_DROPOUT

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForMaskedLM,
    SqueezeBertModel,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.pretraining import (
    Phase,
    PretrainingRecipe,
    TokenCache,
    pretrain,
)
from keras_squeezebert.pretraining.initial import draw_kernels

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "and",
    "saw",
    "one",
    "fat",
    "dog",
    "run",
    "from",
    "it",
    "in",
    "big",
    "red",
    "old",
    "car",
]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", *WORDS]
SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "initializer_range": 0.1,
}
CONFIG = SqueezeBertConfig(**SIZES)
# With all that has a state: dropout, accumulated gradients, two phases, LAMB.
RECIPE = PretrainingRecipe(
    phases=(Phase(16, 8, 7, 1e-2), Phase(24, 4, 5, 1e-2)),
    accumulation_steps=2,
    report_steps=5,
    clean_share=0.25,
    hidden_weight=1.0,
    attention_weight=1.0,
    sentence_weight=1.0,
    seed=5,
)


def make_tokenizer():
    return SqueezeBertTokenizerFast(VOCABULARY)


def make_text(seed=0, documents=6, sentences=12):
    """Documents of random sentences, a paragraph of three in a line."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(documents):
        made = [
            " ".join(rng.choice(WORDS, rng.integers(2, 9))).capitalize() + "."
            for _ in range(sentences)
        ]
        lines += [" ".join(made[i : i + 3]) for i in range(0, sentences, 3)] + [""]
    return "\n".join(lines)


def make_cache(folder, seed=0):
    """A cache of `make_text`, which may be there already."""
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    if not text.exists():
        text.write_text(make_text(seed))
    return TokenCache.write(folder / "cache", [text], make_tokenizer(), waits=True)


def make_teacher():
    config = SqueezeBertConfig.preset("bert-base", **{**SIZES, "num_hidden_layers": 3})
    teacher = SqueezeBertModel(config)
    draw_kernels(teacher.variables, 0.2, seed=1)
    return teacher


def make_student(**changes):
    model = SqueezeBertForMaskedLM(CONFIG.replace(**changes))
    draw_kernels(model.variables, CONFIG.initializer_range, seed=2)
    return model


def run(folder, state=None, recipe=RECIPE, held_out=None, callbacks=(), changes=None):
    """Weights after a pretraining, and its history."""
    keras.utils.set_random_seed(3)
    model = make_student(**(changes or {}))
    history = pretrain(
        model,
        make_cache(folder),
        make_tokenizer(),
        recipe,
        teacher=make_teacher(),
        held_out=held_out,
        folder=state,
        save_seconds=0.0,
        callbacks=callbacks,
        verbose=0,
    )
    return model.get_weights(), history


class Losses(keras.callbacks.Callback):
    """The loss of every step, of which Keras tells the mean since the epoch began."""

    def __init__(self):
        super().__init__()
        self.losses = []

    def on_epoch_begin(self, epoch, logs=None):
        self._sum = self._steps = 0

    def on_train_batch_end(self, batch, logs=None):
        self._steps += 1
        total = logs["loss"] * self._steps
        self.losses.append(float(total - self._sum))
        self._sum = total


def loss_curve(folder):
    """The losses of 50 steps without dropout, which draws otherwise on each backend."""
    recipe = PretrainingRecipe(
        phases=(Phase(16, 8, 30, 5e-4), Phase(24, 8, 20, 5e-4)),
        warmup_ratio=0.1,
        report_steps=25,
        hidden_weight=1.0,
        attention_weight=1.0,
        sentence_weight=1.0,
    )
    losses = Losses()
    run(folder, recipe=recipe, callbacks=[losses], changes=WITHOUT_DROPOUT)
    return losses.losses
