"""prune_word_pieces: a model and its tokenizer with the pieces that a corpus uses."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keras import ops

from keras_squeezebert.converters.key_table import key_table
from keras_squeezebert.errors import InputError
from keras_squeezebert.layers.base import values_follow
from keras_squeezebert.models.pretrained_model import PretrainedModel
from keras_squeezebert.quantization.ranges import (
    activation_ranges,
    assign_ranges,
    update_weight_ranges,
)
from keras_squeezebert.tokenizers.base import TokenizerBase
from keras_squeezebert.tokenizers.pruning import count_pieces, kept_ids
from keras_squeezebert.tokenizers.tokenizer_fast import SqueezeBertTokenizerFast

# The weights that have a row for each piece.
ROWS_OF_PIECES = (
    "embeddings/word_embeddings",
    "predictions/decoder",
    "predictions/bias",
)


class PrunedModel(NamedTuple):
    """What :func:`prune_word_pieces` makes.

    Args:
        model: The model, of the same class.
        tokenizer: Its tokenizer.
        kept_share: Of all tokens of the texts, the share whose pieces are kept.
    """

    model: PretrainedModel
    tokenizer: SqueezeBertTokenizerFast
    kept_share: float


def prune_word_pieces(
    model: PretrainedModel,
    tokenizer: TokenizerBase,
    texts: Iterable[str],
    min_count: int = 1,
) -> PrunedModel:
    """A smaller model, which knows only the word pieces that the texts use.

    Single characters and the special tokens are kept as well. Text whose pieces are
    all kept has the same outputs as before, other text is spelt with smaller pieces;
    see :func:`~keras_squeezebert.tokenizers.pruning.prune_vocabulary`. Of a quantized
    model the embeddings have the range of the rows that are left: if the largest value
    goes, the others are rounded less.

    Args:
        model: Any SqueezeBERT model, quantized or not. It is left as it is.
        tokenizer: Its tokenizer, either of the two.
        texts: Texts like those that the model is to read. They are gone through once
            and need not fit into memory.
        min_count: How often the texts must use a piece for it to be kept.

    Returns:
        The model, compiled for its task with the default optimizer; the tokenizer; and
        the share of the texts' tokens that they keep.

    Raises:
        InputError: The tokenizer is not the model's; there are no words in the texts;
            `min_count` is under 1.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertForMaskedLM
        >>> model = SqueezeBertForMaskedLM(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... ))
        >>> texts = ["turn on the lights", "what time is it"]
        >>> pruned = prune_word_pieces(model, SqueezeBertTokenizerFast(), texts)
        >>> pruned.model.config.vocab_size, pruned.kept_share
        (2007, 1.0)
        >>> pruned.model.predict(pruned.tokenizer(texts), verbose=0).shape
        (2, 6, 2007)
    """
    _check_fit(model.config, tokenizer)
    counts = count_pieces(tokenizer, texts)
    if not counts:
        raise InputError("The texts must have words. Received: texts without any")
    ids = kept_ids(tokenizer, counts, min_count)
    return PrunedModel(
        model=keep_rows(model, ids),
        tokenizer=SqueezeBertTokenizerFast(
            tokenizer.convert_ids_to_tokens(ids), **vars(tokenizer.options)
        ),
        kept_share=sum(counts[index] for index in ids) / counts.total(),
    )


def keep_rows(model: PretrainedModel, ids: Sequence[int]) -> PretrainedModel:
    """A copy of a model in which piece `ids[i]` has the id `i`, and no others are left.

    Args:
        model: Any SqueezeBERT model, quantized or not.
        ids: The pieces to keep, the padding among them.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
        >>> config = SqueezeBertConfig(
        ...     vocab_size=10, pad_token_id=5, hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> small = keep_rows(SqueezeBertModel(config), [2, 5, 6]).config
        >>> small.vocab_size, small.pad_token_id
        (3, 1)
    """
    config = model.config.replace(
        vocab_size=len(ids), pad_token_id=ids.index(model.config.pad_token_id)
    )
    with values_follow():
        small = type(model).from_config(
            {**model.get_config(), "config": config.to_dict()}
        )
    values = stored_variables(model)
    for path, variable in stored_variables(small).items():
        value = values[path]
        if path in ROWS_OF_PIECES:
            value = ops.take(value, ids, axis=0)
        variable.assign(value)
    if model.scheme:
        assign_ranges(small, activation_ranges(model))
        update_weight_ranges(small)
    return small


def stored_variables(model: PretrainedModel) -> dict:
    """The variables that a checkpoint holds, by path: all but a quantizer's ranges."""
    variables = {variable.path: variable for variable in model.variables}
    rows = key_table(type(model).__name__, model.config)
    return {row.variable: variables[row.variable] for row in rows}


def _check_fit(config, tokenizer):
    if (
        tokenizer.vocab_size > config.vocab_size
        or tokenizer.pad_token_id != config.pad_token_id
    ):
        raise InputError(
            "The tokenizer is not that of the model. Expected at most "
            f"{config.vocab_size} pieces, and {config.pad_token_id} as the id of "
            f"{tokenizer.options.pad_token}. Received: {tokenizer.vocab_size} pieces, "
            f"pad_token_id={tokenizer.pad_token_id}"
        )
