"""A model of every head in every form."""

import keras
import pytest
from command_line import succeed
from every_head import (
    ARCHITECTURES,
    LABELS,
    SEQ,
    write_data,
    write_model,
    write_saved_model,
)
from tiny import ONE_LAYER


@pytest.fixture(scope="session")
def heads(tmp_path_factory):
    """A folder with `HEAD`, `HEAD.tflite` and `HEAD-saved` for every head."""
    folder = tmp_path_factory.mktemp("heads")
    write_data(folder)
    config = ONE_LAYER.replace(id2label=LABELS)
    for head, architecture in ARCHITECTURES.items():
        model = write_model(folder / head, architecture, config)
        write_saved_model(model, folder / f"{head}-saved")
        choices = ("--num-choices", 3) if head == "multiple-choice" else ()
        succeed(
            *("export", head, f"{head}.tflite", "--sequence-length", SEQ, *choices),
            cwd=folder,
        )
        keras.utils.clear_session(free_memory=False)
    return folder
