"""Checkpoints of other years: read as what they are, written as today's."""

import re

import numpy as np
import pytest
from theirs import (
    assert_accounted_for,
    assert_weights_equal,
    keys_of,
    load_theirs,
    make_theirs,
    run_theirs,
    torch,
    transformers,
    weights_from,
    write_bin,
)
from tiny import (
    ARCHITECTURES,
    ONE_LAYER,
    assert_equal_outputs,
    differ,
    inputs_for,
    make_inputs,
    run,
)

import keras_squeezebert
from keras_squeezebert import SqueezeBertTokenizerFast
from keras_squeezebert.converters import key_table
from keras_squeezebert.errors import InputError

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)
BASE = "SqueezeBertModel"
MASKED_LM = "SqueezeBertForMaskedLM"
CLASSIFIER = "SqueezeBertForSequenceClassification"
# What these compute does not depend on it.
WITHOUT_USE_OF_THE_POOLER = (
    "SqueezeBertForMaskedLM",
    "SqueezeBertForQuestionAnswering",
    "SqueezeBertForTokenClassification",
)
# What config.json has had from the first; the rest came with the years.
FIRST_FIELDS = [
    "model_type",
    "vocab_size",
    "embedding_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
    "q_groups",
    "k_groups",
    "v_groups",
    "post_attention_groups",
    "intermediate_groups",
    "output_groups",
]
OLD = ONE_LAYER.replace(layer_norm_eps=1e-12, id2label=None)


def old_config(theirs):
    values = theirs.config.to_dict()
    return {name: values[name] for name in FIRST_FIELDS}


def load_ours(folder, architecture, **arguments):
    return getattr(keras_squeezebert, architecture).from_pretrained(folder, **arguments)


def head_of(model):
    paths = [variable.path for variable in model.weights]
    return [p for p in paths if not p.startswith(("embeddings", "encoder", "pooler"))]


POOLER = ["pooler/dense/kernel", "pooler/dense/bias"]


# === Forms, each of which changes a state dict that transformers has today


def in_a_module(tensors):
    """From inside torch.nn.DataParallel."""
    return {f"module.{key}": value for key, value in tensors.items()}


def without_prefix(tensors):
    return {key.removeprefix("transformer."): value for key, value in tensors.items()}


def with_prefix(tensors):
    return {f"transformer.{key}": value for key, value in tensors.items()}


def gamma_and_beta(tensors):
    names = {"weight": "gamma", "bias": "beta"}
    pattern = re.compile(r"(layernorm)\.(weight|bias)$", re.IGNORECASE)
    return {
        pattern.sub(lambda match: f"{match[1]}.{names[match[2]]}", key): value
        for key, value in tensors.items()
    }


def with_position_ids(tensors):
    prefix = "transformer." if "embeddings.LayerNorm.bias" not in tensors else ""
    ids = torch.arange(24).expand(1, -1)
    return {f"{prefix}embeddings.position_ids": ids, **tensors}


def all_at_once(tensors):
    tensors = gamma_and_beta(with_position_ids(tensors))
    return in_a_module({key: value.half() for key, value in tensors.items()})


def today(tensors):
    return tensors


@pytest.mark.parametrize(
    "form",
    [
        today,
        in_a_module,
        without_prefix,
        gamma_and_beta,
        with_position_ids,
        all_at_once,
    ],
)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_form_of_every_class(architecture, form, tmp_path, caplog):
    theirs, inputs = make_theirs(architecture, OLD), inputs_for(architecture)
    if form is all_at_once:
        theirs = theirs.half().float()
    expected = run_theirs(theirs, inputs)
    (tmp_path / "old").mkdir()
    write_bin(tmp_path / "old", form(theirs.state_dict()), old_config(theirs))

    ours = load_ours(tmp_path / "old", architecture)
    assert ours.config == OLD
    rows = key_table(architecture, OLD)
    assert_weights_equal(ours, weights_from(theirs.state_dict(), rows))
    assert_equal_outputs(run(ours, inputs), expected)
    assert_accounted_for(ours, keys_of(tmp_path / "old"))
    assert ours.load_report.initialized == {} and caplog.messages == []
    left_out = {
        key.removeprefix("module.").removeprefix("transformer.")
        for key in ours.load_report.ignored
    }
    assert left_out <= {
        "embeddings.position_ids",
        "cls.predictions.decoder.weight",
        "cls.predictions.decoder.bias",
    }

    ours.save_pretrained(tmp_path / "new")
    again = load_theirs(tmp_path / "new", architecture)
    assert_equal_outputs(run_theirs(again, inputs), expected, atol=0)


# === The decoder that is the embedding table

WORDS = "transformer.embeddings.word_embeddings.weight"
DECODER = "cls.predictions.decoder.weight"
BIAS, DECODER_BIAS = "cls.predictions.bias", "cls.predictions.decoder.bias"


@pytest.mark.parametrize(
    ("lacking", "loaded", "ignored"),
    [
        ([DECODER, DECODER_BIAS], [WORDS, BIAS], {}),
        ([DECODER], [WORDS, BIAS], {DECODER_BIAS: f"the same as {BIAS}"}),
        ([DECODER_BIAS], [WORDS, BIAS], {DECODER: f"the same as {WORDS}"}),
        (
            [],
            [WORDS, BIAS],
            {
                DECODER: f"the same as {WORDS}",
                DECODER_BIAS: f"the same as {BIAS}",
            },
        ),
        ([WORDS, BIAS], [DECODER, DECODER_BIAS], {}),
        ([WORDS], [DECODER, BIAS], {DECODER_BIAS: f"the same as {BIAS}"}),
        ([BIAS], [WORDS, DECODER_BIAS], {DECODER: f"the same as {WORDS}"}),
        ([WORDS, DECODER_BIAS], [DECODER, BIAS], {}),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_a_tied_decoder(lacking, loaded, ignored, tmp_path):
    theirs, inputs = make_theirs(MASKED_LM, OLD), make_inputs(4, 7)
    state = theirs.state_dict()
    kept = {key: value for key, value in state.items() if key not in lacking}
    write_bin(tmp_path, kept, old_config(theirs))
    ours = load_ours(tmp_path, MASKED_LM)
    report = ours.load_report
    assert report.initialized == {} and report.ignored == ignored
    assert report.loaded["embeddings/word_embeddings"] == loaded[0]
    assert report.loaded["predictions/bias"] == loaded[1]
    assert_accounted_for(ours, kept)
    assert_equal_outputs(run(ours, inputs), run_theirs(theirs, inputs))
    ours.save_pretrained(tmp_path / "new")
    again = load_theirs(tmp_path / "new", MASKED_LM)
    assert_equal_outputs(run_theirs(again, inputs), run_theirs(theirs, inputs), atol=0)


@pytest.mark.parametrize("architecture", [BASE, CLASSIFIER])
def test_the_table_of_a_decoder_alone_serves_other_classes(architecture, tmp_path):
    theirs = make_theirs(MASKED_LM, OLD)
    state = theirs.state_dict()
    del state[WORDS]
    write_bin(tmp_path, state, old_config(theirs))
    ours = load_ours(tmp_path, architecture)
    assert ours.load_report.loaded["embeddings/word_embeddings"] == DECODER
    assert_accounted_for(ours, state)
    inputs = make_inputs(4, 7)
    base = getattr(ours, "transformer", ours)
    assert_equal_outputs(run(base, inputs), run_theirs(theirs.transformer, inputs))


@pytest.fixture
def differing(tmp_path):
    """A masked LM whose decoder is not the table, though its config ties them."""
    theirs = make_theirs(MASKED_LM, OLD, tie_word_embeddings=False)
    config = theirs.config.to_dict() | {"tie_word_embeddings": True}
    return theirs, write_bin(tmp_path, theirs.state_dict(), config)


def test_a_decoder_that_differs_is_refused(differing):
    _, folder = differing
    with pytest.raises(InputError, match="tie_word_embeddings=False") as error:
        load_ours(folder, MASKED_LM)
    assert repr(DECODER) in str(error.value) and repr(WORDS) in str(error.value)


@pytest.mark.parametrize(("key", "tied"), [(DECODER, WORDS), (DECODER_BIAS, BIAS)])
def test_one_differing_weight_is_enough(differing, key, tied):
    theirs, folder = differing
    state = theirs.state_dict()
    other = {DECODER: DECODER_BIAS, DECODER_BIAS: DECODER}[key]
    write_bin(folder, {k: v for k, v in state.items() if k != other}, OLD.to_dict())
    with pytest.raises(InputError, match=f"'{key}' differs from '{tied}'"):
        load_ours(folder, MASKED_LM)


def test_a_decoder_that_differs_is_loaded_if_it_need_not_be_tied(differing, tmp_path):
    theirs, folder = differing
    ours = load_ours(folder, MASKED_LM, tie_word_embeddings=False)
    inputs = make_inputs(4, 7)
    assert_equal_outputs(run(ours, inputs), run_theirs(theirs, inputs))
    # transformers ties none that differ, whatever the config says.
    read = transformers.SqueezeBertForMaskedLM.from_pretrained(folder)
    assert_equal_outputs(run(ours, inputs), run_theirs(read, inputs))

    ours.save_pretrained(tmp_path / "new")
    again = load_theirs(tmp_path / "new", MASKED_LM)
    assert_equal_outputs(run_theirs(again, inputs), run_theirs(theirs, inputs), atol=0)


@pytest.mark.parametrize(
    "architecture", [name for name in ARCHITECTURES if name != MASKED_LM]
)
def test_a_decoder_that_differs_is_nothing_to_other_classes(differing, architecture):
    theirs, folder = differing
    ours, inputs = load_ours(folder, architecture), make_inputs(4, 7)
    base = getattr(ours, "transformer", ours)
    assert_equal_outputs(run(base, inputs), run_theirs(theirs.transformer, inputs))
    assert ours.load_report.ignored[DECODER] == "the head of another task"


# === Heads of other years

LOGGER = "keras_squeezebert.models.pretrained_model"


def warnings_of(caplog):
    return [message for name, _, message in caplog.record_tuples if name == LOGGER]


def test_a_masked_lm_head_without_transform_starts_anew(tmp_path, caplog):
    theirs = make_theirs(MASKED_LM, OLD)
    state = theirs.state_dict()
    state = {key: value for key, value in state.items() if not key.startswith("cls.")}
    old = {"lm_head.weight": state[WORDS], "lm_head.bias": theirs.state_dict()[BIAS]}
    write_bin(tmp_path, state | old, old_config(theirs))
    ours = load_ours(tmp_path, MASKED_LM)
    reason = "a masked-LM head of before November 2020, which had no transform"
    assert ours.load_report.ignored == dict.fromkeys(old, reason)
    assert sorted(ours.load_report.initialized) == sorted(head_of(ours))
    assert warnings_of(caplog) == [str(ours.load_report)]
    inputs = make_inputs(4, 7)
    assert_equal_outputs(
        run(ours.transformer, inputs), run_theirs(theirs.transformer, inputs)
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sentence_pair_head_is_left_out(architecture, tmp_path, caplog):
    """A pretrained checkpoint, into the class of every task."""
    theirs = make_theirs(MASKED_LM, OLD)
    state = theirs.state_dict()
    more = {
        "cls.seq_relationship.weight": torch.ones(2, 96),
        "cls.seq_relationship.bias": torch.ones(2),
    }
    write_bin(tmp_path, with_position_ids(state | more), old_config(theirs))
    ours = load_ours(tmp_path, architecture)
    report = ours.load_report
    reason = "the sentence-pair head of pretraining, which no class has"
    assert {report.ignored[key] for key in more} == {reason}
    assert_accounted_for(ours, keys_of(tmp_path))
    new = [] if architecture == MASKED_LM else head_of(ours)
    assert list(report.initialized) == new
    assert warnings_of(caplog) == [str(report)] * bool(new)


# === No pooler


@pytest.mark.parametrize("form", [today, with_prefix])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_encoder_alone_into_every_class(architecture, form, tmp_path, caplog):
    theirs = make_theirs(BASE, OLD)
    state = theirs.state_dict()
    state = {key: value for key, value in state.items() if "pooler" not in key}
    write_bin(tmp_path, form(state), old_config(theirs))
    ours = load_ours(tmp_path, architecture)
    initialized = ours.load_report.initialized
    assert sorted(initialized) == sorted(POOLER + head_of(ours))
    unused = ", unused by this head" * (architecture in WITHOUT_USE_OF_THE_POOLER)
    for path, why in initialized.items():
        assert why == "not in the checkpoint" + (unused if path in POOLER else "")
    assert warnings_of(caplog) == [str(ours.load_report)]
    assert_accounted_for(ours, keys_of(tmp_path))
    inputs = make_inputs(4, 7)
    actual = run(getattr(ours, "transformer", ours), inputs)["last_hidden_state"]
    expected = run_theirs(theirs, inputs)["last_hidden_state"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_pooler_is_missed_only_where_it_is_used(architecture, tmp_path, caplog):
    theirs, inputs = make_theirs(architecture, OLD), inputs_for(architecture)
    state = theirs.state_dict()
    state = {key: value for key, value in state.items() if "pooler" not in key}
    write_bin(tmp_path, state, old_config(theirs))
    ours = load_ours(tmp_path, architecture)
    assert list(ours.load_report.initialized) == POOLER
    agree = not differ(run(ours, inputs), run_theirs(theirs, inputs))
    assert agree == (architecture in WITHOUT_USE_OF_THE_POOLER)
    assert warnings_of(caplog) == [str(ours.load_report)] * (not agree)
    # Written, it is there: transformers misses nothing.
    ours.save_pretrained(tmp_path / "new")
    again = load_theirs(tmp_path / "new", architecture)
    assert_equal_outputs(run_theirs(again, inputs), run(ours, inputs))


# === Whole checkpoints


def test_more_rows_than_the_tokenizer_has_pieces(tmp_path):
    """The authors rounded the table up to a multiple of eight."""
    tokenizer = SqueezeBertTokenizerFast()
    theirs = make_theirs(MASKED_LM, OLD.replace(vocab_size=30528))
    write_bin(tmp_path, theirs.half().state_dict(), old_config(theirs))
    tokenizer.save_pretrained(tmp_path)
    ours = load_ours(tmp_path, MASKED_LM)
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(tmp_path)
    assert (ours.config.vocab_size, tokenizer.vocab_size) == (30528, 30522)
    inputs = tokenizer(["paris is the [MASK] of france.", "a [MASK]"])
    actual, expected = run(ours, inputs), run_theirs(theirs.float(), inputs)
    assert actual["logits"].shape[-1] == 30528
    assert_equal_outputs(actual, expected)


def test_a_classifier_whose_labels_have_no_names(tmp_path):
    """Nor their number in the config: it has to be given."""
    theirs = make_theirs(CLASSIFIER, OLD.replace(id2label={0: "a", 1: "b", 2: "c"}))
    write_bin(tmp_path, theirs.state_dict(), old_config(theirs))
    with pytest.raises(InputError, match=r"\(2, 96\)\. Received: \(3, 96\)"):
        load_ours(tmp_path, CLASSIFIER)
    ours, inputs = load_ours(tmp_path, CLASSIFIER, num_labels=3), make_inputs(4, 7)
    assert_equal_outputs(run(ours, inputs), run_theirs(theirs, inputs))
    assert ours.load_report.initialized == ours.load_report.ignored == {}


def test_labels_by_their_number(tmp_path):
    theirs = make_theirs(CLASSIFIER, OLD.replace(id2label={0: "a", 1: "b", 2: "c"}))
    write_bin(tmp_path, theirs.state_dict(), old_config(theirs) | {"num_labels": 3})
    ours = load_ours(tmp_path, CLASSIFIER)
    assert list(ours.config.id2label.values()) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    named = load_ours(tmp_path, CLASSIFIER, id2label={0: "a", 1: "b", 2: "c"})
    assert list(named.config.id2label.values()) == ["a", "b", "c"]
