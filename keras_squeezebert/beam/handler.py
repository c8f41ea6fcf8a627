"""SavedModelHandler: a served model in Beam's RunInference."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from keras_squeezebert.errors import InputError
from keras_squeezebert.json_arrays import (
    Arrays,
    array_of,
    joined,
    shortened,
    values_of,
)
from keras_squeezebert.saved_model import newest_version, read_signatures

_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Unanswered:
    """Takes the place of an answer to what the model cannot take.

    Args:
        reason: Why there is none.
    """

    reason: str


class SavedModelHandler(ModelHandler[Mapping[str, Any], PredictionResult, Any]):
    """What `squeezebert export --format saved-model` writes, for `RunInference`.

    Takes dicts that have, among others, the inputs of the signature `serving_default`
    by their names. Gives for each a `PredictionResult`, whose `inference` is a dict of
    the signature's outputs as JSON has them, or :class:`Unanswered`. A row is answered
    as if it were alone: what fills it up to the others of its batch is cut off. What
    the model cannot take, or fails at, costs no other row its answer.

    The files are looked at where the pipeline is made, for the names of inputs, and
    loaded once in each process that runs it.

    Args:
        folder: The folder of a version, or that of all versions, of which the newest
            is taken. It may be anywhere that TensorFlow reads, `gs://` for example.
        batch_size: Rows that run together.
        **settings: Of Beam's `ModelHandler`; `large_model=True` has the processes of
            a machine share one model.

    Raises:
        InputError: There is no SavedModel there, or it takes no strings.

    Example:
        >>> import tempfile
        >>> import apache_beam as beam
        >>> from apache_beam.ml.inference.base import RunInference
        >>> from apache_beam.runners.portability.fn_api_runner import FnApiRunner
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.serving import export_saved_model
        >>> model = SqueezeBertForSequenceClassification(SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... ))
        >>> folder = os.path.join(tempfile.mkdtemp(), "answers")
        >>> _ = export_saved_model(model, folder, SqueezeBertTokenizerFast())
        >>> with beam.Pipeline(FnApiRunner()) as pipeline:
        ...     results = (
        ...         pipeline
        ...         | beam.Create([{"text": "sure"}])
        ...         | RunInference(SavedModelHandler(folder))
        ...         | beam.Map(lambda result: print(*sorted(result.inference)))
        ...     )
        label score scores

    Reference:
        https://beam.apache.org/documentation/ml/about-ml/
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        batch_size: int = 32,
        **settings: Any,
    ):
        super().__init__(
            min_batch_size=batch_size, max_batch_size=batch_size, **settings
        )
        self._folder = newest_version(folder)
        signature = read_signatures(self._folder).get(_SIGNATURE)
        if signature is None or any(
            spec.dtype != "string" for spec in signature.inputs.values()
        ):
            raise InputError(
                f"A SavedModel must take strings by its signature {_SIGNATURE}, as "
                "`squeezebert export --format saved-model` writes it. Received: "
                f"{self._folder}"
            )
        self._inputs = signature.inputs
        self._outputs = tuple(signature.outputs)
        # Outputs with as many items in a row as its text, or its batch, demands.
        self._lists = [
            name
            for name, spec in signature.outputs.items()
            if len(spec.shape) > 1 and spec.shape[1] is None
        ]

    def load_model(self) -> "_Loaded":
        return _Loaded(self._folder)

    def run_inference(
        self,
        batch: Sequence[Mapping[str, Any]],
        model: "_Loaded",
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[PredictionResult]:
        rows = [self._row(example) for example in batch]
        asked = [row for row in rows if not isinstance(row, Unanswered)]
        answers = iter(self._answers(asked, model) if asked else ())
        return [
            PredictionResult(
                example,
                row if isinstance(row, Unanswered) else next(answers),
                self._folder,
            )
            for example, row in zip(batch, rows, strict=True)
        ]

    # === What is asked

    def _row(self, example):
        """The arrays of an example, of one row, or why there are none."""
        try:
            missing = [name for name in self._inputs if name not in example]
            if missing:
                raise InputError(
                    f"The inputs are {', '.join(self._inputs)}. Received: "
                    f"{', '.join(map(shortened, example)) or 'none'}"
                )
            row = {
                name: array_of(name, [example[name]], spec)
                for name, spec in self._inputs.items()
            }
            for name, array in row.items():
                # Empty strings are what shorter lists are filled up with.
                if array.ndim > 1 and not np.any(array != b""):
                    raise InputError(
                        f"`{name}` must hold a string that is not empty. Received: "
                        f"{shortened(example[name])}"
                    )
        except InputError as error:
            return Unanswered(str(error))
        return row

    # === What is answered

    def _answers(self, rows, model):
        """The answer to each row: together or, if that fails, one by one."""
        import tensorflow as tf

        try:
            outputs = model(joined(rows))
        except tf.errors.OpError as error:
            if len(rows) == 1:
                reason = " ".join(error.message.split())[:500]
                return [Unanswered(f"The model fails: {reason}")]
            return [answer for row in rows for answer in self._answers([row], model)]
        return [
            self._answer(row, {name: x[[place]] for name, x in outputs.items()})
            for place, row in enumerate(rows)
        ]

    def _answer(self, row, outputs):
        """One row of outputs as JSON has it, without what it was filled up with."""
        width = self._width(row, outputs)
        outputs = outputs | {n: outputs[n][:, :width] for n in self._lists}
        return {name: values_of(outputs[name])[0] for name in self._outputs}

    def _width(self, row, outputs):
        """How many items of a list are the row's own; None if nothing tells it."""
        for name, spec in self._inputs.items():
            if len(spec.shape) > 1:  # for each of them one
                return row[name].shape[1]
        # No item's strings are all empty.
        counts = [
            np.any(x != b"", axis=tuple(range(2, x.ndim))).sum()
            for x in map(outputs.get, self._lists)
            if x.dtype == object
        ]
        return max(counts, default=None)


class _Loaded:
    """The signature of a SavedModel on arrays, which processes can share."""

    def __init__(self, folder):
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  its ops

        # The variables live as long as what was loaded.
        self._loaded = tf.saved_model.load(folder)
        self._run = self._loaded.signatures[_SIGNATURE]

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        import tensorflow as tf

        outputs = self._run(**{n: tf.constant(x, "string") for n, x in inputs.items()})
        return {name: value.numpy() for name, value in outputs.items()}
