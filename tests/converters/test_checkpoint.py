"""Weights in and out of model.safetensors, whole or not at all."""

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
    SqueezeBertForQuestionAnswering,
    SqueezeBertForSequenceClassification,
    SqueezeBertForTokenClassification,
    SqueezeBertModel,
)
from keras_squeezebert.converters import checkpoint
from keras_squeezebert.errors import InputError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)
CLASSIFIER = "SqueezeBertForSequenceClassification"


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
    assert sorted(loaded.load_report.loaded) == sorted(v.path for v in model.weights)
    assert loaded.load_report.initialized == loaded.load_report.ignored == []


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


def test_swapped_kernels_of_one_shape_are_noticed(folder, model):
    tensors = load_file(folder / "model.safetensors")
    first, second = (
        f"transformer.encoder.layers.0.{name}.conv1d.weight"
        for name in ("post_attention", "output")
    )
    assert tensors[first].shape == tensors[second].shape
    rewrite(folder, **{first: tensors[second], second: tensors[first]})
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    inputs = make_inputs(2, 7)
    assert differ(run(loaded, inputs), run(model, inputs))


# === From one class to another


def test_a_base_model_into_a_task(tmp_path):
    base = make_model("SqueezeBertModel")
    base.save_pretrained(tmp_path)
    task = SqueezeBertForTokenClassification.from_pretrained(tmp_path)
    inputs = make_inputs(2, 7)
    actual = run(task.transformer, inputs)
    assert_equal_outputs(actual, run(base, inputs), atol=0)
    assert task.load_report.initialized == ["classifier/kernel", "classifier/bias"]
    assert task.load_report.ignored == []


def test_a_task_into_a_base_model(saved, model):
    base = SqueezeBertModel.from_pretrained(saved)
    inputs = make_inputs(2, 7)
    assert_equal_outputs(run(base, inputs), run(model.transformer, inputs), atol=0)
    assert base.load_report.initialized == []
    assert base.load_report.ignored == ["classifier.bias", "classifier.weight"]


def test_a_task_into_another(saved):
    task = SqueezeBertForQuestionAnswering.from_pretrained(saved)
    report = task.load_report
    assert report.initialized == ["qa_outputs/kernel", "qa_outputs/bias"]
    assert report.ignored == ["classifier.bias", "classifier.weight"]
    assert str(report) == (
        f"{len(report.loaded)} weights loaded; newly initialised: qa_outputs/kernel, "
        "qa_outputs/bias; ignored: classifier.bias, classifier.weight"
    )


def test_a_checkpoint_without_pooler(folder):
    rewrite(
        folder,
        **dict.fromkeys(
            ["transformer.pooler.dense.weight", "transformer.pooler.dense.bias"]
        ),
    )
    loaded = SqueezeBertForTokenClassification.from_pretrained(folder)
    assert loaded.load_report.initialized == [
        "pooler/dense/kernel",
        "pooler/dense/bias",
    ]


def test_keys_that_no_model_has_are_ignored(folder):
    key = "transformer.embeddings.position_ids"
    rewrite(folder, **{key: np.arange(24)[None]})
    loaded = SqueezeBertForSequenceClassification.from_pretrained(folder)
    assert loaded.load_report.ignored == [key]
    assert loaded.load_report.initialized == []


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
        (of_another_model, "lacks 37 weights of the encoder"),
        (absent, "No such file: .*model.safetensors"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_files_that_do_not_fit(folder, spoil, message):
    spoil(folder)
    model = make_model(CLASSIFIER, seed=5)
    before = weights_of(model)
    with pytest.raises(InputError, match=message):
        checkpoint.load_checkpoint(model, folder)
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path])
    with pytest.raises(InputError, match=message):
        SqueezeBertForSequenceClassification.from_pretrained(folder)


def test_a_model_of_fewer_layers(saved):
    config = CONFIG.replace(num_hidden_layers=3)
    with pytest.raises(InputError, match="SqueezeBERT of num_hidden_layers=3"):
        SqueezeBertForSequenceClassification.from_pretrained(saved, config=config)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="No such file"):
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
