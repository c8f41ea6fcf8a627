"""Models of transformers; tests that import this are skipped where PyTorch is not."""

import json

import numpy as np
import pytest
from safetensors import safe_open
from tiny import CONFIG

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


def make_theirs(architecture, config=CONFIG, seed=0, **changes):
    """Their model of a config of ours, with large random weights."""
    values = config.to_dict()
    if architecture == "SqueezeBertForQuestionAnswering":
        values["id2label"] = None  # they make an output of each label
    their_config = transformers.SqueezeBertConfig(**values | changes)
    model = getattr(transformers, architecture)(their_config)
    return randomize_theirs(model, seed)


def randomize_theirs(model, seed=0):
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.2, generator=generator)
    return model.eval()


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


def write_bin(folder, tensors, config):
    """A folder of the older kind, of any tensors and any config."""
    torch.save(tensors, folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def keys_of(folder):
    """Names of the tensors that a folder holds in one file."""
    if (folder / "pytorch_model.bin").is_file():
        return list(torch.load(folder / "pytorch_model.bin"))
    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        return list(file.keys())


def weights_from(state, rows):
    """The values that variables of ours must have, by path, from a state dict."""
    return {
        row.variable: row.transform(state[row.key].to(torch.float32).numpy())
        for row in rows
    }


def assert_weights_equal(model, expected):
    """Bit for bit."""
    actual = {variable.path: np.asarray(variable) for variable in model.weights}
    assert sorted(actual) == sorted(expected)
    for path, value in expected.items():
        np.testing.assert_array_equal(actual[path], value, err_msg=path)


def assert_accounted_for(model, keys):
    """Every key is either loaded or ignored, every variable loaded or initialised."""
    report = model.load_report
    assert sorted([*report.loaded.values(), *report.ignored]) == sorted(keys)
    assert sorted([*report.loaded, *report.initialized]) == sorted(
        variable.path for variable in model.weights
    )
    assert all([*report.ignored.values(), *report.initialized.values()])
