"""LiteRTModel: runs a .tflite file on arrays or on text."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from tqdm import tqdm

from keras_squeezebert.config import CONFIG_FILE, SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.tflite.companions import VOCABULARY_FILE, companion_folder
from keras_squeezebert.tflite.signature import Signature
from keras_squeezebert.tokenizers import SqueezeBertTokenizerFast


class LiteRTModel:
    """A .tflite file in LiteRT, addressed by the names of its inputs and outputs.

    Args:
        path: A file that `export_tflite` wrote; or several, of one model for several
            lengths, and then each row is run by the shortest that it fits in.
        num_threads: Threads of the interpreter.

    Attributes:
        input_shape: Shape of each input, (batch, seq) or (batch, choices, seq), of
            the longest file.
        config: The `SqueezeBertConfig` packed into the file, or that of the folder
            it lies in; None without either.
        tokenizer: A `SqueezeBertTokenizerFast` likewise, or None.

    Raises:
        InputError: No such file, or no .tflite with a signature; several files that
            differ in more than their length, or not in that.

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
        >>> paths = export_tflite(
        ...     SqueezeBertForSequenceClassification(config),
        ...     os.path.join(tempfile.mkdtemp(), "model.tflite"),
        ...     sequence_length=[8, 16],
        ...     tokenizer=SqueezeBertTokenizerFast(),
        ... )
        >>> LiteRTModel(paths).predict(["a short text", "another"])["logits"].shape
        (2, 2)
    """

    def __init__(
        self,
        path: str | os.PathLike | Sequence[str | os.PathLike],
        num_threads: int = 1,
    ):
        paths = [path] if isinstance(path, str | os.PathLike) else list(path)
        files = [_File(p, num_threads) for p in paths]
        self._files = sorted(files, key=lambda file: file.input_shape[-1])
        _check_differ_in_length_only(self._files)
        self.input_shape = self._files[-1].input_shape
        self.config = self.tokenizer = None
        with companion_folder(paths[-1]) as folder:
            if (folder / CONFIG_FILE).is_file():
                self.config = SqueezeBertConfig.from_pretrained(folder)
            if (folder / VOCABULARY_FILE).is_file():
                self.tokenizer = SqueezeBertTokenizerFast.from_pretrained(folder)
        self._limits = {}
        if self.config:
            self._limits = {
                "input_ids": self.config.vocab_size,
                "token_type_ids": self.config.type_vocab_size,
            }

    def __call__(
        self, inputs: Mapping[str, np.ndarray], progress: bool = False
    ) -> dict[str, np.ndarray]:
        """Runs arrays with any number of rows.

        Args:
            inputs: By name, integers (rows, ..., seq). Rows shorter than the file's
                sequence are padded; longer ones are an error.
            progress: Whether to show a progress bar.

        Returns:
            By name, float (rows, ...). What a row has for each token is as long as the
            longest file, and 0 beyond the file that it was run by.

        Raises:
            InputError: An input is missing, unknown, or does not fit.
        """
        longest = self._files[-1]
        arrays = {name: self._fitted(name, inputs) for name in longest.input_details}
        unknown = sorted(set(inputs) - set(arrays))
        if unknown or len({len(array) for array in arrays.values()}) != 1:
            raise InputError(
                f"The inputs are {', '.join(arrays)}, with as many rows each. "
                "Received: shapes "
                f"{ {name: np.shape(array) for name, array in inputs.items()} }"
            )
        rows = len(next(iter(arrays.values())))
        results = {
            name: np.zeros((rows, *details["shape"][1:]), "float32")
            for name, details in longest.output_details.items()
        }
        fitting = self._fitting_file(arrays)
        with tqdm(total=rows, disable=not progress) as bar:
            for number in np.unique(fitting):
                file, chosen = self._files[number], np.flatnonzero(fitting == number)
                length = file.input_shape[-1]
                parts = {name: x[chosen, ..., :length] for name, x in arrays.items()}
                for name, values in file(parts, bar).items():
                    inner = (slice(size) for size in values.shape[1:])
                    results[name][(chosen, *inner)] = values
        return results

    def _fitting_file(self, arrays):
        """For each row the number of the shortest file that holds its tokens."""
        if len(self._files) == 1:
            return np.zeros(len(next(iter(arrays.values()))), int)
        attended = arrays["attention_mask"] != 0
        attended = attended.any(axis=tuple(range(1, attended.ndim - 1)))  # (rows, seq)
        positions = np.arange(1, attended.shape[-1] + 1)
        lengths = (attended * positions).max(axis=-1)
        return np.searchsorted([file.input_shape[-1] for file in self._files], lengths)

    def predict(
        self,
        texts: Sequence[str],
        text_pairs: Sequence[str] | None = None,
        progress: bool = False,
    ) -> dict[str, np.ndarray]:
        """Runs texts, or pairs of texts, truncated to the file's sequence length.

        Args:
            texts: Strings.
            text_pairs: As many second texts.
            progress: Whether to show a progress bar.

        Returns:
            By name, float (texts, ...).

        Raises:
            InputError: The file has no vocabulary.
        """
        if self.tokenizer is None:
            raise InputError(
                "This .tflite holds no vocabulary, nor does its folder. Export it "
                "with export_tflite(..., tokenizer=tokenizer), or call the model on "
                "ids."
            )
        length = self.input_shape[-1]
        inputs = self.tokenizer(texts, text_pairs, length, padding="max_length")
        return self(inputs, progress)

    def _fitted(self, name, inputs):
        """The array of one input: right dtype, padded to the sequence length."""
        if name not in inputs:
            raise InputError(
                f"The input `{name}` is missing. Received: {', '.join(inputs)}"
            )
        array = np.asarray(inputs[name])
        *inner, seq = self.input_shape[1:]
        if array.dtype.kind not in "iu":
            raise InputError(
                f"`{name}` must hold integers. Received: dtype={array.dtype}"
            )
        if array.ndim != len(self.input_shape) or list(array.shape[1:-1]) != inner:
            raise InputError(
                f"`{name}` must be of shape {('rows', *inner, seq)}. "
                f"Received: {name}.shape={array.shape}"
            )
        if array.shape[-1] > seq:
            raise InputError(
                f"`{name}` is longer than the {seq} tokens the file was exported for. "
                f"Received: {array.shape[-1]} tokens"
            )
        limit = self._limits.get(name, 2**31)
        if array.size and not 0 <= array.min() <= array.max() < limit:
            raise InputError(
                f"`{name}` must be in [0, {limit}). Received: values from "
                f"{array.min()} to {array.max()}"
            )
        width = [(0, 0)] * (array.ndim - 1) + [(0, seq - array.shape[-1])]
        details = self._files[-1].input_details[name]
        return np.pad(array, width).astype(details["dtype"])


class _File(Signature):
    """One .tflite, for arrays of its own length."""

    def __init__(self, path, num_threads):
        if not os.path.isfile(path):
            raise InputError(f"No such file: {path}")
        super().__init__(path, num_threads=num_threads)
        dtypes = {details["dtype"] for details in self.input_details.values()}
        if np.bytes_ in dtypes:
            raise InputError(
                f"LiteRTTextModel runs a .tflite that takes text. Received: {path}"
            )
        shapes = {tuple(map(int, d["shape"])) for d in self.input_details.values()}
        if len(shapes) != 1:
            raise InputError(
                f"{path} is no model of this package: its inputs differ in shape. "
                f"Received: {sorted(shapes)}"
            )
        self.input_shape = shapes.pop()


def _check_differ_in_length_only(files):
    """Of files sorted by length."""
    if not files:
        raise InputError("A .tflite is needed. Received: an empty list")
    kinds = {
        (file.input_shape[:-1], *file.input_details, *file.output_details)
        for file in files
    }
    lengths = [file.input_shape[-1] for file in files]
    if len(kinds) != 1 or len({*lengths}) != len(lengths):
        raise InputError(
            "The files must be of one model for several lengths, one file for each. "
            f"Received: inputs of shapes {[file.input_shape for file in files]}"
        )
    if len(files) > 1 and "attention_mask" not in files[0].input_details:
        raise InputError(
            "Only with an input `attention_mask` can a file be chosen for each text. "
            f"Received: {', '.join(files[0].input_details)}"
        )
