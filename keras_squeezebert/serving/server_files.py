"""What TF Serving reads beside a SavedModel: its configuration and warm-up requests."""

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file
from keras_squeezebert.saved_model import EXTRA

# Where TF Serving looks for requests in the folder of a version.
WARM_UP_FILE = f"{EXTRA}/tf_serving_warmup_requests"
MODELS_FILE = "models.config"
BATCHING_FILE = "batching.config"

_NAME = re.compile(r"[\w.-]+", re.ASCII)

_MODELS = """\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
  }}
}}
"""
# Rows of several requests run together. A single one waits for others no longer than
# the timeout; a queue that is full answers UNAVAILABLE.
_BATCHING = """\
max_batch_size { value: 32 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 64 }
num_batch_threads { value: 2 }
pad_variable_length_inputs: true
"""


def model_name(folder: str | os.PathLike) -> str:
    """The name that a model has in TF Serving: that of its folder.

    Raises:
        InputError: There is something else in it than may be in an address.

    Example:
        >>> model_name("/srv/intents")
        'intents'
    """
    name = Path(folder).resolve().name
    if not _NAME.fullmatch(name):
        raise InputError(
            "The folder's name is the model's, which TF Serving wants of letters, "
            f"digits, dots, dashes and underscores. Received: {folder}"
        )
    return name


def write_server_files(folder: Path, name: str) -> None:
    """Writes how TF Serving is to load and to batch the model in a folder."""
    files = {MODELS_FILE: _MODELS.format(name=name), BATCHING_FILE: _BATCHING}
    for file, text in files.items():
        with atomic_file(folder / file) as draft:
            draft.write_text(text, encoding="utf-8")


def docker_command(folder: str | os.PathLike) -> str:
    """The command that serves the folder of all versions of a model.

    Example:
        >>> print(docker_command("/srv/intents").splitlines()[0])
        docker run --rm -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501 \\\\
    """
    folder = Path(folder).resolve()
    inside = f"/models/{folder.name}"
    return " \\\\\n    ".join(
        [
            "docker run --rm -p 127.0.0.1:8500:8500 -p 127.0.0.1:8501:8501",
            f"-v {shlex.quote(f'{folder}:{inside}:ro')} tensorflow/serving",
            f"--model_config_file={inside}/{MODELS_FILE}",
            f"--enable_batching --batching_parameters_file={inside}/{BATCHING_FILE}",
        ]
    )


def write_warm_up(
    path: Path, name: str, requests: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> None:
    """Writes requests that TF Serving runs before a version takes its first.

    Args:
        path: The file, a TFRecord of PredictionLog.
        name: The model's name.
        requests: Pairs of a signature and its inputs.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, values in inputs.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(values))
            log = prediction_log_pb2.PredictLog(request=request)
            record = prediction_log_pb2.PredictionLog(predict_log=log)
            writer.write(record.SerializeToString())
