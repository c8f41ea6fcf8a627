"""web_app: the page and a model of one's own, for a browser on this machine."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from keras_squeezebert.tokenizers.portable import CODE_POINTS_FILE
from keras_squeezebert.web import litert_js

PREFIX = "/squeezebert"
"""Where the page lies: its service worker must not meet what else is at the port."""

PAGE_FILES = (
    "index.html",
    "style.css",
    "icon.svg",
    "answer_view.js",
    "beginning.js",
    "classifier.js",
    "code_points.js",
    "errors.js",
    "latest.js",
    "offline.js",
    "offline_page.js",
    "options.js",
    "page.js",
    "remote_classifier.js",
    "scores.js",
    "tflite_file.js",
    "tokenizer.js",
    "word_pieces.js",
    "words.js",
    "worker.js",
)
# The system's own tables differ, and browsers take modules and wasm as these only.
_MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".tflite": "application/octet-stream",
    ".txt": "text/plain",
    ".wasm": "application/wasm",
}
_HEADERS = {
    # Kept, but asked for again each time: the next model may have the same address.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; "
        "img-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    # Together these isolate the page, which gives it exact clocks.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def web_app(
    model: str | os.PathLike, litert_js_folder: Path, hosts: Sequence[str] = ("*",)
) -> Starlette:
    """An ASGI application that serves the page under `/squeezebert/`.

    Args:
        model: The `.tflite` that the page opens first, at `model.tflite`.
        litert_js_folder: As :func:`~keras_squeezebert.web.litert_js.litert_js_folder`
            gives it.
        hosts: The names that a browser may call this server by. With "*" any: then a
            web site can have its own name lead here, and read the model.

    Example:
        >>> import tempfile
        >>> from starlette.testclient import TestClient
        >>> model = Path(tempfile.mkdtemp()) / "model.tflite"
        >>> model.write_bytes(b"some bytes")
        10
        >>> client = TestClient(web_app(model, litert_js_folder=model.parent))
        >>> client.get("/squeezebert/model.tflite").content
        b'some bytes'
    """
    here = Path(__file__).parent
    files = {
        **{name: here / name for name in PAGE_FILES},
        **{f"litert/{name}": litert_js_folder / name for name in litert_js.FILES},
        "code_points.txt": CODE_POINTS_FILE,
        "model.tflite": Path(model),
        ".": here / "index.html",
    }
    return Starlette(
        routes=[
            Route("/", _to_the_page),
            Mount(PREFIX, _ListedFiles(files)),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)
        ],
    )


async def _to_the_page(request):
    return RedirectResponse(f"{PREFIX}/")


class _ListedFiles(StaticFiles):
    """Files by the names that they have here, whatever else lies beside them."""

    def __init__(self, files: Mapping[str, Path]):
        super().__init__()
        self.files = files

    def lookup_path(self, path):
        file = self.files.get(path)
        if file is None or not file.is_file():
            return "", None
        return str(file), file.stat()

    def file_response(self, full_path, stat_result, scope, status_code=200):
        response = FileResponse(
            full_path,
            status_code,
            headers=_HEADERS,
            media_type=_MEDIA_TYPES[Path(full_path).suffix],
            filename=Path(full_path).name,
            stat_result=stat_result,
            content_disposition_type="inline",
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response
