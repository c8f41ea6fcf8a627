"""Assigns the weights of a checkpoint to a model, and writes them as one."""

import math
import os

import keras
import numpy as np
from safetensors.numpy import save_file

from keras_squeezebert.converters.architecture import trained_architecture
from keras_squeezebert.converters.key_table import HEADS, KeyMapping, key_table
from keras_squeezebert.converters.legacy import TIED, modern_key, why_left_out
from keras_squeezebert.converters.load_report import LoadReport
from keras_squeezebert.converters.official import official_checkpoint
from keras_squeezebert.converters.readers import StoredTensor, read_weights
from keras_squeezebert.converters.readers.weights import SAFETENSORS_FILE
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file


def save_checkpoint(
    model: keras.Model, folder: str | os.PathLike, dtype: str = "float32"
) -> None:
    """Writes `model.safetensors` under Hugging Face's keys into an existing folder.

    Args:
        model: Any SqueezeBERT model.
        folder: An existing one.
        dtype: Of the stored weights, "float32" or "float16".

    Raises:
        InputError: Another dtype, or a weight that float16 cannot hold.
    """
    if dtype not in ("float32", "float16"):
        raise InputError(
            f"Weights are stored as float32 or float16. Received: dtype={dtype!r}"
        )
    variables = {variable.path: variable for variable in model.variables}
    tensors = {
        # A copy, because safetensors stores the memory behind a transposed view.
        row.key: np.ascontiguousarray(
            row.transform(np.asarray(variables[row.variable]))
        ).astype(dtype)
        for row in key_table(type(model).__name__, model.config)
    }
    too_large = [key for key, tensor in tensors.items() if np.isinf(tensor).any()]
    if too_large:
        raise InputError(
            "Only finite weights can be stored, in float16 none above 65504. "
            f"Received: {', '.join(too_large)}"
        )
    with atomic_file(os.path.join(folder, SAFETENSORS_FILE)) as draft:
        # transformers refuses a file that does not say which framework wrote it.
        save_file(tensors, draft, metadata={"format": "pt"})


def load_checkpoint(
    model: keras.Model,
    source: str | os.PathLike,
    *,
    revision: str | None = None,
    new_head: bool = False,
    ignore_mismatched_sizes: bool = False,
) -> LoadReport:
    """Assigns the weights of a checkpoint to a model.

    Nothing is assigned unless all of it fits.

    Args:
        model: Any SqueezeBERT model.
        source: A folder with weights in any form that transformers wrote, of a
            SqueezeBERT or a BERT; or the id of one on the Hugging Face Hub.
        revision: Branch, tag or commit on the Hub.
        new_head: Whether to leave the head as it is, for labels of its own.
        ignore_mismatched_sizes: Whether weights of other shapes than the model's are
            left out, rather than an error.

    Raises:
        InputError: A file is missing or damaged, or would run code; a weight of the
            encoder is missing; a shape differs; a value is not a finite float.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertModel
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> folder = tempfile.mkdtemp()
        >>> SqueezeBertModel(config).save_pretrained(folder)
        >>> report = load_checkpoint(SqueezeBertModel(config), folder)
        >>> len(report.loaded), report.initialized, report.ignored
        (23, {}, {})
    """
    folder, tensors = read_weights(source, revision)
    stored = _by_modern_key(tensors)
    rows = _rows(model, stored)
    variables = {variable.path: variable for variable in model.variables}

    # Why the model does not take what stands under a key.
    excluded = _tied_copies(model, stored)
    if new_head:
        excluded |= dict.fromkeys(filter(_is_head, stored), "a new head was asked for")
    trained = trained_architecture(source, folder, stored)
    if _heads_alike(trained, type(model).__name__):
        excluded |= dict.fromkeys(filter(_is_head, stored), f"the head of a {trained}")
    _check_encoder(source, model.config, rows, stored)

    fitting = {}
    for key, row in rows.items():
        if key not in stored or key in excluded:
            continue
        expected = row.transform(np.empty(variables[row.variable].shape)).shape
        if ignore_mismatched_sizes and stored[key].shape != expected:
            excluded[key] = f"shape {stored[key].shape} there, {expected} here"
            continue
        stored[key].check_shape(expected)
        if row.variable in fitting:  # of two rows for a variable the later counts
            excluded[fitting[row.variable]] = f"{stored[key].key} counts instead"
        fitting[row.variable] = key
    for key in fitting.values():
        stored[key].check_values()
    report = _report(source, variables, rows, stored, fitting, excluded)

    # The file is opened anew, as what has been looked at stays in memory until it is
    # closed. The largest go first, so that they are copied while little else is there.
    del tensors, stored
    _, tensors = read_weights(folder)
    transforms = {row.variable: row.transform for row in rows.values()}
    for variable in sorted(report.loaded, key=lambda v: -math.prod(variables[v].shape)):
        tensor = tensors[report.loaded[variable]]
        variables[variable].assign(transforms[variable](tensor.read()))
    return report


def _by_modern_key(tensors: dict[str, StoredTensor]) -> dict[str, StoredTensor]:
    stored = {}
    for key, tensor in tensors.items():
        modern = modern_key(key)
        if modern in stored:
            raise InputError(
                f"{tensor.file}: two tensors are the same weight: "
                f"{stored[modern].key!r} and {key!r}"
            )
        stored[modern] = tensor
    return stored


def _rows(model, stored) -> dict[str, KeyMapping]:
    config = model.config
    is_bert = any(key.startswith("encoder.layer.") for key in stored)
    groups = {name: n for name, n in vars(config).items() if name.endswith("_groups")}
    if is_bert and set(groups.values()) != {1}:
        raise InputError(
            "These are the weights of a BERT, in which every group count is 1, as it "
            f"is where config.json says model_type 'bert'. Received: {groups}"
        )
    family = "bert" if is_bert else "squeezebert"
    table = key_table(type(model).__name__, config, family)
    return {modern_key(row.key): row for row in table}


def _tied_copies(model, stored):
    """Has each tied pair of weights stand once in `stored`; tells of the copies."""
    if not model.config.tie_word_embeddings:
        return {}
    copies = {}
    for copy, key in TIED.items():
        if copy in stored and key not in stored:
            stored[key] = stored.pop(copy)
        elif copy in stored and type(model).__name__ == "SqueezeBertForMaskedLM":
            if not np.array_equal(stored[copy].read(), stored[key].read()):
                raise InputError(
                    f"{stored[copy].file}: {stored[copy].key!r} differs from "
                    f"{stored[key].key!r}, to which the config ties it. Give "
                    "tie_word_embeddings=False to load both"
                )
            copies[copy] = f"the same as {stored[key].key}"
    return copies


def _is_head(key):
    return key.startswith(("cls.", "classifier.", "qa_outputs."))


def _heads_alike(trained, architecture):
    """Whether two classes call different heads by the same keys."""
    return trained != architecture and HEADS.get(trained) is HEADS[architecture]


def _check_encoder(source, config, rows, stored):
    missing = [
        key
        for key in rows
        if key.startswith(("embeddings.", "encoder.")) and key not in stored
    ]
    if missing:
        raise InputError(
            f"{source} lacks {len(missing)} weights of the encoder, the first is "
            f"{missing[0]!r}. Is it a SqueezeBERT of num_hidden_layers="
            f"{config.num_hidden_layers}? Received: {len(stored)} keys, "
            f"{', '.join(sorted(stored)[:3])}, …"
        )


def _report(source, variables, rows, stored, fitting, excluded):
    initialized = {}
    for key, row in rows.items():
        if row.variable not in fitting:
            why = excluded.get(key, "not in the checkpoint")
            unused = (
                "" if variables[row.variable].trainable else ", unused by this head"
            )
            initialized[row.variable] = why + unused
    official = official_checkpoint(source)
    return LoadReport(
        source=str(source),
        loaded={variable: stored[key].key for variable, key in fitting.items()},
        initialized=initialized,
        ignored={
            tensor.key: excluded.get(key) or why_left_out(key)
            for key, tensor in stored.items()
            if key not in fitting.values()
        },
        advice=f"This checkpoint is {official.purpose}." if official else "",
    )
