"""A pretraining of several devices and processes ends with the weights of one alone."""

import dataclasses

import pretraining_runs
import pytest
from tiny import WITHOUT_DROPOUT
from workers import PROCESSES, assert_close, finish, start_workers, weights_of

from keras_squeezebert.pretraining import Phase

SHARED = """
    import pathlib
    import keras
    import pytest
    from keras_squeezebert.errors import InputError
    folder = pathlib.Path({folder!r})
    with pytest.raises(InputError, match="among 4 devices. Received: batch_size=6"):
        here.run(folder, batch_size=12)
    results = {{"together": here.run(folder, folder / "state")}}
    if share.process == 0:
        assert (folder / "state" / "history.csv").exists()
        keras.distribution.set_distribution(None)
        results["alone"] = here.run(folder)
    save(folder, share, results)
"""


def run(folder, state=None, batch_size=8):
    """Half a batch at a time is shared."""
    phases = (Phase(16, batch_size, 8, 5e-4),)
    recipe = dataclasses.replace(pretraining_runs.RECIPE, phases=phases)
    return pretraining_runs.run(folder, state, recipe, changes=WITHOUT_DROPOUT)[0]


def test_two_processes_train_as_one(tmp_path):
    pytest.importorskip("jax")
    pretraining_runs.make_cache(tmp_path)
    finish(start_workers(__file__, SHARED, folder=str(tmp_path)))
    alone = weights_of(tmp_path, 0, "alone")
    for process in range(PROCESSES):
        assert_close(weights_of(tmp_path, process, "together"), alone)
