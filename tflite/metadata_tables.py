"""The tables of TFLite's metadata: dicts to flatbuffers, and back.

The schema is `metadata_schema.fbs` of the TFLite Support library, version 1.5.0; only
what classifiers of text have is spelt out. TensorFlow comes without it, and the package
that has it, tflite-support, does not install beside today's TensorFlow.
"""

from typing import Any

import flatbuffers
from flatbuffers import encode, number_types
from flatbuffers.table import Table

from keras_squeezebert.errors import InputError

IDENTIFIER = b"M001"
# The members of the schema's enum AssociatedFileType that are used here.
TENSOR_AXIS_LABELS = 2
VOCABULARY = 5

# Of each table its fields in the order of the schema. A field is a string, a byte,
# [floats], a table, a [vector] of them, or a (union,), which has two places; what is
# None is not needed here.
_TABLES = {
    "ModelMetadata": {
        "name": str,
        "description": str,
        "version": str,
        "subgraph_metadata": ["SubGraphMetadata"],
        "author": str,
        "license": str,
        "associated_files": ["AssociatedFile"],
        "min_parser_version": str,
    },
    "SubGraphMetadata": {
        "name": str,
        "description": str,
        "input_tensor_metadata": ["TensorMetadata"],
        "output_tensor_metadata": ["TensorMetadata"],
        "associated_files": ["AssociatedFile"],
        "input_process_units": ["ProcessUnit"],
        "output_process_units": ["ProcessUnit"],
    },
    "TensorMetadata": {
        "name": str,
        "description": str,
        "dimension_names": None,
        "content": "Content",
        "process_units": ["ProcessUnit"],
        "stats": "Stats",
        "associated_files": ["AssociatedFile"],
    },
    "Content": {"content_properties": ("ContentProperties",)},
    "FeatureProperties": {},
    "ProcessUnit": {"options": ("ProcessUnitOptions",)},
    "BertTokenizerOptions": {"vocab_file": ["AssociatedFile"]},
    "Stats": {"max": [float], "min": [float]},
    "AssociatedFile": {"name": str, "description": str, "type": int},
}
# The members of each union, numbered from 1.
_UNIONS = {
    "ContentProperties": (
        *("FeatureProperties", "ImageProperties", "BoundingBoxProperties"),
        "AudioProperties",
    ),
    "ProcessUnitOptions": (
        *("NormalizationOptions", "ScoreCalibrationOptions"),
        *("ScoreThresholdingOptions", "BertTokenizerOptions"),
        *("SentencePieceTokenizerOptions", "RegexTokenizerOptions"),
    ),
}
# Vectors of vectors that overlap would make much of a small crafted file.
_MAX_TABLES = 10_000


def to_flatbuffer(metadata: dict[str, Any]) -> bytes:
    """A flatbuffer of a dict.

    Args:
        metadata: The fields of a `ModelMetadata` by the names of the schema: strings,
            ints, lists, and dicts for tables; a union is a dict of one table by its
            name. What is absent, None or an empty string or list is left out.

    Example:
        >>> from_flatbuffer(to_flatbuffer({"name": "intents", "author": ""}))
        {'name': 'intents'}
    """
    builder = flatbuffers.Builder()
    builder.Finish(_write(builder, "ModelMetadata", metadata), IDENTIFIER)
    return bytes(builder.Output())


def from_flatbuffer(content: bytes) -> dict[str, Any]:
    """The dict of a flatbuffer; of a union's member that is unknown here, `{}`.

    Raises:
        InputError: It is no metadata, or implausibly much. What else the reader of
            flatbuffers raises on damage is that of `graph_file.flatbuffer`.
    """
    if content[4:8] != IDENTIFIER:
        raise InputError(
            f"The metadata must begin with {IDENTIFIER!r} at byte 4. Received: "
            f"{content[4:8]!r}"
        )
    position = encode.Get(number_types.UOffsetTFlags.packer_type, content, 0)
    return _Reader().table(Table(content, position), "ModelMetadata")


# === Writing


def _write(builder, table, values):
    fields = _TABLES.get(table, {})
    unknown = set(values) - set(fields)
    if unknown:
        raise KeyError(f"{table} has no field {', '.join(sorted(unknown))}")
    # Whatever a table refers to is written before it.
    places = list(_places(builder, fields, values))
    builder.StartObject(len(places))
    for slot, (write, value) in enumerate(places):
        if value is not None:
            write(slot, value, 0)
    return builder.EndObject()


def _places(builder, fields, values):
    """Of each place of a table the builder's method for it, and its value or None."""
    offset = builder.PrependUOffsetTRelativeSlot
    for name, kind in fields.items():
        value = values.get(name)
        if value is None or value in ("", []):
            yield offset, None
            if isinstance(kind, tuple):
                yield offset, None
        elif kind is int:
            yield builder.PrependInt8Slot, value
        elif kind is str:
            yield offset, builder.CreateString(value)
        elif isinstance(kind, tuple):
            ((member, contents),) = value.items()
            yield builder.PrependUint8Slot, 1 + _UNIONS[kind[0]].index(member)
            yield offset, _write(builder, member, contents)
        elif isinstance(kind, list):
            yield offset, _write_vector(builder, kind[0], value)
        else:
            yield offset, _write(builder, kind, value)


def _write_vector(builder, kind, values):
    if kind is float:
        prepend = builder.PrependFloat32
    else:
        prepend = builder.PrependUOffsetTRelative
        values = [_write(builder, kind, value) for value in values]
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        prepend(value)
    return builder.EndVector()


# === Reading


class _Reader:
    def __init__(self):
        self._tables = 0

    def table(self, table, name):
        self._tables += 1
        if self._tables > _MAX_TABLES:
            raise InputError(
                f"The metadata must be of at most {_MAX_TABLES} tables. Received: more"
            )
        values, slot = {}, 0
        for field, kind in _TABLES.get(name, {}).items():
            position = _position(table, slot)
            if isinstance(kind, tuple):
                value = self._union(table, position, _position(table, slot + 1), *kind)
            else:
                value = position and self._value(table, position, kind)
            if value is not None:
                values[field] = value
            slot += 1 + isinstance(kind, tuple)
        return values

    def _value(self, table, position, kind):
        if kind is None:
            return None
        if kind is int:
            return table.Get(number_types.Int8Flags, position)
        if kind is str:
            return table.String(position).decode(errors="replace")
        if isinstance(kind, list):
            return self._vector(table, position - table.Pos, *kind)
        return self.table(_followed(table, position), kind)

    def _union(self, table, type_position, position, union):
        if type_position is None or position is None:
            return None
        number = table.Get(number_types.Uint8Flags, type_position)
        member = _UNIONS[union][number - 1] if number else None
        return {member: self.table(_followed(table, position), member)}

    def _vector(self, table, offset, kind):
        start, count = table.Vector(offset), table.VectorLen(offset)
        positions = range(start, start + 4 * count, 4)
        if kind is float:
            return [table.Get(number_types.Float32Flags, p) for p in positions]
        return [self.table(_followed(table, p), kind) for p in positions]


def _position(table, slot):
    """Where a field lies, None if it is absent."""
    offset = table.Offset(4 + 2 * slot)
    return table.Pos + offset if offset else None


def _followed(table, position):
    return Table(table.Bytes, table.Indirect(position))
