"""The files packed into a .tflite: its config, its vocabulary, its labels, its ranges.

A .tflite may end in a zip archive, which interpreters do not read; TFLite's own
metadata keeps labels and vocabularies so, and `unzip model.tflite` shows them.
"""

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.errors import InputError
from keras_squeezebert.quantization.scheme import QUANTIZATION_FILE

VOCABULARY_FILE = "vocab.txt"
# What this package reads of them.
COMPANION_FILES = (
    CONFIG_FILE,
    VOCABULARY_FILE,
    "tokenizer_config.json",
    QUANTIZATION_FILE,
)
# Far above any vocabulary; below what would hurt if a crafted file asked for it.
MAX_COMPANION_BYTES = 16 * 2**20


def add_companions(path: str | os.PathLike, folder: str | os.PathLike) -> None:
    """Appends the files of a folder to a .tflite."""
    # MediaPipe maps the file, and so refuses what is compressed.
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for file in sorted(Path(folder).iterdir()):
            archive.write(file, file.name)


@contextlib.contextmanager
def companion_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a folder with the companions of a .tflite.

    They are the files packed into it and, for those it lacks, the ones of the same
    names in the folder it lies in.

    Raises:
        InputError: A packed file is implausibly large.
    """
    with tempfile.TemporaryDirectory() as folder:
        packed = _unpack(path, folder)
        for name in set(COMPANION_FILES) - packed:
            beside = Path(path).parent / name
            if beside.is_file():
                shutil.copyfile(beside, Path(folder, name))
        yield Path(folder)


def _unpack(path, folder):
    """Writes the packed files into a folder; returns their names."""
    if not zipfile.is_zipfile(path):
        return set()
    with zipfile.ZipFile(path) as archive:
        names = set(COMPANION_FILES) & set(archive.namelist())
        for name in names:
            size = archive.getinfo(name).file_size
            if size > MAX_COMPANION_BYTES:
                raise InputError(
                    f"{path}: the packed {name} is larger than "
                    f"{MAX_COMPANION_BYTES} bytes. Received: {size} bytes"
                )
            Path(folder, name).write_bytes(archive.read(name))
    return names
