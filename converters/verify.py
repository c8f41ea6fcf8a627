"""verify_conversion: transformers' outputs beside ours, on the same random input."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.converters.readers.torch_file import import_torch
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json

# Of the largest value of an output: float32 sums in another order differ by less.
TOLERANCE = 1e-4

ROWS, LONGEST = 4, 64


class Difference(NamedTuple):
    """How far one output is from that of `transformers`.

    Args:
        from_source: Largest absolute difference from the model that `transformers`
            reads from the source; None if it cannot read all of it.
        from_result: The same for the converted folder.
        largest_value: Largest absolute value of the output.
    """

    from_source: float | None
    from_result: float
    largest_value: float


class VerificationError(Exception):
    """The outputs of a converted model are not those of the original."""


def verify_conversion(
    model: keras.Model, source: Path, result: Path
) -> dict[str, Difference]:
    """Compares a model with what `transformers` reads from two folders.

    Args:
        model: Any SqueezeBERT model.
        source: The folder it was read from, of a SqueezeBERT or a BERT.
        result: The folder it was written to.

    Returns:
        By the names of the outputs, and `hidden_states` and `attentions`.

    Raises:
        InputError: PyTorch or transformers is not installed.
        VerificationError: A difference exceeds 1e-4 of the output's largest value.
    """
    inputs = _random_inputs(model)
    ours = dict(_our_outputs(model, inputs))
    originals = [_their_outputs(folder, model, inputs) for folder in (source, result)]
    if originals[1] is None:
        raise VerificationError(
            "transformers finds weights missing in the converted folder."
        )
    differences = {}
    for name, value in ours.items():
        from_source, from_result = (
            float(np.abs(value - outputs[name]).max()) if outputs else None
            for outputs in originals
        )
        difference = Difference(from_source, from_result, float(np.abs(value).max()))
        largest = max(from_source or 0.0, from_result)
        # Written so that NaN fails.
        if not largest <= TOLERANCE * max(1.0, difference.largest_value):
            raise VerificationError(
                f"{name!r} is not what transformers computes. Largest difference: "
                f"{largest:.2g}, largest value: {difference.largest_value:.2g}"
            )
        differences[name] = difference
    return differences


def _random_inputs(model):
    """Ragged rows with both token types; choices of texts for multiple choice."""
    config = model.config
    rng = np.random.default_rng(0)
    seq = min(LONGEST, config.max_position_embeddings)
    lengths = np.linspace(seq, min(2, seq), ROWS).astype(int)
    positions = np.arange(seq)[np.newaxis]
    inputs = {
        "input_ids": rng.integers(config.vocab_size, size=(ROWS, seq)),
        "attention_mask": positions < lengths[:, np.newaxis],
        "token_type_ids": (positions > lengths[:, np.newaxis] // 2)
        & (config.type_vocab_size > 1),
    }
    has_choices = len(model.inputs[0].shape) == 3
    shape = (ROWS // 2, 2, seq) if has_choices else (ROWS, seq)
    return {name: x.astype(np.int32).reshape(shape) for name, x in inputs.items()}


def _our_outputs(model, inputs) -> Iterator[tuple[str, np.ndarray]]:
    outputs = model(inputs, training=False)
    if not isinstance(outputs, dict):
        outputs = {"logits": outputs}
    seq = inputs["input_ids"].shape[-1]
    flat = {name: x.reshape(-1, seq) for name, x in inputs.items()}
    base = getattr(model, "transformer", model)
    for name, value in {**outputs, **base.intermediate_outputs(flat)}.items():
        yield name, np.stack([np.asarray(part) for part in value])


def _their_outputs(folder, model, inputs):
    """By name, arrays; None where weights are missing for the model's class."""
    torch = import_torch()
    try:
        import transformers
    except ImportError:
        raise InputError(
            "transformers is needed to verify. Install it with "
            "`pip install keras-squeezebert[torch]`"
        ) from None

    is_bert = read_json(folder / CONFIG_FILE)["model_type"] == "bert"
    architecture = type(model).__name__
    if is_bert:
        architecture = architecture.removeprefix("Squeeze")
    with _quiet(transformers):
        original, info = getattr(transformers, architecture).from_pretrained(
            folder,
            output_loading_info=True,
            dtype=torch.float32,
            attn_implementation="eager",  # the one that gives attentions
        )
    if any(info.values()):
        return None
    with torch.no_grad():
        outputs = original.eval()(
            **{name: torch.tensor(x, dtype=torch.long) for name, x in inputs.items()},
            output_hidden_states=True,
            output_attentions=True,
        )
    arrays = {
        name: torch.stack(tuple(value)).numpy()
        for name, value in outputs.items()
        if len(value)  # an encoder has no cross attentions
    }
    if not is_bert:  # a SqueezeBERT's are those before the softmax
        scores = torch.tensor(arrays["attentions"])
        arrays["attentions"] = torch.softmax(scores, dim=-1).numpy()
    return arrays


@contextlib.contextmanager
def _quiet(transformers):
    """What it would say of the load is in the report, and the bar is soon over."""
    verbosity = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if bars:
            transformers.logging.enable_progress_bar()
