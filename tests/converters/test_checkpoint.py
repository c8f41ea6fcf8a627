"""Weights in and out of model.safetensors, whole or not at all."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import (
    ARCHITECTURES,
    CONFIG,
    assert_equal_outputs,
    differ,
    inputs_for,
    make_inputs,
    make_model,
    run,
    weights_of,
)

import keras_squeezebert
from keras_squeezebert import (
    SqueezeBertForMultipleChoice,
    SqueezeBertForQuestionAnswering,
    SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification,
    SqueezeBertModel,
)
from keras_squeezebert.converters import (
    LoadReport,
    checkpoint,
    key_table,
    load_checkpoint,
    save_checkpoint,
)
from keras_squeezebert.errors import InputError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)
CLASSIFIER = "SqueezeBertForSequenceClassification"
LAYER = "transformer.encoder.layers.0."


@pytest.fixture(scope="module")
def model():
    return make_model(CLASSIFIER)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """A saved folder, to be read only."""
    folder = tmp_path_factory.mktemp("saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of the saved folder, to be spoilt."""
    return shutil.copytree(saved, tmp_path / "model")


def rewrite(folder, **changes):
    """Replaces tensors of a folder; None removes one."""
    path = folder / "model.safetensors"
    tensors = {**load_file(path), **changes}
    tensors = {name: value for name, value in tensors.items() if value is not None}
    save_file(tensors, path, metadata={"format": "pt"})


# === Round trips


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_round_trip(architecture, tmp_path):
    model, inputs = make_model(architecture), inputs_for(architecture)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    loaded = getattr(keras_squeezebert, architecture).from_pretrained(tmp_path)
    assert loaded.config == model.config
    assert_equal_outputs(run(loaded, inputs), run(model, inputs), atol=0)
    assert loaded.load_report.loaded == {
        row.variable: row.key for row in key_table(architecture, CONFIG)
    }
    assert loaded.load_report.initialized == loaded.load_report.ignored == {}


def test_round_trip_of_a_decoder_of_its_own(tmp_path):
    config = CONFIG.replace(tie_word_embeddings=False)
    model, inputs = make_model("SqueezeBertForMaskedLM", config), make_inputs(4, 7)
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path)
    assert not loaded.config.tie_word_embeddings
    assert_equal_outputs(run(loaded, inputs), run(model, inputs), atol=0)
    report = loaded.load_report
    assert report.loaded["predictions/decoder"] == "cls.predictions.decoder.weight"
    assert report.ignored == {
        "cls.predictions.bias": "cls.predictions.decoder.bias counts instead"
    }
    assert report.initialized == {}


def test_without_a_config(model, tmp_path):
    """The weights of a folder, into a model that is there."""
    save_checkpoint(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    other = make_model(CLASSIFIER, seed=5)
    report = load_checkpoint(other, tmp_path)
    assert sorted(report.loaded) == sorted(v.path for v in other.weights)
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(weights_of(other)[path], value)


def test_saving_warns_of_nothing(model, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()


def test_the_file_holds_what_pytorch_would_hold(model, saved):
    weights, tensors = weights_of(model), load_file(saved / "model.safetensors")
    base, layer = "transformer.", "transformer.encoder.layers.1."
    transposed = {
        "classifier.weight": ("classifier/kernel", (1, 0)),
        f"{base}pooler.dense.weight": ("pooler/dense/kernel", (1, 0)),
        f"{base}embeddings.word_embeddings.weight": (
            "embeddings/word_embeddings",
            (0, 1),
        ),
        f"{base}embeddings.LayerNorm.weight": ("embeddings/layer_norm/gamma", (0,)),
        **{
            f"{layer}{theirs}": (f"encoder_layer_1/{ours}", (2, 1, 0))
            for theirs, ours in {
                "attention.query.weight": "attention/query/kernel",
                "attention.key.weight": "attention/key/kernel",
                "attention.value.weight": "attention/value/kernel",
                "post_attention.conv1d.weight": "post_attention/conv/kernel",
                "intermediate.conv1d.weight": "feed_forward/intermediate/kernel",
                "output.conv1d.weight": "feed_forward/output/conv/kernel",
            }.items()
        },
        f"{layer}output.layernorm.bias": (
            "encoder_layer_1/feed_forward/output/layer_norm/beta",
            (0,),
        ),
    }
    for key, (path, axes) in transposed.items():
        assert tensors[key].dtype == np.float32
        np.testing.assert_array_equal(tensors[key], weights[path].transpose(axes))
    assert len(tensors) == len(weights)


def test_loading_into_another_precision(saved, model):
    other = SqueezeBertForSequenceClassification.from_pretrained(
        saved, dtype="mixed_float16"
    )
    inputs = make_inputs(2, 7)
    assert other.output.dtype == "float16"
    assert not differ(run(other, inputs), run(model, inputs), atol=0.05)


def test_half_precision_files(folder, model):
    tensors = load_file(folder / "model.safetensors")
    rewrite(
        folder, **{name: value.astype("float16") for name, value in tensors.items()}
    )
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    for path, value in weights_of(model).items():
        expected = value.astype("float32").astype("float16")
        np.testing.assert_array_equal(weights_of(loaded)[path], expected)


# === The comparisons above are such that a mistake fails them


def swapped_kernels(tensors):
    """Of one shape, in the tiny model as in the full one."""
    first, second = (
        f"{LAYER}{name}.conv1d.weight" for name in ("post_attention", "output")
    )
    assert tensors[first].shape == tensors[second].shape
    return {first: tensors[second], second: tensors[first]}


def permuted_groups(name, groups):
    def permute(tensors):
        key = f"{LAYER}{name}.weight"
        blocks = np.split(tensors[key], groups)
        return {key: np.concatenate([*blocks[1:], blocks[0]])}

    permute.__name__ = f"{name}-of-{groups}-groups"
    return permute


@pytest.mark.parametrize(
    "mistake",
    [
        swapped_kernels,
        permuted_groups("attention.query", CONFIG.q_groups),
        permuted_groups("attention.key", CONFIG.k_groups),
        permuted_groups("attention.value", CONFIG.v_groups),
        permuted_groups("post_attention.conv1d", CONFIG.post_attention_groups),
        permuted_groups("intermediate.conv1d", CONFIG.intermediate_groups),
        permuted_groups("output.conv1d", CONFIG.output_groups),
    ],
    ids=lambda mistake: mistake.__name__,
)
def test_weights_in_the_wrong_place_are_noticed(folder, model, mistake):
    rewrite(folder, **mistake(load_file(folder / "model.safetensors")))
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    inputs = make_inputs(2, 7)
    assert differ(run(loaded, inputs), run(model, inputs), atol=1e-3)


# === From one class to another


def test_a_base_model_into_a_task(tmp_path):
    base = make_model("SqueezeBertModel")
    base.save_pretrained(tmp_path)
    task = SqueezeBertForTokenClassification.from_pretrained(tmp_path)
    inputs = make_inputs(2, 7)
    actual = run(task.transformer, inputs)
    assert_equal_outputs(actual, run(base, inputs), atol=0)
    assert task.load_report.initialized == {
        "classifier/kernel": "not in the checkpoint",
        "classifier/bias": "not in the checkpoint",
    }
    assert task.load_report.ignored == {}


def test_a_task_into_a_base_model(saved, model):
    base = SqueezeBertModel.from_pretrained(saved)
    inputs = make_inputs(2, 7)
    assert_equal_outputs(run(base, inputs), run(model.transformer, inputs), atol=0)
    assert base.load_report.initialized == {}
    assert base.load_report.ignored == {
        "classifier.bias": "the head of another task",
        "classifier.weight": "the head of another task",
    }


def test_a_task_into_another(saved):
    task = SqueezeBertForQuestionAnswering.from_pretrained(saved)
    report = task.load_report
    assert str(report) == (
        f"{saved}: {len(report.loaded)} weights loaded, 2 newly initialised, 2 ignored"
        """
  newly initialised:
    qa_outputs/kernel (not in the checkpoint)
    qa_outputs/bias (not in the checkpoint)
  ignored:
    classifier.bias (the head of another task)
    classifier.weight (the head of another task)"""
    )


@pytest.mark.parametrize(
    "task", [SqueezeBertForMultipleChoice, SqueezeBertForTokenClassification]
)
def test_the_classifier_of_another_class_is_not_taken(saved, task):
    """Though for token classification even its shape fits."""
    loaded = task.from_pretrained(saved)
    reason = "the head of a SqueezeBertForSequenceClassification"
    assert loaded.load_report.initialized == {
        "classifier/kernel": reason,
        "classifier/bias": reason,
    }
    assert loaded.load_report.ignored == {
        "classifier.bias": reason,
        "classifier.weight": reason,
    }


def test_a_classifier_of_an_unknown_class_is_taken(folder, model):
    values = json.loads((folder / "config.json").read_text())
    del values["architectures"]
    (folder / "config.json").write_text(json.dumps(values))
    loaded = SqueezeBertForTokenClassification.from_pretrained(folder)
    assert loaded.load_report.initialized == {}
    np.testing.assert_array_equal(
        weights_of(loaded)["classifier/kernel"], weights_of(model)["classifier/kernel"]
    )


# === A head of one's own


@pytest.mark.parametrize("labels", [{}, {"num_labels": 3}, {"num_labels": 5}], ids=str)
def test_a_new_head_keeps_its_random_weights(saved, model, labels):
    loaded = SqueezeBertForSequenceClassification.from_pretrained(
        saved, new_head=True, **labels
    )
    report, reason = loaded.load_report, "a new head was asked for"
    assert set(report.initialized) == {"classifier/kernel", "classifier/bias"}
    assert set(report.ignored) == {"classifier.weight", "classifier.bias"}
    assert {*report.initialized.values(), *report.ignored.values()} == {reason}
    inputs = make_inputs(2, 7)
    assert_equal_outputs(
        run(loaded.transformer, inputs), run(model.transformer, inputs), atol=0
    )
    assert run(loaded, inputs)["logits"].shape == (2, labels.get("num_labels", 3))


def test_labels_of_one_s_own(saved):
    labels = {0: "x", 1: "y"}
    loaded = SqueezeBertForSequenceClassification.from_pretrained(
        saved, new_head=True, id2label=labels
    )
    assert loaded.config == CONFIG.replace(id2label=labels)


@pytest.mark.parametrize("changes", [{"num_labels": 5}, {"id2label": {0: "x", 1: "y"}}])
def test_labels_may_change_with_a_given_config_too(saved, changes):
    loaded = SqueezeBertForSequenceClassification.from_pretrained(
        saved, config=CONFIG, new_head=True, **changes
    )
    assert loaded.config.num_labels == len(changes.get("id2label", range(5)))
    assert loaded.config.q_groups == CONFIG.q_groups


def test_a_misspelt_argument_is_not_passed_over(saved):
    with pytest.raises(InputError, match="new_heads"):
        SqueezeBertForSequenceClassification.from_pretrained(saved, new_heads=True)


# === Other shapes


def test_other_shapes_are_left_out_if_asked(saved, model, caplog):
    loaded = SqueezeBertForSequenceClassification.from_pretrained(
        saved, num_labels=5, ignore_mismatched_sizes=True
    )
    assert loaded.load_report.initialized == {
        "classifier/kernel": "shape (3, 96) there, (5, 96) here",
        "classifier/bias": "shape (3,) there, (5,) here",
    }
    assert loaded.load_report.ignored == {
        "classifier.weight": "shape (3, 96) there, (5, 96) here",
        "classifier.bias": "shape (3,) there, (5,) here",
    }
    assert caplog.messages == [str(loaded.load_report)]
    inputs = make_inputs(2, 7)
    assert_equal_outputs(
        run(loaded.transformer, inputs), run(model.transformer, inputs), atol=0
    )


def test_other_shapes_of_the_encoder_are_left_out_too(folder):
    with_a_kernel_of_other_groups(folder)
    loaded = SqueezeBertForSequenceClassification.from_pretrained(
        folder, ignore_mismatched_sizes=True
    )
    assert loaded.load_report.initialized == {
        "encoder_layer_0/attention/query/kernel": (
            "shape (96, 32, 1) there, (96, 48, 1) here"
        )
    }


def test_other_shapes_are_an_error_otherwise(saved):
    with pytest.raises(InputError, match=r"\(5, 96\)\. Received: \(3, 96\)"):
        SqueezeBertForSequenceClassification.from_pretrained(saved, num_labels=5)


# === What a checkpoint lacks, or has beside the weights


def without_pooler(folder):
    rewrite(
        folder,
        **{f"transformer.pooler.dense.{name}": None for name in ("weight", "bias")},
    )


def test_a_pooler_that_is_used_is_warned_of(folder, caplog):
    without_pooler(folder)
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    assert loaded.load_report.initialized == {
        "pooler/dense/kernel": "not in the checkpoint",
        "pooler/dense/bias": "not in the checkpoint",
    }
    assert caplog.record_tuples == [
        (
            "keras_squeezebert.models.pretrained_model",
            30,
            str(loaded.load_report),
        )
    ]


def test_a_pooler_without_use_is_not_warned_of(tmp_path, caplog):
    make_model("SqueezeBertForTokenClassification").save_pretrained(tmp_path)
    without_pooler(tmp_path)
    loaded = SqueezeBertForTokenClassification.from_pretrained(tmp_path)
    reason = "not in the checkpoint, unused by this head"
    assert loaded.load_report.initialized == {
        "pooler/dense/kernel": reason,
        "pooler/dense/bias": reason,
    }
    assert caplog.messages == []


def test_a_whole_checkpoint_is_not_warned_of(saved, caplog):
    SqueezeBertForSequenceClassification.from_pretrained(saved)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("transformer.embeddings.position_ids", "a list of positions, not a weight"),
        (
            "cls.seq_relationship.weight",
            "the sentence-pair head of pretraining, which no class has",
        ),
        (
            "lm_head.weight",
            "a masked-LM head of before November 2020, which had no transform",
        ),
        ("qa_outputs.weight", "the head of another task"),
        (
            "transformer.encoder.layers.2.attention.query.bias",
            "an encoder layer more than in config",
        ),
        ("teacher.weight", "not a weight of SqueezeBERT"),
    ],
)
def test_keys_without_a_variable_are_ignored_with_the_reason(folder, key, reason):
    rewrite(folder, **{key: np.arange(24)[None]})
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    assert loaded.load_report.ignored == {key: reason}
    assert loaded.load_report.initialized == {}


def test_fewer_layers_than_the_checkpoint_has(saved, model):
    loaded = SqueezeBertForSequenceClassification.from_pretrained(
        saved, num_hidden_layers=1
    )
    ignored = loaded.load_report.ignored
    assert len(ignored) == 16
    assert {key.partition("layers.1.")[0] for key in ignored} == {
        "transformer.encoder."
    }
    assert set(ignored.values()) == {"an encoder layer more than in config"}
    kept, inputs = weights_of(loaded), make_inputs(2, 7)
    np.testing.assert_array_equal(
        kept["classifier/kernel"], weights_of(model)["classifier/kernel"]
    )
    assert differ(run(loaded, inputs), run(model, inputs))


# === Names of other years


def prefixed(tensors):
    return {f"module.{key}": value for key, value in tensors.items()}


def without_prefix(tensors):
    return {key.removeprefix("transformer."): v for key, v in tensors.items()}


def gamma_and_beta(tensors):
    """TensorFlow's names, which the first files had."""
    return {
        re.sub(
            r"(layernorm)\.(weight|bias)$",
            lambda m: f"{m[1]}.{'gamma' if m[2] == 'weight' else 'beta'}",
            key,
            flags=re.IGNORECASE,
        ): value
        for key, value in tensors.items()
    }


@pytest.mark.parametrize("rename", [prefixed, without_prefix, gamma_and_beta])
def test_older_names(folder, model, rename):
    path = folder / "model.safetensors"
    tensors = rename(load_file(path))
    save_file(tensors, path)
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    assert sorted(loaded.load_report.loaded.values()) == sorted(tensors)
    for name, value in weights_of(model).items():
        np.testing.assert_array_equal(weights_of(loaded)[name], value)


@pytest.mark.parametrize(
    ("key", "again"),
    [
        ("embeddings.LayerNorm.weight", "transformer.embeddings.LayerNorm.gamma"),
        ("embeddings.LayerNorm.bias", "transformer.embeddings.LayerNorm.beta"),
        ("embeddings.LayerNorm.weight", "embeddings.LayerNorm.weight"),
        ("pooler.dense.bias", "module.transformer.pooler.dense.bias"),
    ],
)
def test_two_names_of_one_weight(folder, key, again):
    key = f"transformer.{key}"
    tensors = load_file(folder / "model.safetensors")
    rewrite(folder, **{again: tensors[key]})
    with pytest.raises(InputError, match="are the same weight") as error:
        SqueezeBertForSequenceClassification.from_pretrained(folder)
    assert repr(key) in str(error.value) and repr(again) in str(error.value)


# === The report


def test_a_report_of_nothing_but_loaded_weights():
    report = LoadReport(source="here", loaded={"a": "b", "c": "d"})
    assert str(report) == "here: 2 weights loaded"


def test_advice_ends_the_report():
    report = LoadReport(source="here", ignored={"a": "why"}, advice="Use it so.")
    assert str(report).splitlines() == [
        "here: 0 weights loaded, 1 ignored",
        "  ignored:",
        "    a (why)",
        "  Use it so.",
    ]


# === What does not fit changes nothing


def without_one_encoder_weight(folder):
    rewrite(folder, **{"transformer.encoder.layers.1.output.conv1d.bias": None})


def without_the_word_embeddings(folder):
    rewrite(folder, **{"transformer.embeddings.word_embeddings.weight": None})


def with_a_kernel_of_other_groups(folder):
    key = "transformer.encoder.layers.0.attention.query.weight"
    rewrite(folder, **{key: np.zeros((96, 32, 1), "float32")})


def with_a_transposed_kernel(folder):
    key = "transformer.encoder.layers.0.attention.query.weight"
    rewrite(folder, **{key: np.zeros((48, 96, 1), "float32")})


def with_other_labels(folder):
    rewrite(folder, **{"classifier.weight": np.zeros((4, 96), "float32")})


def truncated(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


def empty(folder):
    (folder / "model.safetensors").write_bytes(b"")


def foreign(folder):
    (folder / "model.safetensors").write_bytes(b"PK\3\4" + bytes(10_000))


def of_another_model(folder):
    tensors = {"bert.embeddings.word_embeddings.weight": np.zeros((101, 96), "float32")}
    save_file(tensors, folder / "model.safetensors")


def absent(folder):
    (folder / "model.safetensors").unlink()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            without_one_encoder_weight,
            r"lacks 1 weights of the encoder.*'encoder\.layers\.1\.output\.conv1d\.b",
        ),
        (without_the_word_embeddings, r"'embeddings\.word_embeddings\.weight'"),
        (
            with_a_kernel_of_other_groups,
            r"query.*Expected shape: \(96, 48, 1\). Received: \(96, 32, 1\)",
        ),
        (with_a_transposed_kernel, r"Received: \(48, 96, 1\)"),
        (with_other_labels, r"classifier.*\(3, 96\). Received: \(4, 96\)"),
        (truncated, "damaged or no safetensors file"),
        (empty, "damaged or no safetensors file"),
        (foreign, "damaged or no safetensors file"),
        (of_another_model, "lacks 36 weights of the encoder"),
        (absent, r"no weights in .*model\.safetensors, .*pytorch_model\.bin\.index"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_do_not_fit(folder, spoil, message):
    spoil(folder)
    model = make_model(CLASSIFIER, seed=5)
    before = weights_of(model)
    with pytest.raises(InputError, match=message):
        load_checkpoint(model, folder)
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path])
    with pytest.raises(InputError, match=message):
        SqueezeBertForSequenceClassification.from_pretrained(folder)


def test_a_model_of_fewer_layers(saved):
    config = CONFIG.replace(num_hidden_layers=3)
    with pytest.raises(InputError, match="SqueezeBERT of num_hidden_layers=3"):
        SqueezeBertForSequenceClassification.from_pretrained(saved, config=config)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"There is no such folder: .*absent"):
        SqueezeBertModel.from_pretrained(tmp_path / "absent")
    assert list(tmp_path.iterdir()) == []


# === A save that fails


def test_a_failed_save_leaves_the_old_folder(folder, monkeypatch):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(tensors, path, **kwargs):
        path.write_bytes(b"half of it")
        raise OSError("No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    other = make_model(CLASSIFIER, CONFIG.replace(id2label={0: "x", 1: "y"}), seed=5)
    with pytest.raises(OSError, match="No space left"):
        other.save_pretrained(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_save_keeps_other_files(folder, model):
    (folder / "vocab.txt").write_text("[PAD]")
    model.save_pretrained(folder)
    assert (folder / "vocab.txt").read_text() == "[PAD]"
