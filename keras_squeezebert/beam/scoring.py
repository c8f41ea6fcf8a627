"""ScoreFiles: JSON Lines through a model, and aside what it cannot answer."""

import json
import os
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import BytesCoder
from apache_beam.io import ReadFromTextWithFilename, WriteToText
from apache_beam.io.filesystem import BeamIOError
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.pvalue import TaggedOutput

from keras_squeezebert.beam.handler import SavedModelHandler, Unanswered
from keras_squeezebert.errors import InputError
from keras_squeezebert.json_arrays import parsed

# The counters of a run, `scored` and `not_scored`, in Beam's metrics.
NAMESPACE = "squeezebert"

_REJECTED = "rejected"
_SUFFIX = ".jsonl"
# More than data have, and less than what json and pickle can follow.
_MAX_DEPTH = 64


class ScoreFiles(beam.PTransform):
    """Reads JSON Lines, scores them, and writes them with their answers.

    Files appear at their names when they are whole. Lines keep no order.

    Args:
        handler: The model.
        pattern: Names of the files to read, `*` and `?` in them, on any of Beam's file
            systems. Of compressed ones (`.gz`, `.bz2`, `.zst`) the suffix tells; of one
            that is cut off Beam reads what there is, and does not tell.
        output: What the names of the files of scored lines begin with; they end in
            `-00000-of-00001.jsonl` and so on.
        errors: The same, for the other lines. Without any there is no such file.
        field: As of :class:`ScoreLines`.

    Raises:
        InputError: No file is there to be read, files are there already that begin
            with `output` or `errors`, or these are the same.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
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
        >>> folder = Path(tempfile.mkdtemp())
        >>> model = export_saved_model(model, folder / "m", SqueezeBertTokenizerFast())
        >>> lines = folder / "lines.jsonl"
        >>> _ = lines.write_text('{"id": 1, "text": "sure"}\\n{"id": 2}\\n')
        >>> with beam.Pipeline(FnApiRunner()) as pipeline:
        ...     _ = pipeline | ScoreFiles(
        ...         SavedModelHandler(model), lines, folder / "out", folder / "errors"
        ...     )
        >>> (out,) = folder.glob("out-*")
        >>> list(json.loads(out.read_text()))
        ['id', 'text', 'prediction']
        >>> (errors,) = folder.glob("errors-*")
        >>> json.loads(errors.read_text())["reason"]
        'The inputs are text. Received: id'
    """

    def __init__(
        self,
        handler: SavedModelHandler,
        pattern: str | os.PathLike,
        output: str | os.PathLike,
        errors: str | os.PathLike,
        field: str = "prediction",
    ):
        super().__init__()
        self._pattern = _with_folder(pattern)
        self._output, self._errors = _with_folder(output), _with_folder(errors)
        self._score = ScoreLines(handler, field)
        self._check_files()

    def _check_files(self):
        if not _files(self._pattern):
            raise InputError(
                f"There must be files to read. Received: {self._pattern}, which none is"
            )
        if self._output == self._errors:
            raise InputError(
                "Scored lines and errors must go to files of other names. Received: "
                f"{self._output} for both"
            )
        for prefix in (self._output, self._errors):
            there = _files(f"{prefix}-*-of-*{_SUFFIX}")
            if there:
                raise InputError(
                    "Files of another run must be moved away, or these be given other "
                    f"names. Received: {prefix}, with {there[0]}"
                )

    def expand(self, pipeline):
        scored, errors = (
            pipeline
            | ReadFromTextWithFilename(self._pattern, coder=BytesCoder())
            | self._score
        )
        scored | "WriteScored" >> _written(self._output)
        errors | "WriteErrors" >> _written(self._errors, skip_if_empty=True)


class ScoreLines(beam.PTransform):
    """Scores lines of JSON, for pipelines with sources and sinks of their own.

    Takes pairs of where a line is from, str, and the line, bytes; :class:`ScoreFiles`
    shows it at work. Gives two collections of lines of JSON, as bytes: the ones scored,
    as they came and with the answer in a field more; and the others, each an object of
    `source`, `line` and `reason`. The bytes of a line that are not UTF-8 are spelt
    `\\xff` there.

    Args:
        handler: The model.
        field: The field that the answer goes to.
    """

    def __init__(self, handler: SavedModelHandler, field: str = "prediction"):
        super().__init__()
        self._handler, self._field = handler, field

    def expand(self, lines):
        records, malformed = lines | beam.ParDo(_Parse(self._field)).with_outputs(
            _REJECTED, main="records"
        )
        scored, unanswered = (
            records
            | RunInference(KeyedModelHandler(self._handler))
            | beam.ParDo(_Answer(self._field)).with_outputs(_REJECTED, main="scored")
        )
        errors = (malformed, unanswered) | beam.Flatten() | beam.ParDo(_Error())
        return scored, errors


class Line(NamedTuple):
    """A line and where it is from."""

    source: str
    text: bytes


class _Parse(beam.DoFn):
    """Lines to pairs of a line and the fields in it."""

    def __init__(self, field):
        self._field = field

    def process(self, element: tuple[str, bytes]):
        line = Line(*element)
        try:
            fields = self._fields(line.text)
        except InputError as error:
            yield TaggedOutput(_REJECTED, (line, str(error)))
        else:
            yield line, fields

    def _fields(self, text):
        try:
            fields = parsed(text.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            raise InputError(
                f"It must be UTF-8. Received: byte 0x{text[error.start]:02x} "
                f"({error.reason})"
            ) from None
        if self._field in fields:
            raise InputError(
                f"The answer's field must not be there yet. Received: {self._field}"
            )
        if not _is_shallow(fields):
            raise InputError(f"It must not be more than {_MAX_DEPTH} deep.")
        _json(fields)  # What could not be written, runners could not pass on, either.
        return fields


class _Answer(beam.DoFn):
    """Pairs of a line and the model's result to lines of JSON."""

    def __init__(self, field):
        self._field = field
        self._scored = Metrics.counter(NAMESPACE, "scored")

    def process(self, element: tuple[Line, Any]):
        line, result = element
        answer = result.inference
        try:
            if isinstance(answer, Unanswered):
                raise InputError(answer.reason)
            text = _json({**result.example, self._field: answer})
        except InputError as error:
            yield TaggedOutput(_REJECTED, (line, str(error)))
        else:
            self._scored.inc()
            yield text


class _Error(beam.DoFn):
    """Pairs of a line and why it has no answer to lines of JSON."""

    def __init__(self):
        self._not_scored = Metrics.counter(NAMESPACE, "not_scored")

    def process(self, element: tuple[Line, str]):
        line, reason = element
        self._not_scored.inc()
        text = line.text.decode("utf-8", "backslashreplace")
        yield _json({"source": line.source, "line": text, "reason": reason})


def _json(values):
    """Values as a line of JSON, in UTF-8."""
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False)
        return text.encode()
    # Python's NaN and Infinity, and a lone surrogate, which JSON can spell.
    except ValueError as error:
        raise InputError(f"JSON in UTF-8 cannot hold it: {error}") from None


def _is_shallow(values):
    level = [values]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return not level


def _written(prefix, **settings):
    return WriteToText(prefix, _SUFFIX, coder=BytesCoder(), **settings)


def _with_folder(path):
    """A path that Beam finds in the working directory, too."""
    path = str(path)
    return path if os.path.dirname(path) else os.path.join(".", path)


def _files(pattern):
    """The names of the files that a pattern fits."""
    try:
        (found,) = FileSystems.match([pattern])
    # ValueError: a file system that Beam does not know, or that is not installed.
    except (ValueError, BeamIOError) as error:
        raise InputError(
            f"Beam must be able to look for the files. Received: {pattern} ({error})"
        ) from None
    return [file.path for file in found.metadata_list]
