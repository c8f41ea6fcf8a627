"""squeezebert inspect: what it prints, and how it fails."""

import json

import pytest
from command_line import run, succeed

from keras_squeezebert import (
    SqueezeBertConfig,
    SqueezeBertForSequenceClassification,
    SqueezeBertTokenizerFast,
)
from keras_squeezebert.tflite import calibrate, export_tflite, quantize_aware

TEXTS = ["lovely film", "dull film", "a lovely day", "what a dull day"]
CONFIG = SqueezeBertConfig(
    hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=64
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A float model, its quantized copy, a .tflite of each, and texts."""
    folder = tmp_path_factory.mktemp("inspect")
    tokenizer = SqueezeBertTokenizerFast()
    model = SqueezeBertForSequenceClassification(CONFIG)
    quantized = quantize_aware(model)
    calibrate(quantized, [tokenizer(TEXTS)], progress=False)
    for name, one in [("float", model), ("mixed", quantized)]:
        one.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        export_tflite(one, folder / f"{name}.tflite", 16, tokenizer=tokenizer)
    wider = CONFIG.replace(intermediate_size=96)
    SqueezeBertForSequenceClassification(wider).save_pretrained(folder / "wider")
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    (folder / "texts.csv").write_text("words\n" + "\n".join(TEXTS) + "\n")
    (folder / "empty.txt").write_text("\n \n")
    (folder / "notes.tflite").write_text("not a model at all")
    return folder


def inspected(*arguments, workspace):
    return json.loads(succeed("inspect", *arguments, "--json", cwd=workspace))


def test_tables(workspace):
    printed = succeed("inspect", "mixed.tflite", cwd=workspace)
    size = (workspace / "mixed.tflite").stat().st_size
    for words in (
        f"mixed.tflite: {size:,} bytes\n",
        "  output  logits              float32 1×2\n",
        "  model   SqueezeBertForSequenceClassification, 1 layers of width 32\n",
        "  scheme  mixed\n",
        "  CONV_2D             int8×int8→int8\n",
        "DEQUANTIZE encoder_layer_*/attention … QUANTIZE encoder_layer_*/attention",
        "operations, in 1 piece\n  left to TFLite's own kernels: 2 MINIMUM, 2 MAXIMUM",
        "  encoder_layer_0/attention/query",
        f"  file                    {size:14,}\n",
    ):
        assert words in printed
    assert "Against" not in printed


def test_tables_of_a_float_file(workspace):
    printed = succeed("inspect", "float.tflite", cwd=workspace)
    assert "no int8 in this file" in printed and "weights: none" in printed


def test_json(workspace):
    values = inspected("mixed.tflite", workspace=workspace)
    assert list(values) == [
        *("path", "bytes", "inputs", "outputs", "packed_files", "metadata"),
        *("architecture", "config", "scheme", "op_counts", "float_islands"),
        *("xnnpack", "kernels", "parts"),
    ]
    assert values["xnnpack"]["count"] == 1
    assert set(values["kernels"][0]) == {
        *("name", "shape", "scales", "min", "median", "max", "max_to_median")
    }
    size = (workspace / "mixed.tflite").stat().st_size
    assert sum(part["bytes"] for part in values["parts"]) == values["bytes"] == size


@pytest.mark.parametrize(
    "texts", [("texts.txt",), ("texts.csv", "--text-column", "words")]
)
def test_against_a_model(workspace, texts):
    options = ("--against", "float", "--texts", *texts)
    near, far = (
        inspected(f"{name}.tflite", *options, workspace=workspace)["layer_errors"]
        for name in ("float", "mixed")
    )
    layers = ["embeddings", "encoder_layer_0", "pooler", "logits"]
    assert [e["layer"] for e in near] == [e["layer"] for e in far] == layers
    assert all(e["found"] and e["snr_db"] > 80 for e in near)
    assert all(e["found"] and 5 < e["snr_db"] < 80 for e in far)


def test_against_the_quantized_model_on_some_texts(workspace):
    options = ("--against", "mixed", "--texts", "texts.txt", "--rows", 2)
    printed = succeed("inspect", "mixed.tflite", *options, cwd=workspace)
    table = printed.partition("Against the model\n")[2].splitlines()
    assert [line.split()[0] for line in table[1:]] == [
        *("embeddings", "encoder_layer_0", "pooler", "logits")
    ]
    assert float(table[1].split()[1]) > 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.tflite",), "No such file: missing.tflite"),
        (("notes.tflite",), "notes.tflite: Not a .tflite file"),
        (("float.tflite", "--against", "float"), "go together"),
        (("float.tflite", "--texts", "texts.txt"), "go together"),
        (
            ("float.tflite", "--against", "float", "--texts", "empty.txt"),
            "At least one text is needed",
        ),
        (
            ("float.tflite", "--against", "float", "--texts", "texts.csv"),
            "there is no column 'text'",
        ),
        (
            ("float.tflite", "--against", "no/such/folder", "--texts", "texts.txt"),
            "no/such/folder",
        ),
        (
            ("float.tflite", "--against", "wider", "--texts", "texts.txt"),
            "Received: intermediate_size=64 in the .tflite, intermediate_size=96",
        ),
    ],
)
def test_mistakes(workspace, arguments, message):
    finished = run("inspect", *arguments, cwd=workspace)
    assert finished.returncode == 2
    assert message in finished.stderr and "Traceback" not in finished.stderr
