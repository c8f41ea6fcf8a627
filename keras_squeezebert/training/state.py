"""TrainingState: all that a training needs to go on, in one file."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import keras
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file

_ARRAYS = {"is": "arrays"}


@dataclass(kw_only=True)
class TrainingState:
    """Where a training is.

    Args:
        settings: What the training was started with, in values that JSON can hold.
        steps: How many steps are done, of all epochs.
        history: The figures of each epoch that is over.
        best_epoch: Number of the epoch with the best score; None before the first.
        best: The model's variables after that epoch.
        metrics: What the metrics have counted in the epoch that is not over.
    """

    settings: dict[str, Any]
    steps: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    best: list[np.ndarray] = field(default_factory=list, metadata=_ARRAYS)
    metrics: list[np.ndarray] = field(default_factory=list, metadata=_ARRAYS)

    def save(self, path: str | os.PathLike, model: keras.Model) -> None:
        """Writes this and every variable of the model and its optimizer.

        The seeds of dropout are among the model's. The file is whole or not there.
        """
        groups = {
            "model": values_of(model.variables),
            "optimizer": values_of(model.optimizer.variables),
            **{name: getattr(self, name) for name in _names(are_arrays=True)},
        }
        arrays = {
            f"{group}.{number}": array
            for group, of_group in groups.items()
            for number, array in enumerate(of_group)
        }
        values = {name: getattr(self, name) for name in _names(are_arrays=False)}
        with atomic_file(path) as draft:
            save_file(arrays, draft, {"training": json.dumps(values)})

    @classmethod
    def load(
        cls, path: str | os.PathLike, model: keras.Model, settings: dict[str, Any]
    ) -> "TrainingState":
        """Reads a state, and gives the model and its optimizer their variables.

        Args:
            path: What :meth:`save` wrote.
            model: A compiled model, made in the same way.
            settings: Those of the training that is to go on.

        Raises:
            InputError: The file is damaged, or of a training with other settings.
        """
        values, groups = _read(path)
        try:
            state = cls(**values, **{n: groups.pop(n, []) for n in _names(True)})
        except TypeError:
            raise _damaged(path, "other fields than a state has") from None
        _check_settings(path, state.settings, settings)
        model.optimizer.build(model.trainable_variables)
        assign(model.variables, groups.get("model", []), path)
        assign(model.optimizer.variables, groups.get("optimizer", []), path)
        return state


def values_of(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    """Copies of what variables hold."""
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in variables]


def assign(
    variables: Sequence[keras.Variable], arrays: Sequence[np.ndarray], source: Any
) -> None:
    """Gives variables the values of as many arrays.

    Raises:
        InputError: The arrays, which are from `source`, are of other variables.
    """
    shapes = [tuple(variable.shape) for variable in variables]
    if shapes != [array.shape for array in arrays]:
        raise InputError(
            f"{source} is of another model. Received: {len(arrays)} arrays for "
            f"{len(variables)} variables, or other shapes"
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _names(are_arrays):
    return [
        f.name for f in fields(TrainingState) if (f.metadata == _ARRAYS) is are_arrays
    ]


def _read(path):
    """What is not arrays, by name, and the lists of arrays, by name."""
    groups = {}
    try:
        with safe_open(path, "numpy") as file:
            values = json.loads(file.metadata()["training"])
            keys = [key.split(".") for key in file.keys()]  # noqa: SIM118
            for group, number in sorted(keys, key=lambda key: int(key[1])):
                array = file.get_tensor(f"{group}.{number}")
                groups.setdefault(group, []).append(array)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from None
    return values, groups


def _damaged(path, why):
    return InputError(
        f"{path} is damaged, or no state of a training: {why}. Remove it to train "
        "from the start"
    )


def _check_settings(path, before, now):
    differ = differing(before, now)
    if differ:
        raise InputError(
            f"{path} is of a training with other settings. Start it with those to go "
            f"on with it, or remove the file to begin anew. Received: {differ}"
        )


def differing(before: dict[str, Any], now: dict[str, Any]) -> str:
    """The settings that are others now, for people; empty if all are the same.

    Example:
        >>> differing({"epochs": 3, "seed": 0}, {"epochs": 4, "seed": 0})
        'epochs=3 then, 4 now'
    """
    return "; ".join(
        f"{name}={before.get(name)!r} then, {now.get(name)!r} now"
        for name in {**before, **now}
        if before.get(name) != now.get(name)
    )
