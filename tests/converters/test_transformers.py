"""Agreement with the PyTorch original: outputs and losses, in both directions."""

import keras
import numpy as np
import pytest
from safetensors.numpy import load_file
from tiny import (
    ARCHITECTURES,
    CONFIG,
    HEADS,
    ONE_LAYER,
    WITHOUT_DROPOUT,
    assert_equal_outputs,
    inputs_for,
    make_inputs,
    make_model,
    run,
)

import keras_squeezebert
from keras_squeezebert.converters import key_table

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)


def as_torch(arrays):
    return {
        name: torch.tensor(value, dtype=torch.long if value.dtype.kind == "i" else None)
        for name, value in arrays.items()
    }


def run_theirs(model, inputs, **labels):
    with torch.no_grad():
        outputs = model.eval()(**as_torch(inputs | labels))
    return {name: value.numpy() for name, value in outputs.items()}


def load_theirs(folder, architecture):
    """Their model of a folder of ours, which must lack and exceed nothing."""
    model, report = getattr(transformers, architecture).from_pretrained(
        folder, output_loading_info=True
    )
    for kind, keys in report.items():
        assert not keys, kind
    return model


# === Outputs


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_transformers_loads_ours(architecture, tmp_path, capfd):
    ours, inputs = make_model(architecture), inputs_for(architecture)
    ours.save_pretrained(tmp_path)
    capfd.readouterr()
    theirs = load_theirs(tmp_path, architecture)
    printed = "".join(capfd.readouterr()).lower()
    assert "initialized" not in printed and "warn" not in printed
    assert_equal_outputs(run_theirs(theirs, inputs), run(ours, inputs))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_we_load_what_transformers_writes(architecture, tmp_path):
    values = CONFIG.to_dict() | {"id2label": None}
    theirs = getattr(transformers, architecture)(
        transformers.SqueezeBertConfig(**values)
    )
    generator = torch.Generator().manual_seed(0)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.2, generator=generator)
    theirs.save_pretrained(tmp_path)
    ours = getattr(keras_squeezebert, architecture).from_pretrained(tmp_path)
    assert ours.load_report.initialized == ours.load_report.ignored == []
    inputs = inputs_for(architecture)
    assert_equal_outputs(run(ours, inputs), run_theirs(theirs, inputs))


def test_without_groups_it_is_bert(tmp_path):
    groups = [name for name in vars(CONFIG) if name.endswith("_groups")]
    config = CONFIG.replace(layer_norm_eps=1e-12, **dict.fromkeys(groups, 1))
    ours = make_model("SqueezeBertModel", config)
    ours.save_pretrained(tmp_path)
    renamed = {
        "encoder.layers": "encoder.layer",
        "post_attention.conv1d": "attention.output.dense",
        "post_attention.layernorm": "attention.output.LayerNorm",
        "intermediate.conv1d": "intermediate.dense",
        "output.conv1d": "output.dense",
        "output.layernorm": "output.LayerNorm",
        **{f"attention.{x}": f"attention.self.{x}" for x in ("query", "key", "value")},
    }
    weights = {}
    for key, value in load_file(tmp_path / "model.safetensors").items():
        for old, new in renamed.items():
            key = key.replace(old, new, 1)
        weights[key] = torch.tensor(value.squeeze(-1) if value.ndim == 3 else value)
    fields = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads")
    more = ("intermediate_size", "max_position_embeddings", "type_vocab_size")
    bert = transformers.BertModel(
        transformers.BertConfig(
            **{name: getattr(config, name) for name in fields + more}
        )
    )
    left_over = bert.load_state_dict(weights, strict=False)
    assert not left_over.unexpected_keys
    assert {key.rpartition(".")[2] for key in left_over.missing_keys} <= {
        "position_ids"
    }
    inputs = make_inputs(4, 7)
    assert_equal_outputs(run_theirs(bert, inputs), run(ours, inputs))


# === Losses

RNG = np.random.default_rng(3)
SEQ = 7
SCORES = RNG.standard_normal((4, 3)).astype("float32")
LABELS = {
    "SqueezeBertForMaskedLM": RNG.integers(101, size=(4, SEQ)),
    "SqueezeBertForMultipleChoice": np.array([4, 0, 2, 1]),
    "SqueezeBertForSequenceClassification": np.array([2, 0, -100, 1]),
    "SqueezeBertForTokenClassification": RNG.integers(3, size=(4, SEQ)),
}
for labels in (
    LABELS["SqueezeBertForMaskedLM"],
    LABELS["SqueezeBertForTokenClassification"],
):
    labels[RNG.random(labels.shape) < 0.6] = -100


def both_models(architecture, folder, **changes):
    ours = make_model(architecture, ONE_LAYER.replace(**changes))
    ours.save_pretrained(folder)
    return ours, load_theirs(folder, architecture)


def our_loss(model, inputs, labels):
    model.compile(run_eagerly=True)  # quicker than tracing
    return model.evaluate(inputs, labels, verbose=0, return_dict=True)["loss"]


@pytest.mark.parametrize("architecture", LABELS)
def test_loss(architecture, tmp_path):
    ours, theirs = both_models(architecture, tmp_path)
    inputs, labels = inputs_for(architecture), LABELS[architecture]
    expected = run_theirs(theirs, inputs, labels=labels)["loss"]
    assert our_loss(ours, inputs, labels) == pytest.approx(expected, abs=1e-5)
    # Ignored labels would have counted.
    if (labels == -100).any():
        counted = np.where(labels == -100, 0, labels)
        assert our_loss(ours, inputs, counted) != pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ([0, 3, 6, 2], [1, 6, 6, 5]),
        ([0, SEQ, 6, 100], [1, 6, SEQ + 1, 5]),  # past the sequence
        ([-1, 3, -5, 2], [1, -1, 6, 5]),
    ],
    ids=["inside", "past", "negative"],
)
def test_loss_of_question_answering(tmp_path, start, end):
    ours, theirs = both_models("SqueezeBertForQuestionAnswering", tmp_path)
    inputs, start, end = make_inputs(4, SEQ), np.array(start), np.array(end)
    expected = run_theirs(theirs, inputs, start_positions=start, end_positions=end)
    actual = our_loss(ours, inputs, {"start_logits": start, "end_logits": end})
    assert actual == pytest.approx(expected["loss"], abs=1e-5)


@pytest.mark.parametrize(
    ("problem_type", "num_labels", "labels"),
    [
        (None, 1, SCORES[:, 0]),
        ("regression", 1, SCORES[:, 0]),
        ("regression", 3, SCORES),
        (None, 3, np.array([2, 0, 1, 1])),
        ("single_label_classification", 3, np.array([2, 0, 1, 1])),
        ("multi_label_classification", 3, (SCORES > 0).astype("float32")),
    ],
)
def test_loss_by_problem_type(tmp_path, problem_type, num_labels, labels):
    ours, theirs = both_models(
        "SqueezeBertForSequenceClassification",
        tmp_path,
        problem_type=problem_type,
        id2label={i: str(i) for i in range(num_labels)},
    )
    inputs = make_inputs(4, SEQ)
    expected = run_theirs(theirs, inputs, labels=labels)["loss"]
    assert our_loss(ours, inputs, labels) == pytest.approx(expected, abs=1e-5)


def test_every_head_has_its_loss_compared():
    assert {*LABELS, "SqueezeBertForQuestionAnswering"} == set(HEADS)


def test_gradients(tmp_path):
    """Of one step of plain descent, read off the weights."""
    architecture = "SqueezeBertForSequenceClassification"
    ours, theirs = both_models(architecture, tmp_path, **WITHOUT_DROPOUT)
    inputs, labels = make_inputs(4, SEQ), np.array([2, 0, 1, 1])
    theirs.eval()(**as_torch(inputs | {"labels": labels})).loss.backward()
    ours.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False)
    before = {v.path: np.array(np.asarray(v)) for v in ours.weights}
    ours.train_on_batch(inputs, labels)
    gradients = {
        name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()
    }
    rows = key_table(architecture, 1)
    assert len(rows) == len(gradients)
    for row in rows:
        variable = next(v for v in ours.weights if v.path == row.variable)
        step = row.transform(before[row.variable] - np.asarray(variable))
        np.testing.assert_allclose(
            step, gradients[row.key], rtol=0, atol=1e-5, err_msg=row.key
        )
    assert max(np.abs(gradient).max() for gradient in gradients.values()) > 0.01
