"""LiteRT.js comes from npm, once, and only if it is what it should be."""

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.web import litert_js

WEB = Path(litert_js.__file__).parent
# Puts files in place as npm does, and notes how it was called.
NPM = """#!/bin/sh
echo "$@" >> {calls}
test -f package.json && test -f package-lock.json || exit 3
for file in {files}; do
  mkdir -p $(dirname $file)
  echo 'import {{ createWasmLib }} from "{imported}";' > $file
done
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Writes a program that stands in for npm; its calls are in `calls`."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # where macOS has its caches

    def write(script=NPM, imported="@litertjs/wasm-utils"):
        path = tmp_path / "bin" / "npm"
        path.parent.mkdir(exist_ok=True)
        files = " ".join(litert_js.FILES.values())
        calls = tmp_path / "calls"
        path.write_text(script.format(calls=calls, files=files, imported=imported))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    write()
    return write


def calls(folder):
    path = folder / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_it_is_fetched_once(npm, tmp_path):
    folder = litert_js.litert_js_folder()
    assert tmp_path in folder.parents
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert files == set(litert_js.FILES)
    assert '"./wasm_utils.js"' in (folder / "index.js").read_text()
    assert litert_js.litert_js_folder() == folder
    (call,) = calls(tmp_path)
    assert call.startswith("ci ") and "--ignore-scripts" in call


def test_what_npm_refuses_is_told_and_tried_again(npm, tmp_path):
    npm("#!/bin/sh\necho 'npm error code EINTEGRITY' >&2; exit 1\n")
    with pytest.raises(InputError, match="Received: npm error code EINTEGRITY"):
        litert_js.litert_js_folder()
    assert not list((tmp_path / "cache").rglob("*.js"))
    npm()
    assert litert_js.litert_js_folder().is_dir()


def test_another_form_of_the_package_is_not_taken(npm, tmp_path):
    npm(imported="@litertjs/other")
    with pytest.raises(ValueError, match="0 times"):
        litert_js.litert_js_folder()
    assert not list((tmp_path / "cache").rglob("*.js"))


def test_no_npm(npm, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"install Node\.js.*no npm on the PATH"):
        litert_js.litert_js_folder()


def test_the_lock_file_has_hashes_and_no_addresses():
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert "node_modules/@litertjs/core" in packages
    for entry in packages.values():
        assert entry["integrity"].startswith("sha512-")
        assert "resolved" not in entry


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on the PATH")
def test_npm_takes_only_what_has_the_hash(tmp_path):
    lock = (WEB / "package-lock.json").read_text()
    for name, contents in {
        "package.json": (WEB / "package.json").read_text(),
        "package-lock.json": lock,
    }.items():
        (tmp_path / name).write_text(contents)
    command = ["npm", "ci", "--omit=dev", "--ignore-scripts", "--prefer-offline"]
    command += ["--fetch-retries=0"]

    def finished():
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    if finished().returncode != 0:
        pytest.skip("npm reaches no registry, nor is LiteRT.js in its cache")
    entry = json.loads(lock)["packages"]["node_modules/@litertjs/core"]
    of_others = json.loads(lock)["packages"]["node_modules/@litertjs/wasm-utils"]
    falsified = lock.replace(entry["integrity"], of_others["integrity"])
    (tmp_path / "package-lock.json").write_text(falsified)
    refused = finished()
    assert refused.returncode != 0
    assert "EINTEGRITY" in refused.stderr
