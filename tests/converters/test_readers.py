"""Files of weights: what is read of good ones, and what is said of bad ones."""

import contextlib
import copy
import json
import os
import pickle
import shutil
import struct
import sys
import warnings
import zipfile

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny import ONE_LAYER, make_model, weights_of

from keras_squeezebert import SqueezeBertModel
from keras_squeezebert.converters import load_checkpoint
from keras_squeezebert.converters.readers import read_weights
from keras_squeezebert.errors import InputError

SAFETENSORS, BIN = "model.safetensors", "pytorch_model.bin"
SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = f"{SAFETENSORS}.index.json"
ROWS = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch writes these files")


@pytest.fixture(params=["zip", "legacy"])
def save(request, torch, tmp_path):
    """Writes pytorch_model.bin as `torch.save` does, in its two forms."""

    def save(state, name=BIN):
        is_zip = request.param == "zip"
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=is_zip)

    return save


def write_safetensors(folder, header, body=b"", *, length=None, name=SAFETENSORS):
    """A file of any header, which may be wrong."""
    header = header if isinstance(header, str) else json.dumps(header)
    length = len(header) if length is None else length
    (folder / name).write_bytes(struct.pack("<Q", length) + header.encode() + body)


def entry(dtype="F32", shape=(1,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def read(folder):
    """The values of all tensors, as a model would take them."""
    _, tensors = read_weights(folder)
    for tensor in tensors.values():
        tensor.check_values()
    return {key: tensor.read() for key, tensor in tensors.items()}


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


def assert_refused(folder, *words):
    """Checks that a folder is refused with these words, and left as it was."""
    before = contents(folder)
    with pytest.raises(InputError) as refusal:
        read(folder)
    message = str(refusal.value)
    assert all(word in message for word in words), message
    assert len(message) < 1000
    assert contents(folder) == before


# === Good files


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_float_types_of_safetensors(dtype, tmp_path):
    values = (ROWS / 3).astype(np.dtype(dtype))
    save_file({"a": values}, tmp_path / SAFETENSORS)
    folder, tensors = read_weights(tmp_path)
    assert folder == tmp_path
    assert tensors["a"].dtype == dtype
    assert tensors["a"].shape == (2, 3)
    assert tensors["a"].read().dtype == np.float32
    np.testing.assert_array_equal(tensors["a"].read(), values.astype("float32"))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_the_float_types_of_pytorch(dtype, torch, save, tmp_path):
    values = (ROWS / 3).astype(np.dtype(dtype)).astype("float64")
    save({"a": torch.tensor(values).to(getattr(torch, dtype))})
    _, tensors = read_weights(tmp_path)
    assert tensors["a"].dtype == dtype
    assert tensors["a"].shape == (2, 3)
    assert tensors["a"].read().dtype == np.float32
    np.testing.assert_array_equal(tensors["a"].read(), values.astype("float32"))


def test_scalars_and_empty_tensors_of_safetensors(tmp_path):
    tensors = {"scalar": np.float32(2), "empty": np.zeros((0, 3), "float32")}
    save_file({k: np.asarray(v) for k, v in tensors.items()}, tmp_path / SAFETENSORS)
    assert read(tmp_path)["scalar"] == 2
    assert read(tmp_path)["empty"].shape == (0, 3)


def test_scalars_and_empty_tensors_of_pytorch(torch, save, tmp_path):
    save({"scalar": torch.tensor(2.0), "empty": torch.zeros(0, 3)})
    assert read(tmp_path)["scalar"] == 2
    assert read(tmp_path)["empty"].shape == (0, 3)


def test_mixed_types_beside_each_other(tmp_path):
    tensors = {
        "a": np.ones(3, "float16"),
        "b": np.ones(1, ml_dtypes.bfloat16),
        "c": ROWS,
        "d": np.ones(5, "float64"),
    }
    save_file(tensors, tmp_path / SAFETENSORS)
    for key, values in read(tmp_path).items():
        np.testing.assert_array_equal(values, tensors[key].astype("float32"))


def test_a_header_of_odd_length(tmp_path):
    for padding in range(8):
        header = json.dumps({"a": entry(shape=(2, 3), offsets=(0, 24))})
        write_safetensors(tmp_path, header + " " * padding, ROWS.tobytes())
        np.testing.assert_array_equal(read(tmp_path)["a"], ROWS)


def test_metadata_is_no_tensor(tmp_path):
    save_file({"a": ROWS}, tmp_path / SAFETENSORS, metadata={"format": "pt"})
    assert list(read(tmp_path)) == ["a"]


def test_values_of_safetensors_stay_in_the_file(tmp_path):
    save_file({"a": ROWS, "b": ROWS.astype("float16")}, tmp_path / SAFETENSORS)
    _, tensors = read_weights(tmp_path)
    for tensor in tensors.values():
        assert isinstance(tensor.values, np.memmap)
    assert np.shares_memory(tensors["a"].read(), tensors["a"].values)


def test_views_of_one_storage(torch, save, tmp_path):
    whole = torch.arange(12.0)
    save({"whole": whole, "part": whole[4:10].view(2, 3), "turned": whole.view(3, 4).T})
    values = read(tmp_path)
    np.testing.assert_array_equal(values["part"], [[4, 5, 6], [7, 8, 9]])
    np.testing.assert_array_equal(values["turned"], values["whole"].reshape(3, 4).T)
    assert np.shares_memory(values["part"], values["whole"])


def test_a_state_dict_of_parameters_with_its_versions(torch, save, tmp_path):
    state = torch.nn.Linear(3, 2).state_dict(keep_vars=True)
    assert state._metadata and state["weight"].requires_grad
    save(state)
    expected = state["weight"].detach().numpy()
    np.testing.assert_array_equal(read(tmp_path)["weight"], expected)


def test_safetensors_are_preferred(tmp_path):
    save_file({"a": ROWS}, tmp_path / SAFETENSORS)
    (tmp_path / BIN).write_bytes(b"never opened")
    assert list(read(tmp_path)) == ["a"]


def test_sharded_safetensors_are_preferred(tmp_path):
    write_shards(tmp_path)
    (tmp_path / BIN).write_bytes(b"never opened")
    assert sorted(read(tmp_path)) == ["a", "b"]


def test_shards_of_pytorch(torch, save, tmp_path):
    save({"a": torch.tensor(ROWS)}, "pytorch_model-00001-of-00002.bin")
    save({"b": torch.tensor(ROWS + 1)}, "pytorch_model-00002-of-00002.bin")
    weight_map = {
        "a": "pytorch_model-00001-of-00002.bin",
        "b": "pytorch_model-00002-of-00002.bin",
    }
    index = {"metadata": {"total_size": 48}, "weight_map": weight_map}
    (tmp_path / f"{BIN}.index.json").write_text(json.dumps(index))
    np.testing.assert_array_equal(read(tmp_path)["b"], ROWS + 1)
    assert {t.key: t.file.name for t in read_weights(tmp_path)[1].values()} == (
        weight_map
    )


# === Files that would run code


class Payload:
    """Unpickles to a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def payloads(marker):
    return {
        "posix.system" if os.name == "posix" else "nt.system": Payload(
            os.system, f"echo > {marker}"
        ),
        "exec": Payload(exec, f"open({str(marker)!r}, 'w').close()"),
        "getattr": Payload(getattr, marker, "touch"),
    }


@pytest.mark.parametrize("shard", [BIN, "pytorch_model-00001-of-00001.bin"])
def test_pickles_that_run_code(shard, torch, save, tmp_path):
    marker = tmp_path / "marker"
    if shard != BIN:
        index = {"weight_map": {"a": shard}}
        (tmp_path / f"{BIN}.index.json").write_text(json.dumps(index))
    for name, payload in payloads(marker).items():
        save({"a": torch.tensor(ROWS), "b": payload}, shard)
        assert_refused(tmp_path, shard, name, "could run code")
        assert not marker.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_that_run_code(protocol, torch, tmp_path):
    marker = tmp_path / "marker"
    for name, payload in payloads(marker).items():
        (tmp_path / BIN).write_bytes(pickle.dumps({"a": payload}, protocol))
        assert_refused(tmp_path, BIN, name, "could run code")
        assert not marker.exists()


def test_the_payloads_do_run(tmp_path):
    marker = tmp_path / "marker"
    pickle.loads(pickle.dumps(payloads(marker)["exec"]))
    assert marker.exists()


def test_objects_of_installed_packages(torch, save, tmp_path):
    save({"a": torch.tensor(ROWS), "config": ONE_LAYER})
    assert_refused(
        tmp_path, "keras_squeezebert.config.SqueezeBertConfig", "could run code"
    )


def test_what_pytorch_would_let_fill_the_memory(torch, save, tmp_path):
    save({"a": Payload(bytearray, 10**12)})
    assert_refused(tmp_path, "bytearray")
    save({"a": Payload(torch.Tensor, 10**5, 10**5)})
    assert_refused(tmp_path, "torch.Tensor")


def test_plain_pickles(torch, tmp_path):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        (tmp_path / BIN).write_bytes(pickle.dumps({"a": [1.0]}, protocol))
        assert_refused(tmp_path, BIN, "damaged or no PyTorch file")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript(torch, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / BIN)
    assert_refused(tmp_path, BIN, "was refused")


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_without_compression(torch, tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "script")
    with zipfile.ZipFile(tmp_path / "script") as script:
        records = {name: script.read(name) for name in script.namelist()}
    write_zip(tmp_path, records)
    assert_refused(tmp_path, BIN, "__torch__", "could run code")


def test_the_tar_files_of_old(torch, tmp_path):
    (tmp_path / "storages").write_bytes(pickle.dumps(0))
    shutil.make_archive(tmp_path / "old", "tar", tmp_path, "storages")
    os.rename(tmp_path / "old.tar", tmp_path / BIN)
    assert_refused(tmp_path, BIN, "damaged or no PyTorch file")


# === Damaged files


def assert_refused_at_every_length(folder, name, *words, step=1):
    whole = (folder / name).read_bytes()
    for length in range(0, len(whole), step):
        (folder / name).write_bytes(whole[:length])
        assert_refused(folder, name, *words)
    assert length > len(whole) - 1 - step


def test_safetensors_cut_short(tmp_path):
    save_file({"a": ROWS, "b": ROWS}, tmp_path / SAFETENSORS)
    assert_refused_at_every_length(
        tmp_path, SAFETENSORS, "damaged or no safetensors file"
    )


def test_pytorch_files_cut_short(torch, save, tmp_path):
    save({"a": torch.tensor(ROWS), "b": torch.tensor(ROWS)})
    # 7, so that the cuts fall on every place within a word.
    assert_refused_at_every_length(tmp_path, BIN, "damaged or no PyTorch file", step=7)


@pytest.mark.parametrize("name", [SAFETENSORS, BIN])
@pytest.mark.parametrize(
    "data", [b"", b"\0", b"{}", b"PK\3\4", bytes(4096), b"\xff" * 4096, b"%PDF-1.7\n"]
)
def test_other_files(name, data, tmp_path):
    if name == BIN:
        pytest.importorskip("torch", reason="it reads these files")
    (tmp_path / name).write_bytes(data)
    assert_refused(tmp_path, name, "is damaged or no")


@pytest.mark.parametrize("name", [SAFETENSORS, BIN])
def test_a_folder_in_the_place_of_a_file(name, tmp_path):
    (tmp_path / name).mkdir()
    assert_refused(tmp_path, "There are no weights", SAFETENSORS, BIN)


def test_each_in_the_place_of_the_other(torch, save, tmp_path):
    save({"a": torch.tensor(ROWS)})
    os.rename(tmp_path / BIN, tmp_path / SAFETENSORS)
    assert_refused(tmp_path, "no safetensors file")
    save_file({"a": ROWS}, tmp_path / SAFETENSORS)
    os.rename(tmp_path / SAFETENSORS, tmp_path / BIN)
    assert_refused(tmp_path, "no PyTorch file")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all"
)
@pytest.mark.parametrize("name", [SAFETENSORS, BIN])
def test_files_that_may_not_be_read(name, tmp_path):
    (tmp_path / name).touch(mode=0)
    with pytest.raises(InputError, match=name):
        read(tmp_path)


def test_no_weights(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert_refused(
        tmp_path, "There are no weights", str(tmp_path), SAFETENSORS, BIN, INDEX
    )


def test_pytorch_files_without_pytorch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / BIN).write_bytes(b"whatever")
    assert_refused(tmp_path, "pip install keras-squeezebert[torch]")


# === Headers of safetensors


@pytest.mark.parametrize(
    "header",
    [
        "",
        "[]",
        "null",
        '{"a"',
        '{"a": {}}',
        '{"a": 1}',
        '{"a": ["F32", [1], [0, 4]]}',
        {"a": entry() | {"dtype": {"F32": None}}},
        {"a": entry(dtype="F33")},
        {"a": entry(dtype="F64")},
        {"a": entry(shape=[2])},
        {"a": entry(shape=[-1])},
        {"a": entry(shape=[1.0])},
        {"a": entry(shape=[2**32, 2**32])},
        {"a": entry(shape=[2**62, 4])},
        {"a": entry(shape=[2**64])},
        {"a": entry(shape=[1] * 100)},
        {"a": entry(shape=[0, 2**63], offsets=[0, 0]), "b": entry()},
        {"a": entry(shape=[0, 2**62, 2**62], offsets=[0, 0]), "b": entry()},
        {"a": entry(offsets=[4, 0])},
        {"a": entry(offsets=[0, 5])},
        {"a": entry(offsets=[0, 2**63])},
        {"a": entry(offsets=[-4, 0])},
        {"a": entry(), "b": entry()},
        {"a": entry(), "b": entry(offsets=[2, 6])},
        {"a": entry(), "b": entry(offsets=[4, 8])},
        {"a": entry(), "__metadata__": {"format": 1}},
        f'{{"a": {json.dumps(entry())}, "a": {json.dumps(entry())}}}',
        f'{{"a": {json.dumps(entry(shape=[9]))}, "a": {json.dumps(entry())}}}',
        f'{{"a": {json.dumps(entry())[:-1]}, "shape": [1]}}}}',
        f'{{"a": {json.dumps(entry())[:-1]}, "x": {"[" * 10**5}{"]" * 10**5}}}}}',
        f'{{"a": {json.dumps(entry())[:-1]}, "x": {"1" * 5000}}}}}',
        '{"\\ud800": ' + json.dumps(entry()) + "}",
    ],
    ids=lambda header: str(header)[:60],
)
def test_wrong_headers(header, tmp_path):
    write_safetensors(tmp_path, header, bytes(4))
    assert_refused(tmp_path, SAFETENSORS, "damaged or no safetensors file")


@pytest.mark.parametrize("length", [0, 1, 60, 62, 10**8, 2**31, 2**63, 2**64 - 1])
def test_wrong_lengths_of_a_header(length, tmp_path):
    header = json.dumps({"a": entry()})
    assert len(header) == 61
    write_safetensors(tmp_path, header, bytes(4), length=length)
    assert_refused(tmp_path, SAFETENSORS, "damaged or no safetensors file")


def test_bytes_that_no_tensor_has(tmp_path):
    write_safetensors(tmp_path, {"a": entry()}, bytes(5))
    assert_refused(tmp_path, SAFETENSORS, "damaged or no safetensors file")


# === Archives that unpack to more than they are


def records(folder, torch):
    torch.save({"a": torch.tensor(ROWS)}, folder / BIN)
    with zipfile.ZipFile(folder / BIN) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(folder, records, change=None, **options):
    with zipfile.ZipFile(folder / BIN, "w", **options) as archive:
        for name, data in records.items():
            archive.writestr(name, data)
        if change:  # of the directory, which is written last
            change(archive.filelist)


def test_rewritten_archives_are_read(torch, tmp_path):
    write_zip(tmp_path, records(tmp_path, torch))
    np.testing.assert_array_equal(read(tmp_path)["a"], ROWS)


def test_compressed_archives(torch, tmp_path):
    bomb = records(tmp_path, torch) | {"archive/data/1": bytes(10**7)}
    write_zip(tmp_path, bomb, compression=zipfile.ZIP_DEFLATED)
    assert os.path.getsize(tmp_path / BIN) < 10**5
    assert_refused(tmp_path, BIN, "no compressed archives", "10,00")


def test_entries_that_claim_to_be_larger(torch, tmp_path):
    def enlarge(entries):
        entries[-1].file_size = entries[-1].compress_size = 2**40

    write_zip(tmp_path, records(tmp_path, torch), enlarge)
    assert_refused(tmp_path, BIN, "1,099,511,")


def test_entries_in_one_place(torch, tmp_path):
    def repeat(entries):
        largest = max(entries, key=lambda entry: entry.file_size)
        for number in range(100):
            entries.append(copy.copy(largest))
            entries[-1].filename = f"archive/data/{number + 1}"

    write_zip(tmp_path, records(tmp_path, torch), repeat)
    assert_refused(tmp_path, BIN, "bytes in all when unpacked")


def test_archives_without_a_pickle(torch, tmp_path):
    write_zip(tmp_path, {"archive/version": b"3\n"})
    assert_refused(tmp_path, BIN, "damaged or no PyTorch file")


def test_pickles_under_a_name_in_capitals(torch, tmp_path):
    marker = tmp_path / "marker"
    # PyTorch finds its records in any case.
    changed = {
        name.replace("data.pkl", "DATA.PKL"): data
        for name, data in records(tmp_path, torch).items()
    }
    write_zip(tmp_path, changed)
    np.testing.assert_array_equal(read(tmp_path)["a"], ROWS)
    payload = pickle.dumps(payloads(marker)["exec"], protocol=2)
    name = next(name for name in changed if name.endswith(".PKL"))
    write_zip(tmp_path, changed | {name: payload})
    assert_refused(tmp_path, BIN, "exec")
    assert not marker.exists()


# === Values that are no weights


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_values_that_are_not_finite(value, dtype, tmp_path):
    values = np.array([1, value, 1]).astype(np.dtype(dtype))
    save_file({"a": ROWS, "b": values}, tmp_path / SAFETENSORS)
    assert_refused(tmp_path, SAFETENSORS, "'b'", "not finite")


def test_values_beyond_float32(tmp_path):
    save_file({"b": np.array([1e39, 1])}, tmp_path / SAFETENSORS)
    assert_refused(tmp_path, SAFETENSORS, "'b'", "not finite as float32")


def test_values_of_pytorch_that_are_not_finite(torch, save, tmp_path):
    for bad in (torch.tensor([np.nan]), torch.tensor([1e39], dtype=torch.float64)):
        save({"a": torch.tensor(ROWS), "b": bad})
        assert_refused(tmp_path, BIN, "'b'", "not finite")


@pytest.mark.parametrize(
    "dtype", ["int64", "int32", "int8", "uint8", "bool", "complex64", "float8_e4m3fn"]
)
def test_other_types_of_safetensors(dtype, tmp_path):
    save_file({"a": ROWS, "b": np.ones(4, np.dtype(dtype))}, tmp_path / SAFETENSORS)
    assert_refused(tmp_path, SAFETENSORS, "'b' is no weight", "float32")


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "complex64"])
def test_other_types_of_pytorch(dtype, torch, save, tmp_path):
    save({"a": torch.tensor(ROWS), "b": torch.ones(2, dtype=getattr(torch, dtype))})
    assert_refused(tmp_path, BIN, "'b' is no weight", f"Received: {dtype}")


@pytest.mark.parametrize("dtype", ["uint16", "float8_e4m3fn"])
def test_types_that_pytorch_came_to_late(dtype, torch, tmp_path):
    # The legacy form has no place for them.
    torch.save({"b": torch.zeros(2, dtype=getattr(torch, dtype))}, tmp_path / BIN)
    assert_refused(tmp_path, BIN, "'b' is no weight", f"Received: {dtype}")


@pytest.mark.parametrize(
    ("convert", "asked_for"),
    [
        (lambda t: t.to_sparse(), "_rebuild_sparse_tensor"),
        (lambda t: t.to_sparse_csr(), "_rebuild_sparse_tensor"),
        (lambda t: t.to("meta"), "_rebuild_meta_tensor_no_storage"),
    ],
    ids=["sparse", "csr", "meta"],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR:UserWarning")
def test_tensors_that_are_not_plain(convert, asked_for, torch, save, tmp_path):
    save({"b": convert(torch.tensor(ROWS))})
    assert_refused(tmp_path, BIN, asked_for, "Only plain tensors are read")


def test_quantized_tensors(torch, save, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are on their way out of PyTorch
        save({"b": torch.quantize_per_tensor(torch.tensor(ROWS), 1, 0, torch.qint8)})
    assert_refused(tmp_path, BIN, "_rebuild_qtensor", "Only plain tensors are read")


def test_tensors_that_are_the_negative_of_what_is_stored(torch, save, tmp_path):
    save({"b": torch._neg_view(torch.tensor(ROWS))})
    assert_refused(tmp_path, BIN, "'b'", "plain tensors")


@pytest.mark.parametrize(
    ("make", "received"),
    [
        (lambda tensor: {"b": {"c": tensor}}, "'b', a dict"),
        (lambda tensor: {"b": [tensor]}, "'b', a list"),
        (lambda tensor: {"b": None}, "'b', a NoneType"),
        (lambda tensor: {"b": 1.5}, "'b', a float"),
        (lambda tensor: {1: tensor}, "a int, a Tensor"),
        (lambda tensor: {None: tensor}, "a NoneType, a Tensor"),
        (lambda tensor: {(("b",) * 1000,): tensor}, "a tuple, a Tensor"),
        (lambda tensor: [tensor], "holds no state dict. Received: a list"),
        (lambda tensor: tensor, "holds no state dict. Received: a Tensor"),
        (lambda tensor: None, "holds no state dict. Received: a NoneType"),
    ],
)
def test_what_is_no_state_dict(make, received, torch, save, tmp_path):
    save(make(torch.tensor(ROWS)))
    assert_refused(tmp_path, BIN, received)


def test_a_state_dict_whose_items_were_replaced(torch, tmp_path):
    state = torch.nn.Linear(3, 2).state_dict()
    torch.save(state, tmp_path / BIN)
    with zipfile.ZipFile(tmp_path / BIN) as archive:
        stored = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in stored if name.endswith("data.pkl"))
    assert b"_metadata" in stored[name]
    length = struct.pack("<I", len("_metadata")) + b"_metadata"
    other = struct.pack("<I", len("items")) + b"items"
    write_zip(tmp_path, stored | {name: stored[name].replace(length, other)})
    assert sorted(read(tmp_path)) == ["bias", "weight"]


def test_one_value_that_stands_for_a_giant_tensor(torch, save, tmp_path):
    save({"a": torch.tensor(ROWS), "b": torch.zeros(1).expand(10**6, 10**6)})
    assert_refused(tmp_path, BIN, "'b'", "(1000000, 1000000)")


def test_small_tensors_of_one_value_are_read(torch, save, tmp_path):
    save({"a": torch.tensor(2.0).expand(3, 4)})
    np.testing.assert_array_equal(read(tmp_path)["a"], np.full((3, 4), 2))


# === Indexes of shards


def write_shards(folder, **changes):
    """Two shards and their index, of which some entries are replaced."""
    for shard, key in zip(SHARDS, "ab", strict=True):
        save_file({key: ROWS}, folder / shard)
    weight_map = {"a": SHARDS[0], "b": SHARDS[1], **changes}
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))


def test_shards(tmp_path):
    write_shards(tmp_path)
    assert {key: values.shape for key, values in read(tmp_path).items()} == {
        "a": (2, 3),
        "b": (2, 3),
    }


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ("", ["not a JSON file"]),
        ('{"weight_map": {', ["not a JSON file"]),
        ("\xff", ["not a JSON file"]),
        ("[" * 10**5, ["not a JSON file"]),
        ("[]", ["must hold a JSON object"]),
        ("{}", ["must map", "weight_map=None"]),
        ('{"weight_map": null}', ["must map", "weight_map=None"]),
        ('{"weight_map": []}', ["must map", "weight_map=[]"]),
        ('{"weight_map": {}}', ["must map", "weight_map={}"]),
        ('{"weight_map": "a"}', ["must map", "weight_map=a"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_wrong_indexes(index, words, tmp_path):
    write_shards(tmp_path)
    (tmp_path / INDEX).write_text(index, encoding="latin-1")
    assert_refused(tmp_path, INDEX, *words)


@pytest.mark.parametrize(
    "name",
    [
        "../secret.safetensors",
        "../model/model-00001-of-00002.safetensors",
        "/etc/passwd",
        "sub/secret.safetensors",
        "./model-00001-of-00002.safetensors",
        "model-00001-of-00002.safetensors/",
        "sub\\secret.safetensors",
        "..\\secret.safetensors",
        ".",
        "..",
        "",
        "/",
        "sub",
        "absent.safetensors",
        "model\0.safetensors",
        "m" * 300,
        None,
        1,
        True,
        ["model-00001-of-00002.safetensors"],
        {"a": "model-00001-of-00002.safetensors"},
    ],
    ids=lambda name: repr(name)[:40],
)
def test_shards_by_other_names(name, tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    for secret in (tmp_path, folder / "sub"):
        save_file({"a": ROWS}, secret / "secret.safetensors")
    write_shards(folder, a=name)
    assert_refused(folder, INDEX, "name")


def test_names_that_are_no_strings_stand_for_no_file(tmp_path):
    write_shards(tmp_path, a=1)
    shutil.copy(tmp_path / SHARDS[0], tmp_path / "1")
    assert_refused(tmp_path, INDEX, "'a'")


def test_a_tensor_that_its_shard_does_not_hold(tmp_path):
    write_shards(tmp_path, c=SHARDS[0])
    assert_refused(tmp_path, INDEX, "'c'", SHARDS[0], "does not hold")


def test_a_tensor_that_another_shard_holds(tmp_path):
    write_shards(tmp_path, a=SHARDS[1], c=SHARDS[0])
    assert_refused(tmp_path, INDEX, "'a'", SHARDS[1], "does not hold")


def test_a_tensor_in_two_shards(tmp_path):
    write_shards(tmp_path)
    save_file({"a": ROWS, "b": ROWS}, tmp_path / SHARDS[1])
    assert_refused(tmp_path, "'a'", *SHARDS, "in two files")


def test_a_damaged_shard(tmp_path):
    write_shards(tmp_path)
    (tmp_path / SHARDS[1]).write_bytes(b"")
    assert_refused(tmp_path, SHARDS[1], "damaged or no safetensors file")


# === All of a model or nothing


@pytest.fixture(scope="module")
def model():
    return make_model("SqueezeBertModel", ONE_LAYER, seed=5)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A saved folder, to be read only."""
    folder = tmp_path_factory.mktemp("saved")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        make_model("SqueezeBertModel", ONE_LAYER).save_pretrained(folder)
    return folder


@contextlib.contextmanager
def unchanged(model):
    before = weights_of(model)
    yield
    for path, value in weights_of(model).items():
        np.testing.assert_array_equal(value, before[path])


LAST = "encoder.layers.0.output.layernorm.bias"


def with_nan(tensors, folder):
    tensors[LAST][-1] = np.nan
    save_file(tensors, folder / SAFETENSORS)


def with_integers(tensors, folder):
    save_file(tensors | {LAST: np.zeros(96, "int64")}, folder / SAFETENSORS)


def with_another_shape(tensors, folder):
    save_file(tensors | {LAST: np.zeros(97, "float32")}, folder / SAFETENSORS)


def cut_short(tensors, folder):
    path = folder / SAFETENSORS
    path.write_bytes(path.read_bytes()[:-1])


def with_a_shard_missing(tensors, folder):
    (folder / SAFETENSORS).unlink()
    first = {key: tensors[key] for key in tensors if key != LAST}
    save_file(first, folder / SHARDS[0])
    weight_map = dict.fromkeys(first, SHARDS[0]) | {LAST: SHARDS[1]}
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))


def as_pytorch(tensors, folder, **changes):
    torch = pytest.importorskip("torch", reason="PyTorch writes this file")
    (folder / SAFETENSORS).unlink()
    state = {key: torch.tensor(value) for key, value in tensors.items()}
    torch.save(state | changes, folder / BIN)


def with_code(tensors, folder):
    as_pytorch(tensors, folder, last=Payload(exec, "raise SystemExit"))


def with_one_giant_tensor(tensors, folder):
    torch = pytest.importorskip("torch", reason="PyTorch writes this file")
    as_pytorch(tensors, folder, **{LAST: torch.zeros(1).expand(10**6, 10**6)})


@pytest.mark.parametrize(
    "spoil",
    [
        with_nan,
        with_integers,
        with_another_shape,
        cut_short,
        with_a_shard_missing,
        with_code,
        with_one_giant_tensor,
    ],
)
def test_a_refused_file_changes_no_weight(spoil, model, saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "model")
    spoil(load_file(folder / SAFETENSORS), folder)
    with unchanged(model), pytest.raises(InputError, match=str(folder)):
        load_checkpoint(model, folder)
    with pytest.raises(InputError, match=str(folder)):
        SqueezeBertModel.from_pretrained(folder)


def test_a_pytorch_file_gives_the_same_model(saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "model")
    as_pytorch(load_file(folder / SAFETENSORS), folder)
    expected = weights_of(SqueezeBertModel.from_pretrained(saved))
    for path, value in weights_of(SqueezeBertModel.from_pretrained(folder)).items():
        np.testing.assert_array_equal(value, expected[path])


@pytest.mark.parametrize("model_type", ["roberta", "mobilebert", "", None, 1, []])
def test_the_config_of_another_model(model_type, saved, tmp_path):
    folder = shutil.copytree(saved, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": model_type}))
    with pytest.raises(InputError, match="Another architecture") as error:
        SqueezeBertModel.from_pretrained(folder)
    assert str(folder / "config.json") in str(error.value)
    assert repr(model_type) in str(error.value)
