"""squeezebert serve: TF Serving's REST API of one model, on this machine."""

import gc
import resource
import socket

import click

from keras_squeezebert.cli.extras import check_extra
from keras_squeezebert.cli.heads import all_serve_options, check_options, head_of
from keras_squeezebert.cli.options import listening_address, row_length
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("model_dir")
@listening_address(port=8501)
@click.option(
    "--name", help="The model's in the address.  [default: that of MODEL_DIR]"
)
@click.option(
    "--max-rows",
    default=256,
    show_default=True,
    type=click.IntRange(min=1),
    help="Of a request, and of requests that run together: 1 runs each alone.",
)
@row_length
@all_serve_options
def serve(model_dir, host, port, name, max_rows, max_length, **values):
    """Answer requests to the model in MODEL_DIR as TensorFlow Serving would.

    The addresses and messages are those of its REST API, so that a client need not
    change: POST /v1/models/NAME:predict and :classify; GET /v1/models/NAME and
    NAME/metadata. GET /health, /metrics (Prometheus) and /openapi.json are beside it.
    Requests that wait run together; where too many do, one more is answered 503.
    SIGTERM and Ctrl-C stop the server when what it took is answered.

    \b
    Examples:
      squeezebert serve my-model
      squeezebert serve my-squad --port 9000 --doc-stride 64
      curl -d '{"instances": ["turn on the lights"]}' \\
          localhost:8501/v1/models/my-model:predict
    """
    check_extra(
        *("serve", "starlette", "uvicorn", "prometheus_client"),
        need="The server needs packages",
    )
    import uvicorn

    from keras_squeezebert.inference import load_keras_model
    from keras_squeezebert.serving import model_name, signatures, text_head
    from keras_squeezebert.serving.rest import Limits, rest_app
    from keras_squeezebert.serving.rest.connection import Connection

    source = load_keras_model(model_dir)
    head = head_of(source.architecture)
    check_options(head)
    options = head.serving(values)
    served = text_head(source.model, source.tokenizer, max_length, **options)
    name = model_name(name or model_dir)
    app = rest_app(signatures(served), name, limits=Limits(rows=max_rows))
    listener = listening_socket(host, port)
    address, port, *_ = listener.getsockname()
    click.echo(f"Serving http://{address}:{port}/v1/models/{name}")
    allow_many_connections()
    # What is there now stays. The collector looks through requests only: all of it
    # takes a large part of a second, in which nobody is answered.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        app, http=Connection, log_level="warning", timeout_graceful_shutdown=60
    )
    uvicorn.Server(config).run(sockets=[listener])


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket whose connections send at once what they are given.

    asyncio turns Nagle's algorithm off for sockets that name their protocol, which this
    one does not: an answer's body would wait 40 ms for its head to be acknowledged.

    Raises:
        InputError: Nobody can listen there.
    """
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        raise InputError(
            f"The server cannot listen there: {error.strerror or error}. Received: "
            f"--host={host} --port={port}"
        ) from None
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def allow_many_connections() -> None:
    """Lets this process open more files than is usual, as each connection is one."""
    wanted = 2**14
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most != resource.RLIM_INFINITY:
        wanted = min(wanted, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
