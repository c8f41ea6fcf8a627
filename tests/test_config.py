"""SqueezeBertConfig: validation, round trips, and agreement with transformers."""

import dataclasses
import json
import math

import pytest

from keras_squeezebert.config import ACTIVATIONS, PROBLEM_TYPES, SqueezeBertConfig
from keras_squeezebert.errors import InputError
from keras_squeezebert.presets import PRESETS

FIELDS = [field.name for field in dataclasses.fields(SqueezeBertConfig)]

# No value is a default's and no two group counts are equal, so that none can stand
# in for another.
SMALL = {
    "vocab_size": 99,
    "hidden_size": 120,
    "num_hidden_layers": 2,
    "num_attention_heads": 10,
    "intermediate_size": 240,
    "hidden_act": "relu",
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "max_position_embeddings": 33,
    "type_vocab_size": 3,
    "initializer_range": 0.05,
    "layer_norm_eps": 1e-6,
    "pad_token_id": 7,
    "embedding_size": 120,
    "q_groups": 1,
    "k_groups": 2,
    "v_groups": 3,
    "post_attention_groups": 5,
    "intermediate_groups": 6,
    "output_groups": 8,
    "tie_word_embeddings": True,
    "id2label": {0: "no", 1: "maybe", 2: "yes"},
    "problem_type": "multi_label_classification",
}

DIVISORS = [
    "num_attention_heads",
    "q_groups",
    "k_groups",
    "v_groups",
    "post_attention_groups",
    "intermediate_groups",
    "output_groups",
]


def small(**changes):
    return SqueezeBertConfig(**{**SMALL, **changes})


def write_config(folder, values):
    (folder / "config.json").write_text(json.dumps(values))
    return folder


def test_the_small_config_sets_every_field():
    assert list(SMALL) == FIELDS
    assert dataclasses.asdict(small()) == SMALL


def test_defaults_are_the_base_model():
    config = SqueezeBertConfig()
    assert (config.num_hidden_layers, config.hidden_size) == (12, 768)
    assert config.embedding_size == 768
    assert [getattr(config, name) for name in FIELDS if name.endswith("_groups")] == [
        *(4, 4, 4),
        *(1, 4, 4),
    ]


# === Labels


def test_labels():
    config = small()
    assert config.num_labels == 3
    assert config.label2id == {"no": 0, "maybe": 1, "yes": 2}


def test_label_ids_may_be_strings_and_in_any_order():
    config = small(
        id2label={"1": "b", "0": "a", "10": "k"} | {i: i for i in range(2, 10)}
    )
    assert list(config.id2label) == list(range(11))
    assert config.id2label[10] == "k"
    assert config.id2label[5] == "5"


# === Validation


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: wrong}, f"`{name}` .* Expected: int. Received: {name}=")
            for name, default in SMALL.items()
            if type(default) is int
            for wrong in ("4", 4.0, True, [4])
        ),
        *(
            ({name: None}, f"Expected: int. Received: {name}=None")
            for name, default in SMALL.items()
            if type(default) is int and name != "embedding_size"
        ),
        *(
            ({name: wrong}, f"`{name}` .* Expected: float. Received: {name}=")
            for name, default in SMALL.items()
            if type(default) is float
            for wrong in ("0.1", None, True)
        ),
        ({"hidden_act": None}, "Expected: str. Received: hidden_act=None"),
        ({"tie_word_embeddings": 1}, "Expected: bool. Received: tie_word_embeddings=1"),
    ],
)
def test_types(changes, message):
    with pytest.raises(InputError, match=message):
        small(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(
            ({name: wrong}, f"`{name}` must be positive. Received: {name}={wrong}")
            for name in [
                "vocab_size",
                "hidden_size",
                "num_hidden_layers",
                "intermediate_size",
                "max_position_embeddings",
                "type_vocab_size",
                "layer_norm_eps",
                "initializer_range",
                *DIVISORS,
            ]
            for wrong in (0, -1)
        ),
        *(
            ({name: wrong}, rf"`{name}` must be in \[0, 1\). Received: {name}={wrong}")
            for name in ("hidden_dropout_prob", "attention_probs_dropout_prob")
            for wrong in (-0.1, 1, 1.5, math.nan)
        ),
        *(
            pytest.param(
                {name: wrong},
                f"Received: {name}={wrong}",
            )
            for name in ("layer_norm_eps", "initializer_range")
            for wrong in (math.nan, math.inf)
        ),
        ({"pad_token_id": -1}, "Received: pad_token_id=-1, vocab_size=99"),
        ({"pad_token_id": 99}, "Received: pad_token_id=99, vocab_size=99"),
        ({"hidden_act": "tanh"}, "'gelu', .*Received: hidden_act='tanh'"),
        ({"problem_type": "ranking"}, "'regression', .*Received: problem_type='rank"),
        ({"problem_type": 1}, "Received: problem_type=1"),
        ({"embedding_size": 60}, "Received: embedding_size=60, hidden_size=120"),
    ],
)
def test_ranges(changes, message):
    with pytest.raises(InputError, match=message):
        small(**changes)


@pytest.mark.parametrize("divisor", DIVISORS)
def test_hidden_size_is_divisible(divisor):
    message = f"`hidden_size` .*`{divisor}`. Received: hidden_size=120, {divisor}=7"
    with pytest.raises(InputError, match=message):
        small(**{divisor: 7})


@pytest.mark.parametrize("divisor", ["intermediate_groups", "output_groups"])
def test_intermediate_size_is_divisible(divisor):
    groups = {"intermediate_groups": 1, "output_groups": 1, divisor: 40}
    message = f"`intermediate_size` must be divisible by `{divisor}`"
    with pytest.raises(InputError, match=message):
        small(intermediate_size=180, **groups)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name):
    assert small(hidden_act=name).hidden_act == name


@pytest.mark.parametrize("tied", [True, False])
def test_the_decoder_may_be_tied_or_not(tied):
    assert small(tie_word_embeddings=tied).tie_word_embeddings is tied


@pytest.mark.parametrize(
    ("id2label", "message"),
    [
        ("ab", "must map class ids to names. Received: id2label="),
        (["a", "b"], "must map class ids to names. Received: id2label="),
        ({"one": "a"}, "must map class ids to names. Received: id2label="),
        ({None: "a"}, "must map class ids to names. Received: id2label="),
        ({}, "without a gap. Received: "),
        ({1: "a", 2: "b"}, "without a gap. Received: "),
        ({0: "a", 2: "b"}, "without a gap. Received: "),
        ({-1: "a", 0: "b"}, "without a gap. Received: "),
        ({0: "a", 1: "a"}, "must differ"),
        ({(0, 1): "a"}, "must map class ids to names. Received: "),
        ({math.inf: "a"}, "must map class ids to names. Received: "),
        ({0.5: "a", 1.5: "b"}, "must map class ids to names. Received: "),
        ({"0": "a", 0: "b"}, "without a gap. Received: "),
    ],
)
def test_label_tables(id2label, message):
    with pytest.raises(InputError, match=message):
        small(id2label=id2label)


# === Conversion


def test_replace_validates_and_leaves_the_original():
    config = small()
    assert config.replace(q_groups=4).q_groups == 4
    assert config.q_groups == 1
    with pytest.raises(InputError, match="q_groups=7"):
        config.replace(q_groups=7)


def test_replacing_the_width_replaces_that_of_the_embeddings():
    assert small().replace(hidden_size=240).embedding_size == 240


# === Presets

ENCODER_PARAMETERS = {
    "base": 26_661_888,
    "medium": 13_330_944,
    "small": 3_347_712,
    "mini": 996_352,
    "bert-base": 85_054_464,
}


def encoder_parameters(config):
    """Weights and biases of all encoder layers, counted from the paper's equations."""
    width, hidden = config.hidden_size, config.intermediate_size
    attention = ("q", "k", "v", "post_attention")
    groups = [getattr(config, f"{name}_groups") for name in attention]
    kernels = sum(width * width // count for count in groups)
    kernels += width * hidden // config.intermediate_groups
    kernels += width * hidden // config.output_groups
    biases = 4 * width + hidden + width
    layer_norms = 2 * 2 * width
    return config.num_hidden_layers * (kernels + biases + layer_norms)


def test_presets_have_the_parameters_that_their_docstring_tells():
    assert set(ENCODER_PARAMETERS) == set(PRESETS)
    for name, expected in ENCODER_PARAMETERS.items():
        assert encoder_parameters(SqueezeBertConfig.preset(name)) == expected
        row = f"`{name}` |"
        (line,) = [
            line
            for line in SqueezeBertConfig.preset.__doc__.splitlines()
            if row in line
        ]
        assert line.endswith(f"| {expected / 1e6:.1f} M |")


def test_bert_base_is_base_without_groups():
    base = SqueezeBertConfig.preset("base")
    assert base == SqueezeBertConfig()
    groups = [name for name in FIELDS if name.endswith("_groups")]
    assert SqueezeBertConfig.preset("bert-base") == base.replace(
        **dict.fromkeys(groups, 1)
    )


def test_a_preset_takes_changes():
    config = SqueezeBertConfig.preset("mini", num_labels=3, hidden_size=128)
    assert (config.num_labels, config.hidden_size, config.embedding_size) == (
        3,
        128,
        128,
    )


def test_an_unknown_preset_is_an_error_that_names_them():
    with pytest.raises(InputError, match=r"'medium', 'small'.*Received: 'huge'"):
        SqueezeBertConfig.preset("huge")


def test_dict_round_trip():
    config = small()
    values = config.to_dict()
    assert list(values) == FIELDS
    assert values["id2label"] == {"0": "no", "1": "maybe", "2": "yes"}
    assert SqueezeBertConfig.from_dict(values) == config
    assert SqueezeBertConfig.from_dict(json.loads(json.dumps(values))) == config


def test_from_dict_names_unknown_and_known_fields():
    with pytest.raises(InputError, match=r"hidden_size, .*Received: 'hiden_size'"):
        SqueezeBertConfig.from_dict({"hiden_size": 12})


# === config.json


@pytest.mark.parametrize(
    "config",
    [SqueezeBertConfig(), small(), small(tie_word_embeddings=False)],
    ids=["base", "small", "untied"],
)
def test_file_round_trip(tmp_path, config):
    config.save(tmp_path, architecture="SqueezeBertForMaskedLM")
    values = json.loads((tmp_path / "config.json").read_text())
    assert values["model_type"] == "squeezebert"
    assert values["architectures"] == ["SqueezeBertForMaskedLM"]
    assert values["label2id"] == config.label2id
    assert SqueezeBertConfig.from_pretrained(tmp_path) == config


def test_num_labels_stands_for_unnamed_labels(tmp_path):
    config = SqueezeBertConfig.from_pretrained(
        write_config(tmp_path, {"num_labels": 3})
    )
    assert config.id2label == {0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}


def test_fields_of_other_programs_are_left_out(tmp_path):
    values = {"transformers_version": "4.0.0", "output_attentions": False}
    config = SqueezeBertConfig.from_pretrained(write_config(tmp_path, values))
    assert config == SqueezeBertConfig()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model_type": "roberta"}, "'bert'. Received: model_type='roberta'"),
        ({"hidden_size": "768"}, "config.json: `hidden_size` .*Received: hidden_size="),
        ({"q_groups": 5}, "config.json: `hidden_size` must be divisible by `q_groups`"),
        ({"num_labels": 0}, "config.json: "),
        pytest.param(
            {"num_labels": "3"},
            "Received: num_labels='3'",
        ),
        pytest.param(
            {"num_labels": 3, "id2label": {"0": "a"}},
            "num_labels",
        ),
        pytest.param(
            {"hiden_size": 12},
            "hiden_size",
        ),
    ],
)
def test_files_that_do_not_fit(tmp_path, values, message):
    with pytest.raises(InputError, match=message):
        SqueezeBertConfig.from_pretrained(write_config(tmp_path, values))


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"config\.json"):
        SqueezeBertConfig.from_pretrained(tmp_path)


# === Changes to what a file says


@pytest.mark.parametrize(
    "changes",
    [
        {"id2label": {0: "x", 1: "y"}},
        {"num_labels": 2},
        {"num_labels": 2, "id2label": {0: "x", 1: "y"}},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"num_labels": 3},
        {"id2label": {"0": "a", "1": "b", "2": "c"}},
        {"num_labels": 3, "id2label": {"0": "a", "1": "b", "2": "c"}},
    ],
    ids=str,
)
def test_labels_that_replace_those_of_the_file(tmp_path, values, changes):
    config = SqueezeBertConfig.from_pretrained(
        write_config(tmp_path, values), **changes
    )
    expected = changes.get("id2label", {0: "LABEL_0", 1: "LABEL_1"})
    assert config == SqueezeBertConfig(id2label=expected)


def test_any_field_may_be_replaced(tmp_path):
    other = small(**{name: getattr(SqueezeBertConfig(), name) for name in DIVISORS})
    small().save(tmp_path)
    changes = {name: getattr(other, name) for name in DIVISORS}
    assert SqueezeBertConfig.from_pretrained(tmp_path, **changes) == other


def test_the_source_s_labels_stay_if_only_others_change(tmp_path):
    small().save(tmp_path)
    config = SqueezeBertConfig.from_pretrained(tmp_path, tie_word_embeddings=False)
    assert config == small(tie_word_embeddings=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"q_groups": 7}, "divisible by `q_groups`"),
        ({"num_labels": 2, "id2label": {0: "a"}}, "num_labels=2"),
        ({"num_labels": 0}, "id2label"),
        ({"hiden_size": 12}, "hiden_size"),
        # Unlike in a file, no other program can have meant something else by it.
        ({"labels": ["x", "y"]}, "labels"),
        ({"new_heads": True}, "new_heads"),
    ],
    ids=str,
)
def test_changes_that_do_not_fit(tmp_path, changes, message):
    small().save(tmp_path)
    with pytest.raises(InputError, match=message):
        SqueezeBertConfig.from_pretrained(tmp_path, **changes)


# === BERT

BERT = {
    "model_type": "bert",
    "architectures": ["BertForMaskedLM"],
    "vocab_size": 99,
    "hidden_size": 120,
    "num_hidden_layers": 2,
    "num_attention_heads": 10,
    "intermediate_size": 240,
    "type_vocab_size": 2,
    "position_embedding_type": "absolute",
    "layer_norm_eps": 1e-12,
    "use_cache": True,
    "gradient_checkpointing": False,
    "classifier_dropout": None,
}
GROUPS = [name for name in FIELDS if name.endswith("_groups")]


def test_a_bert_is_a_squeezebert_without_groups(tmp_path):
    config = SqueezeBertConfig.from_pretrained(write_config(tmp_path, BERT))
    own = {name: value for name, value in BERT.items() if name in FIELDS}
    assert config == SqueezeBertConfig(**own, **dict.fromkeys(GROUPS, 1))


def test_a_bert_may_lack_the_fields_that_older_files_lack(tmp_path):
    config = SqueezeBertConfig.from_pretrained(
        write_config(tmp_path, {"model_type": "bert"})
    )
    assert config == SqueezeBertConfig(**dict.fromkeys(GROUPS, 1))


def test_labels_of_a_bert_may_be_replaced(tmp_path):
    config = SqueezeBertConfig.from_pretrained(
        write_config(tmp_path, BERT), num_labels=4
    )
    assert config.num_labels == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"position_embedding_type": "relative_key"},
            "position_embedding_type='absolute'. Received: .*='relative_key'",
        ),
        ({"is_decoder": True}, "is_decoder=False. Received: is_decoder=True"),
        ({"add_cross_attention": True}, "Received: add_cross_attention=True"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps=1e-12. Received: .*=1e-05"),
        ({"hidden_act": "tanh"}, "Received: hidden_act='tanh'"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_a_bert_without_an_equal(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        SqueezeBertConfig.from_pretrained(write_config(tmp_path, BERT | changes))


def test_the_bert_that_transformers_writes(tmp_path):
    transformers = pytest.importorskip("transformers")
    transformers.BertConfig(num_hidden_layers=3, num_labels=5).save_pretrained(tmp_path)
    config = SqueezeBertConfig.from_pretrained(tmp_path)
    expected = dict.fromkeys(GROUPS, 1) | {"num_hidden_layers": 3}
    labels = {index: f"LABEL_{index}" for index in range(5)}
    assert config == SqueezeBertConfig(id2label=labels, **expected)


# === transformers

TASKS = pytest.mark.parametrize(
    ("num_labels", "problem_type"),
    [
        (num_labels, problem_type)
        for num_labels in (1, 2, 5)
        for problem_type in (None, *PROBLEM_TYPES)
        # transformers refuses to choose one of one.
        if (num_labels, problem_type) != (1, "single_label_classification")
    ],
)


def assert_equal_fields(ours, theirs):
    for name in [*FIELDS, "num_labels", "label2id"]:
        assert getattr(theirs, name) == getattr(ours, name), name


def test_defaults_are_those_of_transformers():
    transformers = pytest.importorskip("transformers")
    assert_equal_fields(SqueezeBertConfig(), transformers.SqueezeBertConfig())


@TASKS
def test_transformers_reads_ours(tmp_path, num_labels, problem_type):
    transformers = pytest.importorskip("transformers")
    labels = {index: f"label {index}" for index in range(num_labels)}
    ours = small(
        id2label=labels, problem_type=problem_type, tie_word_embeddings=num_labels != 2
    )
    ours.save(tmp_path)
    assert_equal_fields(ours, transformers.SqueezeBertConfig.from_pretrained(tmp_path))


@TASKS
def test_we_read_what_transformers_writes(tmp_path, num_labels, problem_type):
    transformers = pytest.importorskip("transformers")
    values = {
        **SMALL,
        "problem_type": problem_type,
        "tie_word_embeddings": num_labels != 2,
    }
    del values["id2label"]
    theirs = transformers.SqueezeBertConfig(**values, num_labels=num_labels)
    theirs.save_pretrained(tmp_path)
    ours = SqueezeBertConfig.from_pretrained(tmp_path)
    assert ours.num_labels == num_labels
    assert_equal_fields(ours, theirs)
