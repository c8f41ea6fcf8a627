"""squeezebert web: a page that classifies what is typed, in the browser."""

import ipaddress
import os
import webbrowser

import click

from keras_squeezebert.cli.extras import check_extra
from keras_squeezebert.cli.heads import head_of
from keras_squeezebert.cli.options import listening_address
from keras_squeezebert.cli.serve import listening_socket
from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.errors import InputError


@click.command()
@click.argument("model", metavar="MODEL.tflite")
@listening_address(port=8502)
@click.option(
    "--open/--no-open",
    "opens",
    default=False,
    show_default=True,
    help="Whether to open the page in a browser.",
)
def web(model, host, port, opens):
    """Serve a page in which MODEL.tflite classifies what is typed, as it is typed.

    LiteRT.js runs the model in the browser, which sends the texts nowhere. Once it is
    loaded the page works without this command, too. On the first use npm fetches
    LiteRT.js.

    \b
    Examples:
      squeezebert web my-model.tflite --open
      squeezebert web my-model.tflite --port 9000
    """
    check_extra(
        *("serve", "platformdirs", "starlette", "uvicorn"),
        need="The page's server needs packages",
    )
    import uvicorn

    from keras_squeezebert.web.app import PREFIX, web_app
    from keras_squeezebert.web.litert_js import litert_js_folder

    check_model(model)
    folder = litert_js_folder()
    listener = listening_socket(host, port)
    address, port = listener.getsockname()
    names = [host, "127.0.0.1", "localhost"]
    # From other machines it is called by names that are not known here.
    if not ipaddress.ip_address(address).is_loopback:
        names = ["*"]
    url = f"http://{address}:{port}{PREFIX}/"
    click.echo(f"Serving {url}")
    if opens:
        webbrowser.open(url)
    config = uvicorn.Config(
        web_app(model, folder, names), log_level="warning", timeout_graceful_shutdown=1
    )
    uvicorn.Server(config).run(sockets=[listener])


def check_model(path: str | os.PathLike) -> None:
    """Looks whether the page will be able to use a model.

    Raises:
        InputError: It is no `.tflite` that runs, has another head, or no vocabulary.
    """
    from keras_squeezebert.inference import load_model
    from keras_squeezebert.tflite.companions import VOCABULARY_FILE
    from keras_squeezebert.tflite.graph_file import read_graph
    from keras_squeezebert.tflite.text_interpreter import takes_text

    if not os.path.isfile(path):
        raise InputError(
            "The page needs a .tflite, which `squeezebert export` makes of a model. "
            f"Received: {path}, which is no file"
        )
    head = head_of(load_model(path).architecture)
    if head.name != "sequence-classification":
        raise InputError(
            "The page classifies texts: it needs a model for sequence-classification. "
            f"Received: {path}, for {head.name}"
        )
    if takes_text(path):
        raise InputError(
            "The page cuts the text into word pieces itself: it needs a model of ids, "
            f"without --text-input. Received: {path}, which takes text"
        )
    files = read_graph(path).packed_files
    missing = [name for name in (CONFIG_FILE, VOCABULARY_FILE) if name not in files]
    if missing:
        raise InputError(
            "The page gets nothing but the .tflite, so config and vocabulary must be "
            "packed into it, as `squeezebert export` does. Received: "
            f"{path}, without {missing[0]}"
        )
