"""used_alone: a folder that one process at a time works in."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import filelock

from keras_squeezebert.errors import InputError

LOCK_FILE = "lock"


@contextlib.contextmanager
def used_alone(
    folder: str | os.PathLike, what: str, *, waits: bool = False
) -> Iterator[None]:
    """Keeps a folder to this process until the block ends, or the process does.

    Args:
        folder: It must exist.
        what: The work, for the message.
        waits: Whether to wait for another process that is at it.

    Raises:
        InputError: Another process is at it, and is not waited for.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with used_alone(folder, "training"), used_alone(folder, "training"):
        ...     pass
        Traceback (most recent call last):
        ...
        keras_squeezebert.errors.InputError: One training at a time ...
    """
    # The kernel takes the lock from a process that is killed.
    lock = filelock.FileLock(Path(folder) / LOCK_FILE, blocking=waits)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise InputError(
            f"One {what} at a time can use a folder; another process is at it. "
            f"Received: {os.fspath(folder)}"
        ) from None
    try:
        yield
    finally:
        lock.release()
