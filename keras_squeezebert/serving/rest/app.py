"""rest_app: TF Serving's REST API of one model, for a developer's desk."""

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import tensorflow as tf
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keras_squeezebert.errors import InputError
from keras_squeezebert.json_arrays import parsed
from keras_squeezebert.serving.rest.batcher import Batcher, Overloaded
from keras_squeezebert.serving.rest.description import description_of
from keras_squeezebert.serving.rest.messages import (
    answers_of,
    as_examples,
    classes_of,
    definition_of,
    examples_of,
    inputs_of,
    rows_of,
)
from keras_squeezebert.serving.signatures import Signature

_MODEL = "/v1/models/{name}"
_VERSION = "/versions/{version}"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may be, and how long it may take.

    Args:
        body_bytes: Size of its body.
        held_bytes: Size of the bodies of all requests that are not answered yet.
        rows: Rows in it; also of a batch that is made of several.
        waiting: Requests that may wait for the model.
        body_seconds: Time for its body to arrive.
        answer_seconds: Time from then to its answer.
    """

    body_bytes: int = 4 * 2**20
    held_bytes: int = 256 * 2**20
    rows: int = 256
    waiting: int = 256
    body_seconds: float = 10.0
    answer_seconds: float = 60.0


def rest_app(
    signatures: Mapping[str, Signature],
    name: str,
    version: int = 1,
    limits: Limits | None = None,
) -> Starlette:
    """An ASGI application that answers as TF Serving does for one version of a model.

    `POST /v1/models/NAME:predict` and `:classify`, `GET /v1/models/NAME` and
    `/v1/models/NAME/metadata`, each also with `/versions/VERSION` after the name;
    `GET /health`, `GET /metrics`, for Prometheus, and `GET /openapi.json`, which
    describes all of these to programs. Requests that wait run together. Errors are
    `{"error": …}`: 400 for what is no request, 404 for another model or version, 408
    and 413 for bodies that are too slow or too long, 503 where too many wait, 504 where
    the answer takes too long.

    Args:
        signatures: As :func:`~keras_squeezebert.serving.signatures.signatures` gives
            them.
        name: The model's name in the addresses.
        version: Its version there.
        limits: Of requests.

    Reference:
        https://www.tensorflow.org/tfx/serving/api_rest
    """
    served = _Served(signatures, name, version, limits or Limits())
    routes = [
        Route("/health", served.health),
        Route("/metrics", served.metrics),
        Route("/openapi.json", served.openapi),
    ]
    for path in (_MODEL, _MODEL + _VERSION):
        routes += [
            Route(path + ":predict", served.predict, methods=["POST"]),
            Route(path + ":predict", _only_post),
            Route(path + ":classify", served.classify, methods=["POST"]),
            Route(path + ":classify", _only_post),
            Route(path + "/metadata", served.metadata),
            Route(path, served.status),
        ]
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _error},
        lifespan=served.lifespan,
    )


class _Served:
    """The handlers of one model."""

    def __init__(self, signatures, name, version, limits):
        self.signatures = signatures
        self.name, self.version, self.limits = name, version, limits
        # Of any shape, before the first request.
        self.functions = {
            name: tf.function(
                signature.function, autograph=False
            ).get_concrete_function(**signature.inputs)
            for name, signature in signatures.items()
        }
        outputs = {n: f.structured_outputs for n, f in self.functions.items()}
        self.definitions = {
            n: definition_of(s.inputs, outputs[n]) for n, s in signatures.items()
        }
        self.description = description_of(
            name, version, signatures, outputs, limits.rows
        )
        self.held_bytes = 0
        self.batchers = {}
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "squeezebert_requests",
            "Requests by what was asked and how they ended.",
            ["method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "squeezebert_request_seconds",
            "Seconds from a request's last byte to its answer.",
            ["method"],
            registry=self.registry,
            buckets=[2**n / 1000 for n in range(15)],
        )
        self.batch_rows = Histogram(
            "squeezebert_batch_rows",
            "Rows that ran together.",
            registry=self.registry,
            buckets=[2**n for n in range(10)],
        )

    @contextlib.asynccontextmanager
    async def lifespan(self, app):
        for name, function in self.functions.items():
            run = self._runner(function, self.signatures[name].inputs)
            self.batchers[name] = Batcher(run, self.limits.rows, self.limits.waiting)
        yield
        for batcher in self.batchers.values():
            await batcher.close()

    def _runner(self, function, specs):
        def run(inputs):
            self.batch_rows.observe(len(next(iter(inputs.values()))))
            tensors = {n: tf.constant(x, specs[n].dtype) for n, x in inputs.items()}
            try:
                outputs = function(**tensors)
            except UnicodeDecodeError:
                # Of TensorFlow's own error, which quotes the bytes.
                raise InputError("The model can make nothing of the bytes.") from None
            return {name: x.numpy() for name, x in outputs.items()}

        return run

    # === What is asked

    async def predict(self, request: Request) -> Response:
        async def answer(message, signature_name, signature):
            inputs = inputs_of(message, signature.inputs)
            outputs = await self._run(signature_name, inputs)
            return answers_of(outputs, as_rows="instances" in message)

        return await self._answered(request, "predict", "serving_default", answer)

    async def classify(self, request: Request) -> Response:
        async def answer(message, signature_name, signature):
            if signature.features is None:
                raise InputError(
                    f"The signature {signature_name} does not classify. Received: "
                    f"signature_name={signature_name}"
                )
            texts = examples_of(message, signature.features)
            return classes_of(await self._run(signature_name, as_examples(texts)))

        return await self._answered(request, "classify", "classify", answer)

    async def status(self, request: Request) -> Response:
        self._check_address(request)
        state = {
            "version": str(self.version),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return JSONResponse({"model_version_status": [state]})

    async def metadata(self, request: Request) -> Response:
        self._check_address(request)
        spec = {"name": self.name, "signature_name": "", "version": str(self.version)}
        found = {"signature_def": {"signature_def": self.definitions}}
        return JSONResponse({"model_spec": spec, "metadata": found})

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def metrics(self, request: Request) -> Response:
        return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)

    async def openapi(self, request: Request) -> Response:
        return JSONResponse(self.description)

    # === How it is answered

    async def _answered(self, request, method, default, answer):
        status, body = HTTPStatus.INTERNAL_SERVER_ERROR, bytearray()
        try:
            self._check_address(request)
            await self._receive(request, body)
            begun = time.monotonic()
            message = parsed(body)
            rows = rows_of(message)
            if rows > self.limits.rows:
                raise InputError(
                    f"A request may have {self.limits.rows} rows. Received: {rows}"
                )
            name = message.get("signature_name", default)
            if name not in tuple(self.signatures):  # which may be of any type
                raise InputError(
                    f"The signatures are {', '.join(self.signatures)}. Received: "
                    f"signature_name={json.dumps(name)[:80]}"
                )
            values = await answer(message, name, self.signatures[name])
            self.seconds.labels(method).observe(time.monotonic() - begun)
            status = HTTPStatus.OK
            return JSONResponse(values)
        except (InputError, tf.errors.InvalidArgumentError) as error:
            status = HTTPStatus.BAD_REQUEST
            raise HTTPException(status, _reason(error)) from None
        except Overloaded as error:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            raise HTTPException(status, str(error), {"Retry-After": "1"}) from None
        except HTTPException as error:
            status = HTTPStatus(error.status_code)
            raise
        finally:
            self.held_bytes -= len(body)
            self.requests.labels(method, str(status.value)).inc()

    def _check_address(self, request):
        name = request.path_params["name"]
        version = request.path_params.get("version", str(self.version))
        if (name, version) != (self.name, str(self.version)):
            raise HTTPException(
                HTTPStatus.NOT_FOUND,
                f"The model is {self.name}, version {self.version}. Received: "
                f"{name[:80]}, version {version[:80]}",
            )

    async def _receive(self, request, body):
        """Appends all parts of a request's body, unless it is too long or too slow."""
        size, limit = 0, self.limits.body_bytes
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                async for part in request.stream():
                    size += len(part)
                    # What is too much is read, or its sender would not hear of it.
                    if size <= limit:
                        body += part
                        self.held_bytes += len(part)
                    if self.held_bytes > self.limits.held_bytes:
                        raise Overloaded(
                            f"{self.limits.held_bytes:,} bytes of requests wait "
                            "already. Try again later."
                        )
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.REQUEST_TIMEOUT,
                f"The body did not arrive in {self.limits.body_seconds:g} s.",
            ) from None
        except ClientDisconnect:
            raise HTTPException(HTTPStatus.BAD_REQUEST, "The client is gone.") from None
        if size > limit:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"A request may have {limit:,} bytes. Received: {size:,}",
            )

    async def _run(self, name, inputs):
        try:
            async with asyncio.timeout(self.limits.answer_seconds):
                return await self.batchers[name](inputs)
        except TimeoutError:
            raise HTTPException(
                HTTPStatus.GATEWAY_TIMEOUT,
                f"No answer in {self.limits.answer_seconds:g} s.",
            ) from None


def _reason(error):
    """What an error says; of TensorFlow's, without the code that made the graph."""
    text = str(error)
    if isinstance(error, tf.errors.OpError):
        text = text.partition("\n\t [[")[0].splitlines()[-1]
    return text[:500]


async def _only_post(request):
    # Else GET would find the state of a model with a colon in its name.
    raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})


async def _error(request, error):
    return JSONResponse(
        {"error": error.detail}, error.status_code, headers=error.headers
    )
