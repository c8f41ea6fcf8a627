"""model_outputs: what a model gives for features, in whatever form it is."""

from typing import Any

import numpy as np
from tqdm import tqdm

from keras_squeezebert.errors import InputError
from keras_squeezebert.inference import as_logits
from keras_squeezebert.lengths import length_multiple
from keras_squeezebert.tasks.features import Features
from keras_squeezebert.tasks.task import Outputs, Task


def model_outputs(
    task: Task,
    model: Any,
    features: Features,
    batch_size: int = 32,
    progress: bool = False,
) -> Outputs:
    """Runs the model on every row of the features.

    Rows of about one length run together, so that little of a batch is padding, and
    what is not needed of their outputs (`Task.condense`) is not kept.

    Args:
        task: The task that made the features.
        model: Its Keras model, a `LiteRTModel` or a `SavedModel`.
        features: The rows.
        batch_size: Rows that run together.
        progress: Whether to show a progress bar.

    Returns:
        By name, arrays (rows, ...) in the order of the features, with zeros where a row
        ran at a shorter length than the longest.

    Raises:
        InputError: The model does not take the rows.

    Example:
        >>> from keras_squeezebert import SqueezeBertConfig, SqueezeBertTokenizerFast
        >>> from keras_squeezebert.data import ChoiceExamples
        >>> from keras_squeezebert.tasks import MultipleChoice
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> task, examples = MultipleChoice(), ChoiceExamples(["she"], [["ran", "sat"]])
        >>> features = task.encode(examples, SqueezeBertTokenizerFast(), config)
        >>> model_outputs(task, task.model_class(config), features)["logits"].shape
        (1, 2)
    """
    order = np.argsort(-features.lengths, kind="stable")
    results = {}
    # Asked so, a .tflite need not wait for Keras.
    of_keras = hasattr(model, "predict_on_batch")
    multiple = length_multiple() if of_keras else 1
    for start in tqdm(range(0, len(order), batch_size), disable=not progress):
        rows = order[start : start + batch_size]
        inputs, _ = features.batch(rows, pad_to_multiple_of=multiple)
        outputs = task.condense(_run(model, of_keras, inputs), features, rows)
        for name, values in outputs.items():
            # The first batch is the longest.
            shape = (len(features), *values.shape[1:])
            result = results.setdefault(name, np.zeros(shape, values.dtype))
            result[(rows, *map(slice, values.shape[1:]))] = values
    return results


def example_outputs(
    task: Task,
    model: Any,
    examples: Any,
    features: Features,
    batch_size: int = 32,
    progress: bool = False,
) -> Outputs:
    """As :func:`model_outputs`, for models that take ids and for those that take text.

    Args:
        task: The task that made the features.
        model: What `model_outputs` takes, or a `LiteRTTextModel`.
        examples: What the features were made of.
        features: The rows.
        batch_size: Rows that run together; a `LiteRTTextModel` has its own.
        progress: Whether to show a progress bar.

    Raises:
        InputError: The model does not take the rows, or not the pairs of texts.
    """
    from keras_squeezebert.tflite import LiteRTTextModel

    if not isinstance(model, LiteRTTextModel):
        return model_outputs(task, model, features, batch_size, progress)
    if examples.text_pairs is not None:
        raise InputError(
            "A .tflite that takes text takes no pairs; export one that takes ids. "
            "Received: pairs of texts"
        )
    return _with_logits(model.predict(examples.texts, progress), model)


def _run(model, of_keras, inputs):
    """Outputs by name, float32; that of a head without names is `logits`."""
    if of_keras:
        outputs = model.predict_on_batch(inputs)
    else:
        outputs = model(_with_choices(inputs, model.input_shape))
    if not isinstance(outputs, dict):
        outputs = {"logits": outputs}
    outputs = {name: np.asarray(x, "float32") for name, x in outputs.items()}
    return _with_logits(outputs, model)


def _with_logits(outputs, model):
    if "probabilities" in outputs:  # of a .tflite that was exported so
        outputs["logits"] = as_logits(outputs.pop("probabilities"), model.config)
    return outputs


def _with_choices(inputs, shape):
    """Inputs with as many choices as a file takes; those that are added are padding."""
    if len(shape) == 2 or shape[1] is None:
        return inputs
    added = max(0, shape[1] - inputs["input_ids"].shape[1])
    return {
        name: np.pad(array, [(0, 0), (0, added), (0, 0)])
        for name, array in inputs.items()
    }
