"""Files that are whole or not there: written beside their place, then renamed."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keras_squeezebert.errors import InputError


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a path to write to; it takes the place of `path` when the block ends.

    A crash or an error inside the block leaves what was at `path` as it was.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_file(folder / "a.txt") as draft:
        ...     _ = draft.write_text("whole")
        >>> (folder / "a.txt").read_text()
        'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The draft keeps the suffix, by which Keras and others choose a format.
    descriptor, draft = tempfile.mkstemp(
        dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix
    )
    os.close(descriptor)
    draft = Path(draft)
    try:
        yield draft
        _flush(draft)
        draft.chmod(0o666 & ~_umask())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, values: Any) -> None:
    """Writes `values` to `path` as indented JSON, atomically."""
    with atomic_file(path) as draft:
        draft.write_text(
            json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: The file is missing, is not JSON, or holds no object.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"No such file: {path}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a JSON file: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path} must hold a JSON object. Received: {type(values).__name__}"
        )
    return values


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields an empty folder; when the block ends its files stand in `path`, together.

    Files of an existing `path` that the block did not write are kept. No moment
    exists in which a reader who goes through :func:`settled_folder` sees files of two
    versions: the new folder is completed beside the old one and then renamed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "model"
        >>> for version in ("old", "new"):
        ...     with atomic_folder(folder) as draft:
        ...         _ = (draft / "weights").write_text(version)
        >>> (folder / "weights").read_text()
        'new'
    """
    path = settled_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-draft-"))
    try:
        draft.chmod(0o777 & ~_umask())
        yield draft
        for file in draft.iterdir():
            _flush(file)
        if path.exists():
            shutil.copytree(
                path,
                draft,
                copy_function=_link_if_absent,
                symlinks=True,
                dirs_exist_ok=True,
            )
            os.rename(path, _aside(path))
        os.rename(draft, path)
        shutil.rmtree(_aside(path), ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def settled_folder(path: str | os.PathLike) -> Path:
    """`path`, resolved, after undoing or finishing a replacement that was killed."""
    path = Path(path).resolve()
    aside = _aside(path)
    if aside.exists():
        if path.exists():
            shutil.rmtree(aside)
        else:
            os.rename(aside, path)
    return path


def _aside(path):
    return path.with_name(f".{path.name}-replaced")


def _link_if_absent(source, target):
    if not os.path.lexists(target):
        try:
            os.link(source, target)
        except OSError:  # a file system without hard links
            shutil.copy2(source, target)


def _flush(path):
    """Has the kernel write the file out, so that the rename never outruns it."""
    if path.is_file():
        with open(path, "rb") as file:
            os.fsync(file.fileno())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
