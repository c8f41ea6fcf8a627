"""Weights that a seed makes the same on every backend."""

import numpy as np
from pretraining_runs import make_student

from keras_squeezebert.pretraining.initial import draw_kernels


def test_by_the_seed_and_the_paths_alone():
    first, second = make_student(), make_student()
    draw_kernels(first.variables, 0.05, seed=7)
    draw_kernels(second.variables[::-1], 0.05, seed=7)
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    draw_kernels(second.variables, 0.05, seed=8)
    table, other = (m.transformer.embeddings.word_embeddings for m in (first, second))
    assert np.abs(np.asarray(table) - np.asarray(other)).max() > 0.05
    assert abs(np.asarray(table).std() - 0.05) < 0.01


def test_biases_and_layer_norms_stay():
    model = make_student()
    draw_kernels(model.variables, 0.05, seed=7)
    for variable in model.transformer.variables:
        if variable.path.endswith(("bias", "beta")):
            assert not np.asarray(variable).any()
        if variable.path.endswith("gamma"):
            assert (np.asarray(variable) == 1).all()
