"""data_parallel: each batch of a training shared among devices, of several processes.

It stands on JAX, whose programs are of the whole batch wherever its rows are, so that
losses, clipped gradients and dropout are those of one device.
"""

import os
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_squeezebert.errors import InputError

# What Keras itself reads to find the other processes.
_VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "KERAS_DISTRIBUTION_NUM_PROCESSES",
    "KERAS_DISTRIBUTION_PROCESS_ID",
)


def data_parallel() -> "Share":
    """Shares the batches of this process' trainings among all devices.

    Several processes, of one machine or of many, train together if each is started
    with the same program and data and with Keras' own variables in its environment:
    `KERAS_DISTRIBUTION_JOB_ADDRESSES`, the host:port of the first process, or of all
    with commas between them, `KERAS_DISTRIBUTION_NUM_PROCESSES`, and
    `KERAS_DISTRIBUTION_PROCESS_ID`, from 0. Call it before anything is computed.

    Returns:
        What of each batch is for this process; `process` 0 is the one to write results.

    Raises:
        InputError: The backend is not JAX, or a variable is missing or no number.

    Example:
        >>> data_parallel()
        Traceback (most recent call last):
        ...
        keras_squeezebert.errors.InputError: Trainings are shared among devices by ...

    Reference:
        `keras.distribution.DataParallel`. On one machine TensorFlow does it too: make
        and compile a model in `tf.distribute.MirroredStrategy().scope()`, and `fit` it.
        Keras 3 does not fit under its MultiWorkerMirroredStrategy (keras #20585).
    """
    if keras.config.backend() != "jax":
        raise InputError(
            "Trainings are shared among devices by JAX: set KERAS_BACKEND=jax. "
            f"Received: KERAS_BACKEND={keras.config.backend()}"
        )
    values = {name: os.environ.get(name) for name in _VARIABLES}
    if any(values.values()):
        _check_variables(values)
        keras.distribution.initialize()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(auto_shard_dataset=False)
    )
    return current_share()


def _check_variables(values):
    addresses, count, number = values.values()
    is_valid = (
        bool(addresses)
        and str(count).isdecimal()
        and str(number).isdecimal()
        and int(number) < int(count)
    )
    if not is_valid:
        received = ", ".join(f"{name}={value}" for name, value in values.items())
        raise InputError(
            "Processes find each other by the host:port of the first, how many there "
            f"are, and the number of this one, from 0. Received: {received}"
        )


@dataclass(frozen=True)
class Share:
    """What of each batch is for this process.

    Args:
        process: Its number, from 0.
        processes: How many there are.
        devices: Those of all processes.

    Example:
        >>> Share(process=1, processes=2, devices=4).of(np.arange(8))
        array([4, 5, 6, 7])
    """

    process: int = 0
    processes: int = 1
    devices: int = 1

    def of(self, batch: Any) -> Any:
        """The process' rows of a batch, in which all arrays have as many.

        A batch that cannot be shared evenly is for every device, whole: the mean over
        copies is that over the batch.
        """
        rows = len(keras.tree.flatten(batch)[0])
        if rows % self.devices:
            copies = self.devices // self.processes
            return keras.tree.map_structure(
                lambda array: np.concatenate([array] * copies), batch
            )
        each = rows // self.processes
        mine = slice(self.process * each, (self.process + 1) * each)
        return keras.tree.map_structure(lambda array: array[mine], batch)


def current_share(batch_size: int | None = None) -> Share:
    """The `Share` by what :func:`data_parallel` began, or else the whole.

    Args:
        batch_size: Of the batches that are to be shared.

    Raises:
        InputError: It is not a multiple of the devices; the model is under a
            distribution of another kind.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return Share()
    is_ours = isinstance(distribution, keras.distribution.DataParallel)
    if not is_ours or distribution.auto_shard_dataset:
        raise InputError(
            "Trainings are shared as `data_parallel` begins it. Received: "
            f"{type(distribution).__name__} as `keras.distribution.distribution()`"
        )
    import jax

    share = Share(
        jax.process_index(), jax.process_count(), distribution.num_model_replicas
    )
    if batch_size is not None and batch_size % share.devices:
        raise InputError(
            f"A batch is shared evenly among {share.devices} devices. Received: "
            f"batch_size={batch_size}"
        )
    return share
