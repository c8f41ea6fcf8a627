"""start_from_teacher: grouped layers as near as can be to a teacher's dense ones."""

from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.optimize import linear_sum_assignment

from keras_squeezebert.errors import InputError
from keras_squeezebert.models.inputs import INPUT_NAMES
from keras_squeezebert.models.layer_distillation import matched_states
from keras_squeezebert.pretraining.cache import TokenCache
from keras_squeezebert.pretraining.recipe import PretrainingRecipe
from keras_squeezebert.pretraining.rows import Rows
from keras_squeezebert.tasks.masking import Masking
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

# Of the mean variance of a group's inputs: keeps the least squares solvable where
# inputs are multiples of one another.
_RIDGE = 1e-3
# Of the text that layers are fitted to: many times the inputs of a group.
_TOKENS = 2**15


def start_from_teacher(
    model: keras.Model, teacher: keras.Model, inputs: dict[str, Any]
) -> None:
    """Gives a model the weights by which it does most nearly what a teacher does.

    Embeddings, LayerNorms and the pooler are the teacher's own. Every convolution is
    the least-squares fit, on real text, of what the teacher has at its place, to what
    reaches it in the model: from the first layer to the last, so that each makes good
    what it can of the errors before it. The units between the two convolutions of a
    feed-forward block can be in any order: each is put into the group that can tell
    most of its input, and that its output is for most.

    Args:
        model: A `SqueezeBertForMaskedLM` of the teacher's width, with as many layers
            or fewer.
        teacher: A `SqueezeBertModel`, such as a BERT.
        inputs: Rows of text, as a model takes them: some tens of thousands of tokens.

    Raises:
        InputError: The widths differ.

    Example:
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig, SqueezeBertForMaskedLM, SqueezeBertModel,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> sizes = dict(hidden_size=32, intermediate_size=64,
        ...              num_hidden_layers=2, num_attention_heads=4)
        >>> teacher = SqueezeBertModel(SqueezeBertConfig.preset("bert-base", **sizes))
        >>> model = SqueezeBertForMaskedLM(SqueezeBertConfig(**sizes))
        >>> start_from_teacher(model, teacher, SqueezeBertTokenizerFast()("some text"))
        >>> taught, learnt = (
        ...     encoder.embeddings.word_embeddings
        ...     for encoder in (teacher, model.transformer)
        ... )
        >>> np.array_equal(taught, learnt)
        True
    """
    encoder = model.transformer
    _check(encoder.config, teacher.config)
    numbers = matched_states(
        encoder.config.num_hidden_layers, teacher.config.num_hidden_layers
    )[1:]
    _copy(encoder.embeddings, teacher.embeddings)
    _copy(encoder.pooler, teacher.pooler)
    tokens = np.asarray(inputs["attention_mask"]) != 0  # (batch, seq)
    bias = encoder.attention_bias(inputs["attention_mask"])
    taught = hidden = encoder.embeddings(inputs["input_ids"], inputs["token_type_ids"])
    layers = iter(encoder.encoder_layers)
    for number, taught_layer in enumerate(teacher.encoder_layers, start=1):
        if number in numbers:
            layer = next(layers)
            _fit_layer(layer, taught_layer, hidden, taught, bias, tokens)
            hidden = layer(hidden, bias)
        taught = taught_layer(taught, bias)


def rows_to_start_with(
    cache: TokenCache, tokenizer: SqueezeBertTokenizerFast, recipe: PretrainingRecipe
) -> dict[str, np.ndarray]:
    """Rows of the corpus for :func:`start_from_teacher`, as the first phase has them.

    Args:
        cache: The corpus.
        tokenizer: Its tokenizer.
        recipe: Says how much of them is masked.
    """
    length = recipe.phases[0].length
    masking = Masking(tokenizer, recipe.mask_rate, recipe.whole_words, recipe.seed)
    rows = Rows(
        cache, tokenizer, length, masking, paired=False, clean_share=recipe.clean_share
    )
    ((number, found),) = rows.numbered(0, min(len(rows), _TOKENS // length))
    inputs, _ = rows.batch(number, found)
    return {name: inputs[name] for name in INPUT_NAMES}


def _check(config, taught):
    same = (
        *("hidden_size", "intermediate_size", "num_attention_heads"),
        *("vocab_size", "max_position_embeddings", "type_vocab_size"),
    )
    differ = "; ".join(
        f"{name}={getattr(config, name)} of the model, {getattr(taught, name)} of the "
        "teacher"
        for name in same
        if getattr(config, name) != getattr(taught, name)
    )
    if differ:
        raise InputError(
            f"A model starts from a teacher of its own sizes. Received: {differ}"
        )


def _copy(layer, taught):
    for variable, value in zip(layer.weights, taught.weights, strict=True):
        variable.assign(value)


def _fit_layer(layer, taught_layer, hidden, taught, bias, tokens):
    """Fits a layer that is given `hidden` to one that is given `taught`."""

    def of_tokens(*values):
        return [ops.convert_to_numpy(ops.cast(v, "float32"))[tokens] for v in values]

    # === Attention
    x, residual = of_tokens(hidden, taught)  # (tokens, hidden)
    for name in ("query", "key", "value"):
        conv = getattr(taught_layer.attention, name)
        y = residual @ ops.convert_to_numpy(_dense_kernel(conv)) + np.array(conv.bias)
        _fit(getattr(layer.attention, name), x, y)
    _copy(layer.post_attention.layer_norm, taught_layer.post_attention.layer_norm)
    taught_context = taught_layer.attention(taught, bias)
    context = layer.attention(hidden, bias)
    added = taught_layer.post_attention.conv(taught_context) + taught - hidden
    _fit(layer.post_attention.conv, *of_tokens(context, added))

    # === Feed-forward
    block, taught_block = layer.feed_forward, taught_layer.feed_forward
    attended = layer.post_attention(context, hidden)
    taught_attended = taught_layer.post_attention(taught_context, taught)
    units = taught_block.intermediate(taught_attended)
    x, y = of_tokens(attended, units)
    kernel = ops.convert_to_numpy(_dense_kernel(taught_block.output_block.conv))
    order = _unit_order(x, y, kernel, block.intermediate.groups)
    _fit(block.intermediate, x, y[:, order])
    _copy(block.output_block.layer_norm, taught_block.output_block.layer_norm)
    activation = block.activation(block.intermediate(attended))
    added = taught_block.output_block.conv(taught_block.activation(units))
    added = added + taught_attended - attended
    _fit(block.output_block.conv, *of_tokens(activation, added))


def _dense_kernel(conv):
    """The kernel (in, out) of a convolution, zeros between groups."""
    kernel = ops.convert_to_numpy(conv.kernel)[0]
    parts = np.split(kernel, conv.groups, axis=-1)
    rows = [np.pad(part, ((i * len(part), 0), (0, 0))) for i, part in enumerate(parts)]
    total = len(kernel) * conv.groups
    rows = [np.pad(part, ((0, total - len(part)), (0, 0))) for part in rows]
    return np.concatenate(rows, axis=-1)


def _fit(conv, x, y):
    """Gives a grouped convolution the least-squares fit of y (tokens, out) to x."""
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    kernel = [
        _solved(part, target)[0]
        for part, target in zip(
            np.split(x - x_mean, conv.groups, axis=-1),
            np.split(y - y_mean, conv.groups, axis=-1),
            strict=True,
        )
    ]
    conv.kernel.assign(np.concatenate(kernel, axis=-1)[None])
    conv.bias.assign(y_mean - x_mean @ ops.convert_to_numpy(_dense_kernel(conv)))


def _solved(x, y):
    """The matrix W by which x·W is next to y, and the variance that it explains."""
    covariance = x.T @ x / len(x)
    cross = x.T @ y / len(x)
    ridge = _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    solved = np.linalg.solve(covariance + ridge, cross)
    return solved, np.sum(solved * cross, axis=0)


def _unit_order(x, y, out_kernel, groups):
    """The order of units y (tokens, units) in which groups of them lose least."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    variance = y.var(axis=0)  # (units,)
    energy = np.sum(out_kernel**2, axis=1)  # (units,)
    gains = [
        _solved(part, y)[1] / variance + np.sum(outputs**2, axis=1) / energy
        for part, outputs in zip(
            np.split(x, groups, axis=-1),
            np.split(out_kernel, groups, axis=-1),
            strict=True,
        )
    ]
    places = np.repeat(np.stack(gains), y.shape[-1] // groups, axis=0)
    return linear_sum_assignment(places, maximize=True)[1]  # (units,)
