"""LiteRTTextModel: runs a .tflite that takes text."""

import os
from collections.abc import Sequence

import numpy as np
from ai_edge_litert.interpreter import InterpreterWithCustomOps
from tqdm import tqdm

from keras_squeezebert.config import CONFIG_FILE, SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.companions import companion_folder
from keras_squeezebert.tflite.graph_file import read_graph
from keras_squeezebert.tflite.signature import Signature


class LiteRTTextModel:
    """A .tflite from `export_tflite(text_input=True)`, in LiteRT.

    TensorFlow Text's operations are registered with it.

    Args:
        path: The file.
        num_threads: Threads of the interpreter.

    Attributes:
        sequence_length: Tokens that a text is cut to.
        config: The `SqueezeBertConfig` packed into the file, or that of the folder
            it lies in; None without either.

    Raises:
        InputError: No such file, or not one of these; there is no TensorFlow Text.

    Example:
        >>> import tempfile
        >>> from keras_squeezebert import (
        ...     SqueezeBertConfig,
        ...     SqueezeBertForSequenceClassification,
        ...     SqueezeBertTokenizerFast,
        ... )
        >>> from keras_squeezebert.tflite import export_tflite
        >>> config = SqueezeBertConfig(
        ...     hidden_size=32, intermediate_size=64,
        ...     num_hidden_layers=1, num_attention_heads=4,
        ... )
        >>> path = export_tflite(
        ...     SqueezeBertForSequenceClassification(config),
        ...     os.path.join(tempfile.mkdtemp(), "model.tflite"),
        ...     sequence_length=16,
        ...     tokenizer=SqueezeBertTokenizerFast(),
        ...     text_input=True,
        ... )
        >>> LiteRTTextModel(path).predict(["a short text", "another"])["logits"].shape
        (2, 2)
    """

    def __init__(self, path: str | os.PathLike, num_threads: int = 1):
        self.sequence_length = _sequence_length(path)
        self._signature = Signature(
            path,
            InterpreterWithCustomOps,
            num_threads=num_threads,
            custom_op_registerers=_text_operations(),
        )
        self.config = None
        with companion_folder(path) as folder:
            if (folder / CONFIG_FILE).is_file():
                self.config = SqueezeBertConfig.from_pretrained(folder)

    def predict(
        self, texts: Sequence[str], progress: bool = False
    ) -> dict[str, np.ndarray]:
        """Runs texts, cut to the file's sequence length.

        Args:
            texts: Strings.
            progress: Whether to show a progress bar.

        Returns:
            By name, float (texts, ...).
        """
        encoded = [text.encode(errors="replace") for text in texts]
        with tqdm(total=len(texts), disable=not progress) as bar:
            return self._signature({"text": np.array(encoded, object)}, bar)


def takes_text(path: str | os.PathLike) -> bool:
    """Whether an input of a .tflite is a tensor of strings.

    Raises:
        InputError: There is no such file, it is no .tflite, or it is damaged.
    """
    graph = read_graph(path)
    tensors = graph.subgraphs[0].tensors
    return any(tensors[number].dtype == "STRING" for number in graph.inputs.values())


def _sequence_length(path):
    graph = read_graph(path)
    tensors, ops = graph.subgraphs[0]
    rows = [op.outputs[0] for op in ops if op.name == "CUSTOM:RaggedTensorToTensor"]
    if list(graph.inputs) != ["text"] or len(rows) != 1:
        raise InputError(
            "The file must take `text` alone, as `export_tflite(text_input=True)` "
            f"makes it; LiteRTModel runs those of ids. Received: {path}, with inputs "
            f"{', '.join(graph.inputs) or 'of no names'}"
        )
    return tensors[rows[0]].shape[-1] + 2  # [CLS] and [SEP] come to the pieces


def _text_operations():
    # Imported here, as it brings TensorFlow, and has no packages for some systems.
    try:
        from tensorflow_text import tflite_registrar
    except ImportError as error:
        raise InputError(
            "A .tflite that takes text runs on TensorFlow Text's operations: "
            f"`pip install tensorflow-text`. Received: {error}"
        ) from None
    return tflite_registrar.SELECT_TFTEXT_OPS
