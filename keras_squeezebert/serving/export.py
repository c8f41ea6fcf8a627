"""export_saved_model: a versioned SavedModel that takes raw text, for TF Serving."""

import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import new_folder
from keras_squeezebert.models.pretrained_model import PretrainedModel
from keras_squeezebert.saved_model import EXTRA, VERSION
from keras_squeezebert.serving.server_files import (
    WARM_UP_FILE,
    model_name,
    write_server_files,
    write_warm_up,
)
from keras_squeezebert.serving.signatures import signatures, text_head
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast

_CLASSIFY = "tensorflow/serving/classify"


def export_saved_model(
    model: PretrainedModel,
    folder: str | os.PathLike,
    tokenizer: SqueezeBertTokenizerFast,
    *,
    version: int | None = None,
    max_length: int | None = None,
    **options,
) -> Path:
    """Writes a model of any head as a SavedModel that TF Serving loads as it is.

    It takes strings and gives answers, and what it is asked runs in the graph, from the
    normalising of the text to the answer's place in it: no Python is needed to serve.
    :func:`signatures` has all that it can be asked. Texts of a batch are padded to the
    longest of them, and any number of rows is taken.

    `folder` is that of all versions. In it stand `models.config` and `batching.config`
    for TF Serving; in the version, under `assets.extra`, the requests that warm it up
    and the model's config and vocabulary, with which `squeezebert evaluate` and
    `squeezebert predict` take it too.

    Args:
        model: A model with a head. One that was made `quantize_aware` is written with
            its int8 simulated.
        folder: Where versions lie; made if it does not exist. Its name is the model's.
        tokenizer: The model's tokenizer.
        version: The version's number; None is one more than the greatest there is.
        max_length: Tokens of the longest row; None is what the model takes, or for
            question answering 384 at most. What of a text goes beyond is cut off; a
            context and a text of which all words are tagged become several rows.
        **options: Of the head: `pairs=True` for a sequence classifier of two texts,
            `top` of a masked language model, `task` of question answering.

    Returns:
        The folder of the version.

    Raises:
        InputError: The model has no head, the version is there already, or a number or
            the folder's name is not one that TF Serving can have.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ... )
        >>> model = SqueezeBertForSequenceClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ...     id2label={0: "no", 1: "yes"},
        ... ))
        >>> folder = Path(tempfile.mkdtemp(), "answers")
        >>> version = export_saved_model(model, folder, SqueezeBertTokenizerFast())
        >>> version.relative_to(folder)
        PosixPath('1')
        >>> served = tf.saved_model.load(version).signatures["serving_default"]
        >>> answers = served(text=tf.constant(["sure", "of course not"]))
        >>> {name: tuple(tensor.shape) for name, tensor in sorted(answers.items())}
        {'label': (2,), 'score': (2,), 'scores': (2, 2)}
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "A SavedModel is written by Keras' TensorFlow backend. Start again with "
            "KERAS_BACKEND=tensorflow, which loads the same weights. Received: "
            f"KERAS_BACKEND={keras.backend.backend()}"
        )
    folder = Path(folder)
    name = model_name(folder)
    path = folder / str(_checked_version(folder, version))
    head = text_head(model, tokenizer, max_length, **options)
    with new_folder(path) as draft:
        _write(head, draft)
        write_warm_up(draft / WARM_UP_FILE, name, _warm_up_requests(head))
        model.config.save(draft / EXTRA, architecture=type(model).__name__)
        tokenizer.save_pretrained(draft / EXTRA)
    write_server_files(folder, name)
    return path


def _checked_version(folder, version):
    if version is None:
        there = folder.iterdir() if folder.is_dir() else ()
        return 1 + max(
            (int(path.name) for path in there if VERSION.fullmatch(path.name)),
            default=0,
        )
    # TF Serving counts versions in 64 bits.
    if not 0 <= version < 2**63:
        raise InputError(
            f"`version` must be in [0, 2**63). Received: version={version}"
        )
    return version


def _write(head, folder):
    archive = keras.export.ExportArchive()
    archive.track(head.model)
    archive.track(head.tokenizer)
    found = signatures(head)
    for name, signature in found.items():
        function = tf.function(signature.function, autograph=False)
        function.get_concrete_function(**signature.inputs)
        archive.add_endpoint(name, function)
    archive.write_out(folder, verbose=False)
    if "classify" in found:
        # What `tf.saved_model.save` never writes, and TF Serving's Classify asks for.
        updater = tf.compat.v1.saved_model.signature_def_utils.MethodNameUpdater(
            str(folder)
        )
        updater.replace_method_name("classify", _CLASSIFY)
        updater.save()


def _warm_up_requests(head):
    """Short and long rows, one and many."""
    for rows in (1, 8):
        for words in (4, head.tokenizer.max_length):
            text = " ".join(["word"] * words)
            yield (
                "serving_default",
                {
                    name: np.full([rows] + [2] * (len(spec.shape) - 1), text.encode())
                    for name, spec in head.inputs.items()
                },
            )
