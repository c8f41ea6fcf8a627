"""The weights that the package brings along, which load without a network."""

import numpy as np
import pytest

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForMaskedLM,
    SqueezeBertForSequenceClassification,
    SqueezeBertModel,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.errors import InputError
from keras_squeezebert.hub import SHIPPED, shipped_models

NAME = "squeezebert_small_en"


@pytest.fixture(autouse=True)
def without_a_network(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    def refused(*args, **kwargs):
        raise AssertionError("the Hub was asked")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refused)


@pytest.fixture(scope="module")
def masked_lm():
    return SqueezeBertForMaskedLM.from_pretrained(NAME)


def test_sizes(masked_lm):
    """At most 16 M parameters, and 32 MB in the package."""
    assert shipped_models() == [NAME]
    assert masked_lm.count_params() == 15_593_274
    assert sum(path.stat().st_size for path in (SHIPPED / NAME).iterdir()) < 32e6
    assert not masked_lm.load_report.initialized


def test_the_config_is_the_preset_s():
    config = SqueezeBertConfig.from_pretrained(NAME)
    assert config.replace(id2label=None) == SqueezeBertConfig.preset("small").replace(
        id2label=None
    )


def test_it_knows_words(masked_lm):
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(NAME)
    inputs = tokenizer("london is the capital of [MASK] .")
    logits = masked_lm.predict(inputs, verbose=0)[0]
    (place,) = np.flatnonzero(inputs["input_ids"][0] == tokenizer.mask_token_id)
    best = tokenizer.convert_ids_to_tokens(np.argsort(-logits[place])[:10].tolist())
    assert {"england", "britain", "london"} & set(best)


def test_it_knows_which_sentences_are_alike():
    tokenizer = SqueezeBertTokenizerFast.from_pretrained(NAME)
    encoder = SqueezeBertModel.from_pretrained(NAME)
    inputs = tokenizer(
        [
            "A man is playing a guitar.",
            "Someone plays an instrument.",
            "The train to Berlin leaves at noon.",
        ]
    )
    hidden = encoder.predict(inputs, verbose=0)["last_hidden_state"]
    means = (hidden * inputs["attention_mask"][..., None]).sum(axis=1)
    means /= np.linalg.norm(means, axis=-1, keepdims=True)
    similar, other, another = (
        means[0] @ means[1],
        means[0] @ means[2],
        means[1] @ means[2],
    )
    assert similar > max(other, another) + 0.3


def test_a_head_of_its_own():
    model = SqueezeBertForSequenceClassification.from_pretrained(NAME, num_labels=3)
    assert set(model.load_report.initialized) == {
        "classifier/kernel",
        "classifier/bias",
    }


def test_a_user_s_folder_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = SqueezeBertConfig.preset("mini", num_hidden_layers=1)
    SqueezeBertModel(config).save_pretrained(NAME)
    assert SqueezeBertModel.from_pretrained(NAME).config.hidden_size == 256


def test_it_has_no_revisions():
    with pytest.raises(InputError, match="Only models on the Hugging Face Hub"):
        SqueezeBertModel.from_pretrained(NAME, revision="main")
