"""The wheel holds all of the package under one name, and nothing else."""

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import keras_squeezebert
from keras_squeezebert.web.app import PAGE_FILES

ROOT = Path(__file__).parents[1]

FOLDERS = {
    "keras_squeezebert": "keras_squeezebert",
    "converters": "keras_squeezebert/converters",
    "tflite": "keras_squeezebert/tflite",
    "web": "keras_squeezebert/web",
}

WEIGHTS_FILES = (
    "README.md",
    "config.json",
    "curves.png",
    "curves-2.png",
    "curves-3.png",
    "model.safetensors",
    "tokenizer_config.json",
    "vocab.txt",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    pytest.importorskip("build", reason="`build` is not installed")
    # A copy, as a build leaves files in the tree and would pick up stale ones.
    tree = tmp_path_factory.mktemp("wheel") / "tree"
    generated = shutil.ignore_patterns(
        *(".*", "__pycache__", "build", "dist", "*.egg-info", "demo-output"),
        "node_modules",
    )
    shutil.copytree(ROOT, tree, ignore=generated)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    built = subprocess.run(command, cwd=tree, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def names(wheel):
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_one_top_level_name(names):
    assert {name.split("/")[0] for name in names} == {"keras_squeezebert"}


def test_every_module_and_no_other(names):
    modules = {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, package in FOLDERS.items()
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == modules


def test_the_data_files_and_no_other(names):
    assert {name for name in names if not name.endswith(".py")} == {
        "keras_squeezebert/data/clinc150.json.xz",
        "keras_squeezebert/tokenizers/bert_uncased_vocab.txt",
        "keras_squeezebert/tokenizers/code_points.txt",
        *(
            f"keras_squeezebert/weights/squeezebert_small_en/{name}"
            for name in WEIGHTS_FILES
        ),
        *(f"keras_squeezebert/web/{name}" for name in PAGE_FILES),
        "keras_squeezebert/web/package.json",
        "keras_squeezebert/web/package-lock.json",
    }


def test_metadata(wheel):
    files = {
        Path(name).name: name for name in wheel.namelist() if ".dist-info/" in name
    }
    metadata = email.message_from_bytes(wheel.read(files["METADATA"]))
    assert metadata["Version"] == keras_squeezebert.__version__
    assert metadata.get_all("License-File") == ["LICENSE", "NOTICE"]
    assert {"LICENSE", "NOTICE"} <= set(files)
