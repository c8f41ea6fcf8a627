"""Agreement with the PyTorch original: outputs, losses, gradients; both directions."""

import json

import keras
import numpy as np
import pytest
from theirs import (
    as_torch,
    assert_accounted_for,
    assert_weights_equal,
    keys_of,
    load_theirs,
    make_theirs,
    randomize_theirs,
    run_theirs,
    torch,
    transformers,
    weights_from,
    write_bin,
)
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
from keras_squeezebert.config import PROBLEM_TYPES
from keras_squeezebert.converters import key_table
from keras_squeezebert.errors import InputError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)
MASKED_LM = "SqueezeBertForMaskedLM"
GROUPS = [name for name in vars(CONFIG) if name.endswith("_groups")]
CONFIGS = {
    "2-3-4-6-8-12": CONFIG,
    "2-4-8-2-4-1": CONFIG.replace(**dict(zip(GROUPS, [2, 4, 8, 2, 4, 1], strict=True))),
    "1-1-1-1-1-1": CONFIG.replace(**dict.fromkeys(GROUPS, 1)),
}
UNTIED = CONFIG.replace(tie_word_embeddings=False)


def load_ours(folder, architecture, **changes):
    return getattr(keras_squeezebert, architecture).from_pretrained(folder, **changes)


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


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_we_load_what_transformers_writes(architecture, config, tmp_path):
    theirs = make_theirs(architecture, config)
    theirs.save_pretrained(tmp_path)
    ours = load_ours(tmp_path, architecture)
    assert [getattr(ours.config, name) for name in GROUPS] == [
        getattr(config, name) for name in GROUPS
    ]
    assert ours.load_report.initialized == ours.load_report.ignored == {}
    assert_accounted_for(ours, keys_of(tmp_path))
    inputs = inputs_for(architecture)
    assert_equal_outputs(run(ours, inputs), run_theirs(theirs, inputs))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_there_and_back_changes_no_bit(architecture, tmp_path):
    ours = make_model(architecture)
    ours.save_pretrained(tmp_path / "ours")
    theirs = load_theirs(tmp_path / "ours", architecture)
    theirs.save_pretrained(tmp_path / "theirs")
    again = load_ours(tmp_path / "theirs", architecture)
    assert again.config == ours.config
    assert_weights_equal(again, {v.path: np.asarray(v) for v in ours.weights})
    assert keys_of(tmp_path / "theirs") == keys_of(tmp_path / "ours")
    assert_accounted_for(again, keys_of(tmp_path / "theirs"))


# === Labels


@pytest.mark.parametrize("problem_type", [None, *PROBLEM_TYPES])
@pytest.mark.parametrize(
    "architecture",
    ["SqueezeBertForSequenceClassification", "SqueezeBertForTokenClassification"],
)
def test_labels_survive_both_ways(architecture, problem_type, tmp_path):
    fields = {"id2label": {0: "no", 1: "yes"}, "problem_type": problem_type}
    theirs = make_theirs(architecture, ONE_LAYER.replace(**fields))
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_ours(tmp_path / "theirs", architecture)
    ours.save_pretrained(tmp_path / "ours")
    again = load_theirs(tmp_path / "ours", architecture)
    for config in (ours.config, again.config):
        assert {name: getattr(config, name) for name in fields} == fields
        assert config.num_labels == 2
    inputs = make_inputs(2, 7)
    logits = run_theirs(theirs, inputs)["logits"]
    assert logits.shape[-1] == 2
    np.testing.assert_array_equal(run_theirs(again, inputs)["logits"], logits)


# === A decoder of its own


def test_we_load_an_untied_decoder(tmp_path):
    theirs = make_theirs(MASKED_LM, UNTIED)
    theirs.save_pretrained(tmp_path)
    ours, inputs = load_ours(tmp_path, MASKED_LM), make_inputs(4, 7)
    assert_equal_outputs(run(ours, inputs), run_theirs(theirs, inputs))
    assert_accounted_for(ours, keys_of(tmp_path))
    assert ours.load_report.initialized == {}
    assert ours.load_report.ignored == {
        "cls.predictions.bias": "cls.predictions.decoder.bias counts instead"
    }


def test_transformers_loads_our_untied_decoder(tmp_path):
    ours, inputs = make_model(MASKED_LM, UNTIED), make_inputs(4, 7)
    ours.save_pretrained(tmp_path / "ours")
    theirs = load_theirs(tmp_path / "ours", MASKED_LM)
    assert_equal_outputs(run_theirs(theirs, inputs), run(ours, inputs))
    theirs.save_pretrained(tmp_path / "theirs")
    again = load_ours(tmp_path / "theirs", MASKED_LM)
    assert_weights_equal(again, {v.path: np.asarray(v) for v in ours.weights})


# === Files


def save_safetensors(model, folder):
    model.save_pretrained(folder)


def save_bin(model, folder):
    write_bin(folder, model.state_dict(), model.config.to_dict())


def save_old_bin(model, folder):
    """As PyTorch before 1.6 did."""
    save_bin(model, folder)
    torch.save(
        model.state_dict(),
        folder / "pytorch_model.bin",
        _use_new_zipfile_serialization=False,
    )


def save_sharded_safetensors(model, folder):
    model.save_pretrained(folder, max_shard_size="20KB")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2


def save_sharded_bin(model, folder):
    save_bin(model, folder)
    (folder / "pytorch_model.bin").unlink()
    state, count = model.state_dict(), 3
    weight_map = {
        key: f"pytorch_model-{1 + i % count:05}-of-{count:05}.bin"
        for i, key in enumerate(state)
    }
    for shard in set(weight_map.values()):
        own = {key: state[key] for key in state if weight_map[key] == shard}
        torch.save(own, folder / shard)
    (folder / "pytorch_model.bin.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map})
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize(
    ("save", "file"),
    [
        (save_safetensors, "model.safetensors"),
        (save_bin, "pytorch_model.bin"),
        (save_old_bin, "pytorch_model.bin"),
        (save_sharded_safetensors, "model.safetensors.index.json"),
        (save_sharded_bin, "pytorch_model.bin.index.json"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_form_and_precision_of_a_file(save, file, dtype, tmp_path):
    dtype = getattr(torch, dtype)
    # Made in that precision, so that float64 has digits that must be rounded off.
    theirs = randomize_theirs(make_theirs(MASKED_LM, ONE_LAYER).to(dtype))
    save(theirs, tmp_path)
    assert (tmp_path / file).is_file()
    state, rows = theirs.state_dict(), key_table(MASKED_LM, ONE_LAYER)
    assert {tensor.dtype for tensor in state.values()} == {dtype}
    ours = load_ours(tmp_path, MASKED_LM)
    assert_weights_equal(ours, weights_from(state, rows))
    assert ours.load_report.initialized == {}
    assert all("the same as" in why for why in ours.load_report.ignored.values())


def test_float64_is_rounded_once():
    theirs = randomize_theirs(make_theirs("SqueezeBertModel", ONE_LAYER).double())
    assert any((p.float().double() != p).any() for p in theirs.parameters())


# === BERT, which is a SqueezeBERT without groups

BERT_CONFIG = CONFIGS["1-1-1-1-1-1"].replace(layer_norm_eps=1e-12, type_vocab_size=2)
BERTS = {
    "BertModel": "SqueezeBertModel",
    "BertForMaskedLM": MASKED_LM,
    "BertForPreTraining": MASKED_LM,
    "BertForMultipleChoice": "SqueezeBertForMultipleChoice",
    "BertForQuestionAnswering": "SqueezeBertForQuestionAnswering",
    "BertForSequenceClassification": "SqueezeBertForSequenceClassification",
    "BertForTokenClassification": "SqueezeBertForTokenClassification",
}
WITHOUT_POOLER = (
    "BertForMaskedLM",
    "BertForQuestionAnswering",
    "BertForTokenClassification",
)


def make_bert(architecture, **changes):
    values = BERT_CONFIG.to_dict() | changes
    if architecture == "BertForQuestionAnswering":
        del values["id2label"]
    values = {name: v for name, v in values.items() if name not in GROUPS}
    config = transformers.BertConfig(**values, attn_implementation="eager")
    return randomize_theirs(getattr(transformers, architecture)(config))


def inputs_for_bert(architecture):
    inputs = inputs_for(architecture)
    return {**inputs, "token_type_ids": inputs["token_type_ids"] % 2}


@pytest.mark.parametrize("save", [save_safetensors, save_bin])
@pytest.mark.parametrize("architecture", BERTS)
def test_bert(architecture, save, tmp_path, caplog):
    bert = make_bert(architecture)
    save(bert, tmp_path)
    ours = load_ours(tmp_path, BERTS[architecture])
    assert ours.config == BERT_CONFIG.replace(id2label=ours.config.id2label)
    inputs = inputs_for_bert(BERTS[architecture])
    expected = run_theirs(bert, inputs)
    if architecture == "BertForPreTraining":
        expected = {"logits": expected["prediction_logits"]}
    assert_equal_outputs(run(ours, inputs), expected)

    new = ["pooler/dense/kernel", "pooler/dense/bias"]
    assert list(ours.load_report.initialized) == new * (architecture in WITHOUT_POOLER)
    assert caplog.messages == []
    assert_accounted_for(ours, keys_of(tmp_path))


def test_the_sentence_pair_head_of_a_bert_is_left_out(tmp_path):
    make_bert("BertForPreTraining").save_pretrained(tmp_path)
    ours = load_ours(tmp_path, MASKED_LM)
    reason = "the sentence-pair head of pretraining, which no class has"
    assert ours.load_report.ignored == {
        "cls.seq_relationship.bias": reason,
        "cls.seq_relationship.weight": reason,
    }


def test_layers_of_a_bert(tmp_path):
    bert = make_bert("BertModel")
    bert.save_pretrained(tmp_path)
    ours = load_ours(tmp_path, "SqueezeBertModel")
    inputs = inputs_for_bert("SqueezeBertModel")
    actual = ours.intermediate_outputs(inputs)
    with torch.no_grad():
        expected = bert(
            **as_torch(inputs), output_hidden_states=True, output_attentions=True
        )
    for name, count in (("hidden_states", 3), ("attentions", 2)):
        assert len(actual[name]) == len(expected[name]) == count
        for value, theirs in zip(actual[name], expected[name], strict=True):
            np.testing.assert_allclose(value, theirs, rtol=0, atol=1e-5)


def test_labels_of_a_bert(tmp_path):
    architecture = "BertForSequenceClassification"
    fields = {"id2label": {0: "no", 1: "yes"}, "problem_type": "regression"}
    make_bert(architecture, **fields).save_pretrained(tmp_path)
    ours = load_ours(tmp_path, BERTS[architecture])
    assert {name: getattr(ours.config, name) for name in fields} == fields


def test_a_bert_becomes_a_squeezebert(tmp_path):
    bert = make_bert("BertForSequenceClassification")
    bert.save_pretrained(tmp_path / "bert")
    architecture = "SqueezeBertForSequenceClassification"
    load_ours(tmp_path / "bert", architecture).save_pretrained(tmp_path / "ours")
    theirs = load_theirs(tmp_path / "ours", architecture)
    inputs = inputs_for_bert(architecture)
    assert_equal_outputs(run_theirs(theirs, inputs), run_theirs(bert, inputs))


@pytest.mark.parametrize("groups", [{}, dict.fromkeys(GROUPS, 1) | {"v_groups": 2}])
def test_a_bert_into_a_model_with_groups(tmp_path, groups):
    make_bert("BertModel").save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    values = json.loads(path.read_text()) | groups
    path.write_text(json.dumps(values | {"model_type": "squeezebert"}))
    with pytest.raises(InputError, match=r"a BERT, .*group count is 1.*'v_groups': "):
        load_ours(tmp_path, "SqueezeBertModel")


def test_a_bert_whose_groups_are_changed(tmp_path):
    make_bert("BertModel").save_pretrained(tmp_path)
    with pytest.raises(InputError, match="'q_groups': 2"):
        load_ours(tmp_path, "SqueezeBertModel", q_groups=2)


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


# === Gradients

TRAINED = {
    **LABELS,
    "SqueezeBertForSequenceClassification": np.array([2, 0, 1, 1]),
    "SqueezeBertForQuestionAnswering": {
        "start_logits": np.array([0, 3, 6, SEQ]),
        "end_logits": np.array([1, 6, 6, 5]),
    },
}
WORDS = "transformer.embeddings.word_embeddings.weight"


def without_padding(inputs):
    return {**inputs, "input_ids": np.maximum(inputs["input_ids"], 1)}


def with_padding(inputs):
    ids = np.maximum(inputs["input_ids"], 1) * inputs["attention_mask"]
    return {**inputs, "input_ids": ids.astype("int32")}


def steps_of_both(architecture, inputs, labels, folder):
    """One step of plain descent, ours read off the weights: two dicts by their keys."""
    ours, theirs = both_models(architecture, folder, **WITHOUT_DROPOUT)
    named = labels if isinstance(labels, dict) else {"labels": labels}
    named = {name.replace("_logits", "_positions"): v for name, v in named.items()}
    theirs.eval()(**as_torch(inputs | named)).loss.backward()
    # What no output depends on has no gradient there.
    expected = {
        name: np.zeros(parameter.shape, "float32")
        if parameter.grad is None
        else parameter.grad.numpy()
        for name, parameter in theirs.named_parameters()
    }
    ours.compile(optimizer=keras.optimizers.SGD(1.0), jit_compile=False)
    before = {v.path: np.array(np.asarray(v)) for v in ours.weights}
    ours.train_on_batch(inputs, labels)
    after = {v.path: np.asarray(v) for v in ours.weights}
    actual = {
        row.key: row.transform(before[row.variable] - after[row.variable])
        for row in key_table(architecture, ours.config)
    }
    return actual, expected


@pytest.mark.parametrize("architecture", HEADS)
def test_gradients(architecture, tmp_path):
    inputs, labels = without_padding(inputs_for(architecture)), TRAINED[architecture]
    actual, expected = steps_of_both(architecture, inputs, labels, tmp_path)
    assert sorted(actual) == sorted(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(actual[key], value, rtol=0, atol=1e-5, err_msg=key)
    # The pooler may be out of use, and a softmax cancels what a bias adds to all of it.
    unmoved = [key for key, value in expected.items() if np.abs(value).max() < 1e-4]
    assert all(key.endswith("bias") or "pooler" in key for key in unmoved)
    assert len(unmoved) <= 5


def test_the_tied_table_has_a_gradient_as_decoder_too(tmp_path):
    """As in the comparison above, which would be of little worth otherwise."""
    inputs = without_padding(make_inputs(4, SEQ))
    absent = np.setdiff1d(np.arange(CONFIG.vocab_size), inputs["input_ids"])
    _, expected = steps_of_both(MASKED_LM, inputs, TRAINED[MASKED_LM], tmp_path)
    assert len(absent) > 50
    assert np.abs(expected[WORDS][absent]).max() > 1e-3


@pytest.mark.parametrize("architecture", HEADS)
def test_gradients_of_the_padding_s_row(architecture, tmp_path):
    """PyTorch drops those of its use as an input.

    Of padding there are none but in question answering, whose softmax is over all
    positions, so that even the scores of padding are trained.
    """
    inputs, labels = with_padding(inputs_for(architecture)), TRAINED[architecture]
    if architecture in (MASKED_LM, "SqueezeBertForTokenClassification"):
        labels = np.where(inputs["attention_mask"], labels, -100)
    actual, expected = steps_of_both(architecture, inputs, labels, tmp_path)
    np.testing.assert_allclose(actual[WORDS], expected[WORDS], rtol=0, atol=1e-5)
