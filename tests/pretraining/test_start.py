"""A model that starts as near to its teacher as its groups allow."""

import numpy as np
import pytest
from pretraining_runs import CONFIG, SIZES, make_cache, make_student, make_tokenizer

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForMaskedLM,
    SqueezeBertModel,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.pretraining import Phase, PretrainingRecipe
from keras_squeezebert.pretraining.initial import draw_kernels
from keras_squeezebert.pretraining.start import rows_to_start_with, start_from_teacher

RECIPE = PretrainingRecipe(phases=(Phase(24, 8, 4),))


def make_teacher(layers=2, **changes):
    sizes = {**SIZES, "num_hidden_layers": layers, **changes}
    teacher = SqueezeBertModel(SqueezeBertConfig.preset("bert-base", **sizes))
    draw_kernels(teacher.variables, 0.2, seed=1)
    rng = np.random.default_rng(0)
    for variable in teacher.variables:
        if variable.path.endswith(("bias", "gamma", "beta")):
            variable.assign(variable + rng.normal(0, 0.2, variable.shape))
    return teacher


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    cache = make_cache(tmp_path_factory.mktemp("start"))
    return rows_to_start_with(cache, make_tokenizer(), RECIPE)


def distances(encoder, teacher, inputs):
    """|s − t|² / |t|² of each layer's states."""
    tokens = inputs["attention_mask"] == 1
    found = []
    for state, target in zip(
        encoder.intermediate_outputs(inputs)["hidden_states"],
        teacher.intermediate_outputs(inputs)["hidden_states"],
        strict=True,
    ):
        state, target = np.asarray(state)[tokens], np.asarray(target)[tokens]
        found.append(((state - target) ** 2).sum() / (target**2).sum())
    return found


def test_without_groups_it_is_the_teacher(inputs):
    """Least squares of what can be met exactly: to the ridge's small bias."""
    teacher = make_teacher()
    config = SqueezeBertConfig.preset("bert-base", **SIZES)
    model = SqueezeBertForMaskedLM(config)
    start_from_teacher(model, teacher, inputs)
    assert max(distances(model.transformer, teacher, inputs)) < 1e-2


def test_with_groups_it_is_nearer_than_the_blocks_of_the_dense_kernels(inputs):
    teacher = make_teacher()
    model, blocks = make_student(), make_student()
    start_from_teacher(model, teacher, inputs)
    give_blocks(blocks.transformer, teacher)
    fitted = distances(model.transformer, teacher, inputs)
    cut = distances(blocks.transformer, teacher, inputs)
    assert fitted[0] == cut[0] == 0  # the embeddings are the teacher's
    assert all(np.array(fitted[1:]) < 0.7 * np.array(cut[1:])), (fitted, cut)


def give_blocks(encoder, teacher):
    """The usual way: of each dense kernel the blocks on the diagonal."""
    values = {variable.path.split("/", 1)[1]: variable for variable in teacher.weights}
    for variable in encoder.weights:
        value = np.asarray(values[variable.path.split("/", 1)[1]])
        if value.shape != tuple(variable.shape):
            groups = value.shape[1] // variable.shape[1]
            rows, columns = np.split(value, groups, axis=1), value.shape[2] // groups
            value = np.concatenate(
                [
                    row[..., number * columns : (number + 1) * columns]
                    for number, row in enumerate(rows)
                ],
                axis=-1,
            )
        variable.assign(value)


def test_the_fit_is_that_of_least_squares(inputs):
    """The first layer's queries, which see the embeddings themselves."""
    teacher, model = make_teacher(), make_student()
    start_from_teacher(model, teacher, inputs)
    tokens = inputs["attention_mask"] == 1
    hidden = np.asarray(
        teacher.embeddings(inputs["input_ids"], inputs["token_type_ids"])
    )[tokens].astype("float64")
    dense = teacher.encoder_layers[0].attention.query
    conv = model.transformer.encoder_layers[0].attention.query
    answer = hidden @ np.asarray(dense.kernel)[0] + np.asarray(dense.bias)
    found = np.asarray(conv(hidden.astype("float32"))) / conv.output_scale
    for channels in np.split(np.arange(32), conv.groups):
        known = np.concatenate([hidden[:, channels], np.ones((len(hidden), 1))], axis=1)
        solved, *_ = np.linalg.lstsq(known, answer[:, channels], rcond=None)
        best = ((known @ solved - answer[:, channels]) ** 2).mean()
        mine = ((found[:, channels] - answer[:, channels]) ** 2).mean()
        assert best <= mine * (1 + 1e-6)
        assert mine < 1.02 * best


def test_a_shallower_model_takes_layers_between(inputs):
    teacher, model = make_teacher(layers=4), make_student()
    start_from_teacher(model, teacher, inputs)
    for number, layer in enumerate(model.transformer.encoder_layers):
        np.testing.assert_array_equal(
            layer.post_attention.layer_norm.gamma,
            teacher.encoder_layers[2 * number + 1].post_attention.layer_norm.gamma,
        )


@pytest.mark.parametrize("name", ["hidden_size", "intermediate_size", "vocab_size"])
def test_other_sizes(name, inputs):
    teacher = make_teacher(**{name: 2 * getattr(CONFIG, name)})
    with pytest.raises(InputError, match=f"{name}=.* of the model"):
        start_from_teacher(make_student(), teacher, inputs)
