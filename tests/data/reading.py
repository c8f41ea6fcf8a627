"""What the tests of the readers share."""

from pathlib import Path

import pytest

from keras_squeezebert.errors import InputError

FORMATS = Path(__file__).with_name("formats")


def written(folder, name, content):
    """A file of this content, text or bytes."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def error_of(read, *arguments, names=None, **options):
    """The message of the InputError that reading gives; it names the file."""
    with pytest.raises(InputError) as caught:
        read(*arguments, **options)
    message = str(caught.value)
    assert str(names or arguments[0]) in message
    assert "Received: " in message
    assert "\n" not in message
    return message
