"""litert_js_folder: LiteRT.js, which npm fetches once and checks.

`package-lock.json` names the one version that the page is tested with, and the SHA-512
of its packages: npm installs nothing else. It asks the mirrors, proxies and caches that
somebody has set up for it. This package does not hold LiteRT.js, 40 MB that only the
page needs.
"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from platformdirs import user_cache_path

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import new_folder

_HERE = Path(__file__).parent
_PACKAGE_FILES = ("package.json", "package-lock.json")
_NPM_CI = ("ci", "--omit=dev", "--ignore-scripts", "--prefer-offline", "--no-audit")
_CORE = "node_modules/@litertjs/core"
# By its place in the folder, that in npm's: with and without relaxed SIMD.
FILES = {
    "index.js": f"{_CORE}/dist/index.js",
    "wasm_utils.js": "node_modules/@litertjs/wasm-utils/dist/index.js",
    **{
        f"wasm/{name}": f"{_CORE}/wasm/{name}"
        for name in (
            "litert_wasm_internal.js",
            "litert_wasm_internal.wasm",
            "litert_wasm_compat_internal.js",
            "litert_wasm_compat_internal.wasm",
        )
    },
}


def litert_js_folder() -> Path:
    """The folder with LiteRT.js, in the user's cache; the first call fetches it.

    Raises:
        InputError: npm is not there, or could not fetch what it should.
    """
    lock = (_HERE / "package-lock.json").read_bytes()
    version = hashlib.sha256(lock).hexdigest()[:16]
    folder = user_cache_path("keras-squeezebert") / f"litert-js-{version}"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as installed:
            _install(Path(installed))
            with new_folder(folder) as draft:
                arrange(Path(installed), draft)
    return folder


def _install(folder):
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            "LiteRT.js, which runs the model in the browser, is fetched by npm on the "
            "first use: install Node.js, which brings npm, from https://nodejs.org or "
            "your system's packages. Received: no npm on the PATH"
        )
    for name in _PACKAGE_FILES:
        shutil.copyfile(_HERE / name, folder / name)
    finished = subprocess.run(
        [npm, *_NPM_CI], cwd=folder, capture_output=True, text=True, errors="replace"
    )
    if finished.returncode != 0:
        reason = " ".join(finished.stderr.split())[:500]
        raise InputError(
            "npm could not fetch LiteRT.js, which runs the model in the browser. That "
            f"is needed once, and a network with it. Received: {reason}"
        )


def arrange(installed: Path, folder: Path) -> None:
    """Copies what the page needs of what npm has installed.

    Args:
        installed: Where npm has put its `node_modules`.
        folder: An empty folder.
    """
    (folder / "wasm").mkdir()
    for name, source in FILES.items():
        shutil.copyfile(installed / source, folder / name)
    # Workers know no import maps, which would find the package by its name.
    module = folder / "index.js"
    code = module.read_text(encoding="utf-8")
    bare = '"@litertjs/wasm-utils"'
    if code.count(bare) != 1:
        raise ValueError(f"{module} must import {bare} once: {code.count(bare)} times")
    module.write_text(code.replace(bare, '"./wasm_utils.js"'), encoding="utf-8")
