"""Files that are whole or not there: written beside their place, then renamed."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
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
    # ValueError: not UTF-8, not JSON, or a number of thousands of digits.
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file: {error}") from None
    if not isinstance(values, dict):
        raise InputError(
            f"{path} must hold a JSON object. Received: {type(values).__name__}"
        )
    return values


# Holds a whole set of new files that are on their way into the folder around it.
_COMPLETE = ".complete"
_DRAFT = ".draft-"
_OBSOLETE = ".obsolete"


@contextlib.contextmanager
def atomic_folder(
    path: str | os.PathLike, obsolete: Iterable[str] = ()
) -> Iterator[Path]:
    """Yields an empty folder; when the block ends its files stand in `path`, together.

    The files are finished in a folder inside `path`, one rename declares them
    complete, and only then do they take their places. A crash before that rename
    leaves the old files, and one after it is made good by the next reader who goes
    through :func:`settled_folder`. Other files in `path` are not touched.

    Args:
        path: The folder, made if it does not exist.
        obsolete: Names of files that leave `path` with this, if they are not written:
            they would tell of what was there before.

    Raises:
        InputError: `path` is a file.

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
    if path.exists() and not path.is_dir():
        raise InputError(f"A folder is expected. Received the file: {path}")
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    for abandoned in path.glob(f"{_DRAFT}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(dir=path, prefix=_DRAFT))
    try:
        yield draft
        for name in obsolete:
            if not (draft / name).exists():
                (draft / f"{name}{_OBSOLETE}").touch()
        for file in draft.iterdir():
            _flush(file)
        os.rename(draft, path / _COMPLETE)
        settled_folder(path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        if is_new:  # and empty, unless all went well
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def new_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields an empty folder; when the block ends it is `path`, with all that is in it.

    It is made beside `path`, whose parents are made if they do not exist, under a name
    that begins with a dot.

    Raises:
        InputError: There is something at `path`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "model" / "1"
        >>> with new_folder(folder) as draft:
        ...     _ = (draft / "graph").write_text("…")
        >>> [file.name for file in folder.iterdir()]
        ['graph']
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise InputError(f"There must be nothing yet at {path}. Received: {path}")
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=_DRAFT))
    try:
        yield draft
        draft.chmod(0o777 & ~_umask())
        for file in draft.rglob("*"):
            if file.is_file():
                _flush(file)
        try:
            os.rename(draft, path)
        except OSError:
            raise InputError(
                f"There must be nothing yet at {path}. Received: {path}, which another "
                "run has made meanwhile"
            ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def settled_folder(path: str | os.PathLike) -> Path:
    """`path`, after finishing the work of a writer that :func:`atomic_folder` lost."""
    path = Path(path)
    complete = path / _COMPLETE
    if complete.is_dir():
        # Another reader may be at the same work: what it has moved is done.
        with contextlib.suppress(FileNotFoundError):
            for file in complete.iterdir():
                if file.suffix == _OBSOLETE:
                    (path / file.stem).unlink(missing_ok=True)
                    file.unlink()
                else:
                    os.replace(file, path / file.name)
            complete.rmdir()
    return path


def _flush(path):
    """Has the kernel write the file out, so that the rename never outruns it."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
