"""read_weights: the tensors of a model, in whichever form its folder holds them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keras_squeezebert.config import CONFIG_FILE
from keras_squeezebert.converters.readers.safetensors_file import read_safetensors
from keras_squeezebert.converters.readers.stored import StoredTensor
from keras_squeezebert.converters.readers.torch_file import read_torch
from keras_squeezebert.errors import InputError
from keras_squeezebert.files import read_json
from keras_squeezebert.hub import pretrained_folder


class Form(NamedTuple):
    """A form of weights on disk: one file, or an index and several shards."""

    file: str
    shards: str
    read: Callable[[Path], dict[str, StoredTensor]]

    @property
    def index(self) -> str:
        """The file that says which tensor is in which shard."""
        return f"{self.file}.index.json"


SAFETENSORS_FILE = "model.safetensors"

# If a folder has several, the first counts, as in transformers.
FORMS = (
    Form(SAFETENSORS_FILE, "model-*.safetensors", read_safetensors),
    Form("pytorch_model.bin", "pytorch_model-*.bin", read_torch),
)


def read_weights(
    source: str | os.PathLike, revision: str | None = None
) -> tuple[Path, dict[str, StoredTensor]]:
    """The tensors of a model by their names, their values still on disk.

    Args:
        source: A folder, or an id on the Hugging Face Hub.
        revision: Branch, tag or commit on the Hub.

    Returns:
        The folder, and what is in it.

    Raises:
        InputError: There is no such model; a file is missing, damaged, or not what its
            name says.
    """
    for form in FORMS:
        names = [CONFIG_FILE, form.file, form.index, form.shards]
        folder = pretrained_folder(source, names, revision)
        if (folder / form.file).is_file():
            return folder, form.read(folder / form.file)
        if (folder / form.index).is_file():
            return folder, _read_shards(folder, form)
    expected = [name for form in FORMS for name in (form.file, form.index)]
    raise InputError(
        f"There are no weights in {source}. Expected one of: {', '.join(expected)}"
    )


def _read_shards(folder, form):
    index = folder / form.index
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputError(
            f"{index} must map the names of tensors to files. Received: "
            f"weight_map={str(weight_map)[:200]}"
        )
    tensors = {}
    for shard in sorted(set(map(str, weight_map.values()))):
        # A name that leaves the folder could make us read any file.
        if Path(shard).name != shard or "\\" in shard:
            raise InputError(
                f"{index} must name files of its own folder. Received: {shard!r}"
            )
        if not os.path.isfile(folder / shard):
            raise InputError(f"{index} names a file that is missing: {shard!r}")
        for key, tensor in form.read(folder / shard).items():
            if key in tensors:
                raise InputError(
                    f"{key!r} is in two files of {folder}: {tensors[key].file.name} "
                    f"and {shard}"
                )
            tensors[key] = tensor
    for key, shard in weight_map.items():
        if key not in tensors or tensors[key].file.name != shard:
            raise InputError(f"{index} names {key!r}, which {shard!r} does not hold")
    return tensors
