"""What the server can be asked, as OpenAPI has it."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from keras_squeezebert.serving.signatures import Signature

Specs = Mapping[str, tf.TensorSpec]
Schema = dict[str, Any]

_ERRORS = {
    "400": "It is no request; the error says what was expected.",
    "404": "The server has another model, or another version of it.",
    "408": "The body took too long to arrive.",
    "413": "The body is too long.",
    "503": "Too many requests wait already; try again later.",
    "504": "The answer took too long.",
}
_ERRORS_OF_GET = ("404",)


def description_of(
    name: str,
    version: int,
    signatures: Mapping[str, Signature],
    outputs: Mapping[str, Specs],
    max_rows: int,
) -> dict[str, Any]:
    """An OpenAPI description of the server of a model.

    Args:
        name: The model's name in the addresses.
        version: Its version there.
        signatures: What it can be asked, by name.
        outputs: By the names of signatures, what they give.
        max_rows: Rows of a request.

    Reference:
        https://spec.openapis.org/oas/v3.1.0
    """
    requests = {n: _request(n, s.inputs, max_rows) for n, s in signatures.items()}
    answers = {n: _answer(specs) for n, specs in outputs.items()}
    schemas = {
        "Error": _object({"error": {"type": "string"}}),
        "Status": _object({"model_version_status": _list({"type": "object"})}),
        "Metadata": _object(
            {"model_spec": {"type": "object"}, "metadata": {"type": "object"}}
        ),
        **{f"{n}.request": schema for n, schema in requests.items()},
        **{f"{n}.answer": schema for n, schema in answers.items()},
    }
    operations = {
        "": {"get": _get("The state of the model", "Status")},
        "/metadata": {"get": _get("What the model takes and gives", "Metadata")},
        ":predict": {
            "post": _post(
                "The model's answers, by a signature",
                {"anyOf": [_reference(f"{n}.request") for n in requests]},
                {"anyOf": [_reference(f"{n}.answer") for n in answers]},
            )
        },
    }
    if "classify" in signatures:
        schemas["Classification"] = _classification()
        schemas["Examples"] = _examples(signatures["classify"].features, max_rows)
        operations[":classify"] = {
            "post": _post(
                "The scores of all labels",
                _reference("Examples"),
                _reference("Classification"),
            )
        }
    numbered = {
        "name": "version",
        "in": "path",
        "required": True,
        "schema": {"enum": [str(version)]},
    }
    paths = {}
    for suffix, operation in operations.items():
        paths[f"/v1/models/{name}{suffix}"] = operation
        paths[f"/v1/models/{name}/versions/{{version}}{suffix}"] = {
            **operation,
            "parameters": [numbered],
        }
    health = _object({"status": {"const": "ok"}})
    metrics = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": str(version),
            "description": "TensorFlow Serving's REST API of one model.",
        },
        "paths": {
            **paths,
            "/health": {
                "get": {
                    "summary": "Whether the server is there",
                    "responses": {"200": _response("It is.", _json(health))},
                }
            },
            "/metrics": {
                "get": {
                    "summary": "Figures for Prometheus",
                    "responses": {"200": _response("The figures.", metrics)},
                }
            },
        },
        "components": {"schemas": schemas},
    }


# === Operations


def _get(summary, schema):
    return {
        "summary": summary,
        "responses": {
            "200": _response("It is there.", _json(_reference(schema))),
            **_errors(_ERRORS_OF_GET),
        },
    }


def _post(summary, request, answer):
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {
            "200": _response("The answers.", _json(answer)),
            **_errors(_ERRORS),
        },
    }


def _errors(statuses):
    return {
        status: _response(_ERRORS[status], _json(_reference("Error")))
        for status in statuses
    }


def _response(description, content):
    return {"description": description, "content": content}


def _json(schema):
    return {"application/json": {"schema": schema}}


# === Messages


def _request(name, inputs, max_rows):
    """Rows or columns; where there is a single input, it needs no name."""
    values = {n: _values(spec) for n, spec in inputs.items()}
    columns = {n: _list(schema, max_rows) for n, schema in values.items()}
    row, column = _only(values), _only(columns)
    if len(inputs) == 1:
        row = {"anyOf": [row, *values.values()]}
        column = {"anyOf": [column, *columns.values()]}
    asked = {"signature_name": {"const": name}}
    optional = ["signature_name"] if name == "serving_default" else []
    return {
        "oneOf": [
            _object({"instances": _list(row, max_rows), **asked}, optional),
            _object({"inputs": column, **asked}, optional),
        ]
    }


def _answer(outputs):
    """Rows or columns, as it was asked; of a single output, without its name."""
    values = {n: _values(spec) for n, spec in outputs.items()}
    columns = {n: _list(schema, least=0) for n, schema in values.items()}
    row, column = _object(values), _object(columns)
    if len(outputs) == 1:
        (row,), (column,) = values.values(), columns.values()
    return {
        "oneOf": [
            _object({"predictions": _list(row, least=0)}),
            _object({"outputs": column}),
        ]
    }


def _examples(features, max_rows):
    example = _object({name: _values(spec) for name, spec in features.items()})
    return _object(
        {
            "examples": _list(example, max_rows),
            "context": {"type": "object", "description": "Features that all have."},
            "signature_name": {"const": "classify"},
        },
        optional=["context", "signature_name"],
    )


def _classification():
    # A label and its score.
    scored = _list({"type": ["string", "number"]}, most=2, least=2)
    return _object({"results": _list(_list(scored))})


# === Values


def _values(spec):
    """A row of a tensor, which has the rows as its first axis."""
    schema = _ITEMS[spec.dtype]
    for size in reversed(spec.shape[1:]):
        schema = _list(schema, most=size, least=size or 0)
    return schema


def _list(items, most=None, least=1):
    schema = {"type": "array", "items": items, "minItems": least}
    return schema if most is None else {**schema, "maxItems": most}


def _object(properties, optional=()):
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _only(properties):
    """An object of these properties and no others."""
    return {**_object(properties), "additionalProperties": False}


def _reference(name):
    return {"$ref": f"#/components/schemas/{name}"}


_INT32 = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_BASE64 = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_STRING = {
    "anyOf": [
        {"type": "string"},
        _only({"b64": {"type": "string", "pattern": _BASE64}}),
    ]
}
_ITEMS = {
    tf.string: _STRING,
    tf.int32: _INT32,
    tf.int64: {"type": "integer"},
    tf.float32: {"type": "number"},
}
