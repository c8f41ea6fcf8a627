"""The whole SqueezeBERT, 12 layers of 768, against the PyTorch original."""

import numpy as np
import pytest
from theirs import run_theirs, torch, transformers
from tiny import ARCHITECTURES, differ, make_inputs, run

import keras_squeezebert
from keras_squeezebert import SqueezeBertConfig

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning"
)
# The encoder is what is large; one class has the whole vocabulary beside it.
SMALL_VOCABULARY = 1000
MASKED_LM = "SqueezeBertForMaskedLM"
TOLERANCE = 5e-5


def randomize(model):
    """Activations as wide as trained ones, everywhere in the encoder."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        is_scale = name.lower().endswith("layernorm.weight")
        width = 0.1 if "embeddings" in name else parameter[0].numel() ** -0.5
        spread = width if parameter.ndim > 1 else 0.1
        torch.nn.init.normal_(parameter, float(is_scale), spread, generator=generator)
    return model.eval()


@pytest.fixture(scope="module")
def base():
    config = transformers.SqueezeBertConfig(vocab_size=SMALL_VOCABULARY)
    return randomize(transformers.SqueezeBertModel(config))


def with_head(base, architecture):
    """A class on the shared encoder, without a random one of its own being made."""
    if architecture == "SqueezeBertModel":
        return base
    with torch.device("meta"):
        model = getattr(transformers, architecture)(base.config)
    model.transformer = base
    head = model.qa_outputs if hasattr(model, "qa_outputs") else model.classifier
    randomize(head.to_empty(device="cpu"))
    return model.eval()


def inputs_for(architecture, vocab_size):
    shape = (1, 3, 32) if architecture == "SqueezeBertForMultipleChoice" else (3, 32)
    return make_inputs(*shape, config=SqueezeBertConfig(vocab_size=vocab_size))


def assert_agreement(theirs, folder):
    architecture = type(theirs).__name__
    theirs.save_pretrained(folder)
    ours = getattr(keras_squeezebert, architecture).from_pretrained(folder)
    assert ours.config == SqueezeBertConfig(vocab_size=theirs.config.vocab_size)
    assert ours.load_report.initialized == ours.load_report.ignored == {}
    inputs = inputs_for(architecture, theirs.config.vocab_size)
    actual, expected = run(ours, inputs), run_theirs(theirs, inputs)
    assert sorted(actual) == sorted(expected)
    for name, value in expected.items():
        assert value.std() > 0.05
        np.testing.assert_allclose(actual[name], value, rtol=0, atol=TOLERANCE)
    return actual


@pytest.mark.parametrize(
    "architecture", [name for name in ARCHITECTURES if name != MASKED_LM]
)
def test_outputs(base, architecture, tmp_path):
    assert_agreement(with_head(base, architecture), tmp_path)


def test_outputs_of_the_whole_vocabulary(tmp_path):
    theirs = randomize(
        transformers.SqueezeBertForMaskedLM(transformers.SqueezeBertConfig())
    )
    logits = assert_agreement(theirs, tmp_path)["logits"]
    assert logits.shape == (3, 32, 30522)


def test_one_wrong_group_of_one_layer_would_be_noticed(base):
    """Of the last: what is wrong with an earlier one has more layers to grow in."""
    inputs = inputs_for("SqueezeBertModel", SMALL_VOCABULARY)
    before = run_theirs(base, inputs)
    weight = base.encoder.layers[-1].attention.value.weight
    original = weight.detach().clone()
    with torch.no_grad():
        weight[:192], weight[192:384] = original[192:384], original[:192]
        after = run_theirs(base, inputs)
        weight.copy_(original)
    assert differ(after, before, atol=100 * TOLERANCE)
