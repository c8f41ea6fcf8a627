"""pretrained_folder: a model's folder, here, in the package or on the Hub."""

import os
from collections.abc import Sequence
from pathlib import Path

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import settled_folder

# Models that the package brings along, a folder each.
SHIPPED = Path(__file__).with_name("weights")
# The one that training starts from if no other is named.
SMALL_EN = "squeezebert_small_en"


def pretrained_folder(
    source: str | os.PathLike, files: Sequence[str], revision: str | None = None
) -> Path:
    """The folder that a user names, by its path or by an id of the Hub.

    A folder that exists is taken as it is; `squeezebert_small_en` is a model in this
    package. Any other name of the form `owner/name` is looked up on the Hub; what was
    fetched once is kept in its cache, and `HF_HUB_OFFLINE=1` has only the cache used.

    Args:
        source: A path, or an id such as "squeezebert/squeezebert-uncased".
        files: Names or patterns of the files to fetch, of those that are there.
        revision: Branch, tag or commit on the Hub. Default: its main branch.

    Raises:
        InputError: There is neither such a folder nor such a model, or the Hub
            cannot be reached.
    """
    is_shipped = source in shipped_models()
    if os.path.isdir(source) or is_shipped:
        if revision is not None:
            raise InputError(
                "Only models on the Hugging Face Hub have revisions. Received: the "
                f"folder {source}, revision={revision!r}"
            )
        # A folder of a user goes before one of ours.
        return settled_folder(source if os.path.isdir(source) else SHIPPED / source)
    if os.path.isfile(source):
        raise InputError(
            f"A model is a folder, with its config beside its weights. Received the "
            f"file: {source}"
        )
    if not isinstance(source, str) or not _may_be_hub_id(source):
        raise InputError(f"There is no such folder: {source}")
    return _fetch(source, list(files), revision)


def shipped_models() -> list[str]:
    """Names of the models that the package brings along.

    Example:
        >>> shipped_models()
        ['squeezebert_small_en']
    """
    return sorted(path.name for path in SHIPPED.iterdir())


def _may_be_hub_id(source):
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(source)
    except HFValidationError:
        return False
    return True


def _fetch(source, files, revision):
    # Imported here: it takes a while, and most sources are folders.
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=files))
    # Refused connections and time-outs come as types of the HTTP library.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"There is no folder {source!r} here, and fetching the model of that name "
            f"from the Hugging Face Hub failed: {reason}"
        ) from None
