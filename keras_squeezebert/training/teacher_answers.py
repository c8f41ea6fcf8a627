"""A teacher's answers, computed once and saved, for as many trainings as there are."""

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import atomic_file, read_json, write_json
from keras_squeezebert.models.distillation import (
    TEACHER,
    SavedAnswers,
    named_outputs,
    output_shapes,
)
from keras_squeezebert.tasks import Features
from keras_squeezebert.tasks.masked_lm import MaskedFeatures

CONTENTS = "answers.json"
_SHARD = "answers-{:05}.npz"
# What zipfile and numpy raise: RuntimeError where the archive seems to be encrypted.
_DAMAGED = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, kw_only=True, eq=False)
class AnsweredFeatures(Features):
    """Features whose inputs hold what a teacher answered, beside the model's own.

    Args:
        answers: By the names of the teacher's outputs, float16: an array (rows, ...),
            or one (tokens, ...) for each row, of its tokens without the padding.
        teacher: What a model distils from to use them.
    """

    answers: dict[str, np.ndarray | list[np.ndarray]]
    teacher: SavedAnswers

    def batch(self, rows, epoch=0, pad_to_multiple_of=1):
        inputs, labels = super().batch(rows, epoch, pad_to_multiple_of)
        seq = inputs["input_ids"].shape[-1]
        answers = {
            TEACHER + name: _padded([values[row] for row in rows], seq)
            if isinstance(values, list)
            else values[rows]
            for name, values in self.answers.items()
        }
        return {**inputs, **answers}, labels


def save_answers(
    teacher: keras.Model,
    features: Features,
    folder: str | os.PathLike,
    *,
    batch_size: int = 32,
    shard_rows: int = 4096,
    progress: bool = False,
) -> AnsweredFeatures:
    """Runs a teacher on every row of the features, and saves what it answers.

    What is in the folder already is not computed again, so that a run that was killed
    goes on where it was.

    Args:
        teacher: A Keras model with named inputs, of any outputs that a task has.
        features: The rows, which are the same in every epoch.
        folder: Made if it does not exist; for these answers alone.
        batch_size: Rows that run together.
        shard_rows: Rows of a file, between two of which nothing is lost.
        progress: Whether to show a progress bar.

    Returns:
        The features with the answers, to train on.

    Raises:
        InputError: The features are others in every epoch; the folder has the answers
            of another teacher or to other features; a file in it is damaged.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.data import TextExamples
        >>> from keras_squeezebert.tasks import SequenceClassification
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ...     id2label={0: "no", 1: "yes"},
        ... )
        >>> examples = TextExamples(["so good", "bad"], ["yes", "no"])
        >>> features = SequenceClassification().encode(
        ...     examples, SqueezeBertTokenizerFast(), config
        ... )
        >>> teacher = SqueezeBertForSequenceClassification(config)
        >>> answered = save_answers(teacher, features, tempfile.mkdtemp())
        >>> inputs, _ = answered.batch(np.array([1]))
        >>> inputs["teacher_logits"].shape, inputs["teacher_logits"].dtype
        ((1, 2), dtype('float16'))
        >>> student = SqueezeBertForSequenceClassification(config)
        >>> student.distill_from(answered.teacher)
        >>> student.compile()
        >>> _ = student.fit(*answered.batch(np.arange(2)), verbose=0)
    """
    if isinstance(features, MaskedFeatures):
        raise InputError(
            "Answers can be saved for features that stay; these have other pieces "
            "hidden in every epoch. Distil from the teacher itself. Received: "
            f"{type(features).__name__}"
        )
    for name, number in [("batch_size", batch_size), ("shard_rows", shard_rows)]:
        if number < 1:
            raise InputError(f"`{name}` must be 1 or more. Received: {name}={number}")
    contents = {
        "features": _digest_of_features(features),
        "teacher": _digest_of_teacher(teacher),
        "rows": len(features),
        "shard_rows": shard_rows,
        "outputs": {name: list(s) for name, s in output_shapes(teacher).items()},
    }
    folder = Path(folder)
    if (folder / CONTENTS).exists():
        _check_contents(folder, _read_contents(folder), contents)
    else:
        write_json(folder / CONTENTS, {**contents, "digest": _digest(contents)})
    for abandoned in folder.glob(f".*{Path(_SHARD).suffix}"):
        abandoned.unlink(missing_ok=True)
    with tqdm(total=len(features), unit=" rows", disable=not progress) as bar:
        for path, rows, digest in _shards(folder, contents):
            if not path.exists():
                answers = _answers(teacher, features, rows, batch_size)
                with atomic_file(path) as draft:
                    np.savez_compressed(draft, digest=np.array(digest), **answers)
            bar.update(len(rows))
    return load_answers(features, folder)


def load_answers(features: Features, folder: str | os.PathLike) -> AnsweredFeatures:
    """The features with the answers that `save_answers` saved for them.

    Args:
        features: Those which the teacher was given.
        folder: Where its answers are.

    Raises:
        InputError: They are answers to other features; a file is missing or damaged.
    """
    folder = Path(folder)
    contents = _read_contents(folder)
    expected = {"features": _digest_of_features(features), "rows": len(features)}
    _check_contents(folder, contents, expected)
    shapes = {name: tuple(shape) for name, shape in contents["outputs"].items()}
    shards = [
        _read_shard(path, digest, shapes)
        for path, _, digest in _shards(folder, contents)
    ]
    answers = {
        name: np.concatenate([shard[name] for shard in shards]) for name in shapes
    }
    ends = np.cumsum(features.lengths)[:-1]
    for name, shape in shapes.items():
        if _is_of_tokens(shape, features):
            answers[name] = np.split(answers[name], ends)
    return AnsweredFeatures(
        inputs=features.inputs,
        labels=features.labels,
        rows=features.rows,
        notes=features.notes,
        labels_of_tokens=features.labels_of_tokens,
        answers=answers,
        teacher=SavedAnswers(shapes),
    )


# === Answers


def _answers(teacher, features, rows, batch_size) -> dict[str, np.ndarray]:
    """What is saved of some rows: by name (rows, ...), or (tokens of all rows, ...)."""
    of_tokens = {
        name: _is_of_tokens(shape, features)
        for name, shape in output_shapes(teacher).items()
    }
    lengths = features.lengths
    found = {name: {} for name in of_tokens}
    # Rows of about one length run together, so that little of a batch is padding.
    order = rows[np.argsort(-lengths[rows], kind="stable")]
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        inputs, _ = features.batch(batch)
        outputs = named_outputs(teacher.predict_on_batch(inputs))
        for name, array in outputs.items():
            array = np.clip(array, -_LARGEST, _LARGEST).astype(np.float16)
            for row, values in zip(batch, array, strict=True):
                found[name][row] = (
                    values[: lengths[row]] if of_tokens[name] else values[None]
                )
    return {
        name: np.concatenate([values[row] for row in rows])
        for name, values in found.items()
    }


def _is_of_tokens(shape, features):
    """Whether the second axis of an output is that of the tokens, not of choices."""
    return shape[1] is None and features.inputs["input_ids"].ndim == 2


def _padded(arrays, seq):
    """Arrays (tokens, ...) of any lengths as one, (rows, seq, ...)."""
    padded = np.zeros((len(arrays), seq, *arrays[0].shape[1:]), arrays[0].dtype)
    for row, array in enumerate(arrays):
        padded[row, : len(array)] = array
    return padded


# === Files


def _shards(folder, contents) -> Iterator[tuple[Path, np.ndarray, str]]:
    """Of each file its path, its rows, and a digest of what it is to hold."""
    count, size = contents["rows"], contents["shard_rows"]
    for number, start in enumerate(range(0, count, size)):
        rows = np.arange(start, min(start + size, count))
        yield folder / _SHARD.format(number), rows, _digest([contents, number])


def _read_shard(path, digest, names) -> dict[str, np.ndarray]:
    """The arrays of a file, all of whose bytes have passed zip's checksums."""
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ("digest", *names)}
    except FileNotFoundError:
        raise InputError(
            f"{path} is missing: not all answers have been saved. Run `save_answers` "
            "again, which goes on where it was"
        ) from None
    except _DAMAGED as error:
        raise InputError(
            f"{path} is damaged: {error}. Remove it and run `save_answers` again, "
            "which computes what is missing"
        ) from None
    if arrays.pop("digest").item() != digest:
        raise InputError(
            f"{path} is of other answers than {CONTENTS} tells of. Remove it and run "
            "`save_answers` again, which computes what is missing"
        )
    return arrays


def _read_contents(folder) -> dict[str, Any]:
    contents = read_json(folder / CONTENTS)
    if contents.pop("digest", None) != _digest(contents):
        raise InputError(
            f"{folder / CONTENTS} is damaged. Remove {folder} to compute the answers "
            "anew"
        )
    return contents


def _check_contents(folder, found, expected):
    for name, value in expected.items():
        if found.get(name) != value:
            raise InputError(
                f"{folder} has answers with other {name} than these. Choose another "
                "folder, or remove this one to compute them anew. Received: "
                f"{name}={found.get(name)!r} there, {value!r} here"
            )


# === Digests


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _digest_of_features(features) -> str:
    """Of what the teacher reads: two features with one digest have one answer."""
    digest = hashlib.sha256()
    for name, array in sorted(features.inputs.items()):
        _add(digest, name, array)
    return digest.hexdigest()


def _digest_of_teacher(teacher: keras.Model) -> str:
    """Of a model's class, config and weights, not of the names that Keras counts up."""
    config: Any = getattr(teacher, "config", None)
    digest = hashlib.sha256(type(teacher).__name__.encode())
    digest.update(json.dumps(config and config.to_dict(), sort_keys=True).encode())
    for variable in teacher.weights:
        _add(digest, variable.name, keras.ops.convert_to_numpy(variable.value))
    return digest.hexdigest()


def _add(digest, name, array):
    digest.update(f"{name} {array.dtype} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).data)
