"""Mutated files of weights: each is read or refused, and none runs code.

`FUZZ_EXAMPLES=20000 pytest -s tests/converters/test_fuzz_readers.py` tries as many
files of each kind, other ones each time, stops at one that takes a minute, and counts
what became of them.
"""

import contextlib
import faulthandler
import io
import json
import math
import os
import pickle
import pickletools
import struct
import sys
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save, save_file

from keras_squeezebert.converters.readers import read_weights
from keras_squeezebert.errors import InputError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
PATIENCE = 60  # seconds for one file, in the long run
MEMORY = 2**28  # bytes that reading a tiny file may take

fuzz = settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TENSORS = {
    "embeddings.weight": np.arange(6, dtype="float32").reshape(2, 3),
    "encoder.bias": np.ones(4, "float16"),
    "scale": np.array(2.0),
    "position_ids": np.arange(3)[None],
}


# === What reading must not do


class Guard:
    """Records what Python announces to audit hooks while a file is read."""

    EVENTS = (
        "builtins.input compile cpython.run_ ctypes. exec ftplib. import marshal. "
        "os.chmod os.chown os.exec os.fork os.kill os.link os.mkdir os.posix_spawn "
        "os.putenv os.remove os.rename os.rmdir os.spawn os.startfile os.symlink "
        "os.system os.truncate os.unsetenv pickle.find_class pty. shutil. smtplib. "
        "socket. subprocess. tempfile. urllib. webbrowser."
    )

    def __init__(self):
        self.watching, self.events = False, []
        sys.addaudithook(self._hook)  # for good: none can be taken away

    @contextlib.contextmanager
    def watch(self):
        self.events, self.watching = [], True
        try:
            yield
        finally:
            self.watching = False

    def _hook(self, event, arguments):
        if self.watching and (
            event.startswith(self._prefixes) or self._writes(event, arguments)
        ):
            self.events.append((event, str(arguments)[:200]))

    _prefixes = tuple(EVENTS.split())

    @staticmethod
    def _writes(event, arguments):
        if event != "open":
            return False
        _, mode, flags = arguments
        changes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        return bool(set(mode or "") & set("wxa+")) or bool((flags or 0) & changes)


@pytest.fixture(scope="module")
def guard():
    return Guard()


def memory():
    """The most that this process ever held, in bytes; 0 where that is not told."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Reader:
    """Reads a folder as a model would, and checks that it was read or refused."""

    def __init__(self, guard, folder):
        self.guard, self.folder, self.counts = guard, folder, Counter()

    def __call__(self, files):
        """The number of weights in `files`; None if they are refused."""
        # Removed, not written over: the last ones can be mapped into memory still.
        for path in self.folder.iterdir():
            path.unlink()
        for name, data in files.items():
            (self.folder / name).write_bytes(data)
        if EXAMPLES:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
        held = memory()
        with self.guard.watch():
            weights = self._read()
        if self.guard.events:
            # Modules that Python loads late it loads once; what a file does, it does
            # each time.
            with self.guard.watch():
                assert self._read() == weights
        assert self.guard.events == []
        assert memory() - held < MEMORY
        assert sorted(p.name for p in self.folder.iterdir()) == sorted(files)
        faulthandler.cancel_dump_traceback_later()
        self.counts["refused" if weights is None else "read"] += 1
        return weights

    def _read(self):
        try:
            _, tensors = read_weights(self.folder)
        except InputError as error:
            assert str(self.folder) in str(error)
            return None
        return sum(map(self._is_weight, tensors.values()))

    def _is_weight(self, tensor):
        assert isinstance(tensor.key, str)
        with pytest.raises(InputError):
            tensor.check_shape((*tensor.shape, 7))
        try:
            tensor.check_values()
        except InputError as error:
            assert str(self.folder) in str(error)
            return False
        values = tensor.read()
        assert (values.shape, values.dtype) == (tensor.shape, np.float32)
        assert math.prod(tensor.shape) <= tensor.file.stat().st_size
        assert np.isfinite(values).all()
        return True


@pytest.fixture(scope="module")
def read(guard, tmp_path_factory):
    read = Reader(guard, tmp_path_factory.mktemp("model"))
    yield read
    if EXAMPLES:
        print(*(f"{count:,} {outcome}" for outcome, count in read.counts.items()))


@pytest.fixture
def read_bin(read):
    pytest.importorskip("torch", reason="PyTorch writes these files")
    return lambda data: read({"pytorch_model.bin": data})


def test_the_guard_sees_what_is_forbidden(guard, tmp_path):
    def marks(action):
        with guard.watch():
            action()
        return [event for event, _ in guard.events]

    assert marks(lambda: (tmp_path / "a").write_text("a"))[:1] == ["open"]
    assert marks(lambda: (tmp_path / "a").read_text()) == []
    assert "os.system" in marks(lambda: os.system("true"))
    assert "exec" in marks(lambda: exec("1"))
    assert "os.remove" in marks((tmp_path / "a").unlink)
    assert "pickle.find_class" in marks(lambda: pickle.loads(pickle.dumps(Guard)))
    assert memory() > 0 or os.name == "nt"


# === Mutations of bytes

NUMBERS = st.sampled_from([0, 1, 2**31, 2**63]) | st.integers(0, 2**64 - 1)
WORDS = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from([b"\0", b"\xff", b"\0" * 8, b"\xff" * 8, b"PK\3\4", b"PK\1\2"]),
    st.builds(struct.pack, st.just("<Q"), NUMBERS),
    NUMBERS.map(lambda number: struct.pack("<I", number % 2**32)),
)
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "overwrite", "delete", "copy", "cut"]),
        st.integers(0, 2**16),
        st.integers(0, 2**16),
        WORDS,
    ),
    min_size=1,
    max_size=6,
)


def edited(data, edits):
    data = bytearray(data)
    for kind, first, second, word in edits:
        at, to = first % (len(data) + 1), second % (len(data) + 1)
        if kind == "flip" and at < len(data):
            data[at] ^= 1 << second % 8
        elif kind == "insert":
            data[at:at] = word
        elif kind == "overwrite":
            data[at : at + len(word)] = word
        elif kind == "delete":
            del data[at : at + second % 16]
        elif kind == "copy":
            data[to:to] = data[at : at + 64]
        elif kind == "cut" and second % 8 == 0:  # seldom, as little is left of it
            del data[at:]
    return bytes(data)


# === safetensors


def good_safetensors():
    return {"model.safetensors": save(TENSORS, {"format": "pt"})}


@fuzz
@given(edits=EDITS)
@example(edits=[])
def test_bytes_of_safetensors(edits, read):
    (data,) = good_safetensors().values()
    weights = read({"model.safetensors": edited(data, edits)})
    assert edits or weights == 3


JSON = st.recursive(
    st.none()
    | st.booleans()
    | NUMBERS
    | st.integers(-9, 9)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["F32", "shape", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPES = {"F32": 4, "F16": 2, "BF16": 2, "F64": 8, "I64": 8, "BOOL": 1, "F8_E4M3": 1}
SHAPES = st.lists(st.integers(0, 4), max_size=4) | st.lists(
    st.sampled_from([0, 1, 2**31, 2**62, 2**63, 2**64 - 1, 2**64, -1]), max_size=70
)
FIELDS = st.sampled_from(["dtype", "shape", "data_offsets", "more"])


@st.composite
def header_files(draw):
    """A file whose header is JSON of the right build, with wrong entries."""
    layout = draw(st.lists(st.tuples(st.sampled_from(list(TYPES)), SHAPES), min_size=1))
    entries, end = [], 0
    for number, (dtype, shape) in enumerate(layout[:5]):
        size = TYPES[dtype] * math.prod(shape)
        size = size if 0 <= size < 2**12 else 0
        offsets = [end, end + size]
        entry = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        entries.append([f"t{number}", entry])
        end += size
    for _ in range(draw(st.integers(0, 2))):
        target = draw(st.sampled_from(entries))
        kind = draw(st.sampled_from(["field", "entry", "name", "twice", "near"]))
        if kind == "field" and isinstance(target[1], dict):
            target[1] = target[1] | {draw(FIELDS): draw(JSON | SHAPES)}
        elif kind == "entry":
            target[1] = draw(JSON)
        elif kind == "name":
            target[0] = draw(st.sampled_from(["__metadata__", "t0", "", "\ud800"]))
        elif kind == "twice":
            entries.append(list(target))
        elif kind == "near" and isinstance(target[1], dict):
            near = st.integers(-1, end + 2)
            target[1] = target[1] | {"data_offsets": [draw(near), draw(near)]}
    # Written by hand, so that a name can occur twice.
    pairs = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in entries)
    header = ("{" + ", ".join(pairs) + "}").encode() + b" " * draw(st.integers(0, 8))
    length = len(header) + draw(st.sampled_from([0] * 8 + [-1, 1, 2**40]))
    body = bytes(max(0, end + draw(st.sampled_from([0] * 8 + [-1, 1]))))
    return struct.pack("<Q", length) + header + body


@fuzz
@given(data=header_files())
def test_headers_of_safetensors(data, read):
    weights = read({"model.safetensors": data})
    assert weights is None or weights < 6


# === Indexes of shards


def good_shards():
    weight_map = {key: f"model-{n}.safetensors" for n, key in enumerate(TENSORS)}
    return {
        **{file: save({key: TENSORS[key]}) for key, file in weight_map.items()},
        "model.safetensors.index.json": json.dumps(
            {"metadata": {"total_size": 1}, "weight_map": weight_map}
        ).encode(),
    }


FILES = st.sampled_from(
    ["model-0.safetensors", "model-1.safetensors", "../x", "/etc/passwd", "", ".."]
)
WEIGHT_MAPS = st.dictionaries(
    st.sampled_from(list(TENSORS)) | st.text(max_size=3), FILES | JSON, max_size=5
)


@fuzz
@given(edits=EDITS)
@example(edits=[])
def test_bytes_of_indexes(edits, read):
    files = good_shards()
    index = edited(files["model.safetensors.index.json"], edits)
    weights = read(files | {"model.safetensors.index.json": index})
    assert edits or weights == 3


@fuzz
@given(index=st.fixed_dictionaries({"weight_map": WEIGHT_MAPS | JSON}) | JSON)
def test_indexes_of_other_contents(index, read):
    data = json.dumps(index).encode()
    weights = read(good_shards() | {"model.safetensors.index.json": data})
    assert weights is None or weights <= 3


# === PyTorch's files


def good_bin(is_zip):
    import torch

    state = {key: torch.tensor(value) for key, value in TENSORS.items()}
    state["tied"] = state["embeddings.weight"].T
    state["brain"] = torch.ones(2, dtype=torch.bfloat16)
    module = torch.nn.Linear(1, 1, bias=False).state_dict()  # with its `_metadata`
    module.update(state)
    file = io.BytesIO()
    torch.save(module, file, _use_new_zipfile_serialization=is_zip)
    return file.getvalue()


@fuzz
@given(edits=EDITS)
@example(edits=[])
def test_bytes_of_archives(edits, read_bin):
    weights = read_bin(edited(good_bin(True), edits))
    assert edits or weights == 6


@fuzz
@given(edits=EDITS)
@example(edits=[])
def test_bytes_of_the_older_form(edits, read_bin):
    weights = read_bin(edited(good_bin(False), edits))
    assert edits or weights == 6


def short(text):
    return b"X" + struct.pack("<I", len(text)) + text.encode()


# What a pickle can hold at any place: harmless, wrong and hostile steps.
STEPS = [
    *(bytes([code]) for code in b"(.0125)]}NQRabdehilopqrstu\x81\x85\x86\x87\x88\x89"),
    *(b"h" + bytes([n]) for n in range(12)),
    *(b"q" + bytes([n]) for n in (0, 1, 255)),
    *(b"K" + bytes([n]) for n in (0, 1, 2, 255)),
    *(b"J" + struct.pack("<i", n) for n in (-1, 2**20, 2**31 - 1)),
    *(b"\x8a\x08" + struct.pack("<q", n) for n in (-1, 2**40, 2**62)),
    *(b"G" + struct.pack(">d", n) for n in (0.5, math.inf)),
    *(b"r" + struct.pack("<I", n) for n in (0, 2**32 - 1)),
    *map(short, ["storage", "module", "0", "cpu", "cuda:0", "meta", "items", "neg"]),
    *(
        f"c{module}\n{name}\n".encode()
        for module, name in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "exec"),
            ("builtins", "bytearray"),
            ("builtins", "set"),
            ("_codecs", "encode"),
            ("collections", "OrderedDict"),
            ("collections", "Counter"),
            ("torch", "FloatStorage"),
            ("torch", "HalfStorage"),
            ("torch", "Tensor"),
            ("torch", "Size"),
            ("torch", "float32"),
            ("torch.storage", "UntypedStorage"),
            ("torch.storage", "TypedStorage"),
            ("torch.serialization", "_get_layout"),
            ("torch._tensor", "_rebuild_from_type_v2"),
            ("torch._utils", "_rebuild_parameter"),
            ("torch._utils", "_rebuild_tensor"),
            ("torch._utils", "_rebuild_tensor_v2"),
            ("torch._utils", "_rebuild_tensor_v3"),
            ("torch._utils", "_rebuild_sparse_tensor"),
            ("torch._utils", "_rebuild_nested_tensor"),
        ]
    ),
    b"cos\nsystem\n" + short("exit 1") + b"\x85R",
    b"\x80\x04\x8c\x02os\x8c\x06system\x93" + short("exit 1") + b"\x85R",
    b"\x80\x05\x96" + struct.pack("<Q", 2**40),
]
PICKLE_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "delete", "move", "copy"]),
        st.integers(0, 2**12),
        st.integers(0, 2**12),
        st.sampled_from(STEPS),
    ),
    min_size=1,
    max_size=6,
)


def steps_of(file):
    """The steps of a pickle, each as its bytes."""
    starts = [position for _, _, position in pickletools.genops(file)]
    end = file.tell()
    file.seek(starts[0])
    ends = [*starts[1:], end]
    return [file.read(b - a) for a, b in zip(starts, ends, strict=True)]


def edited_steps(steps, edits):
    steps = list(steps)
    for kind, first, second, step in edits:
        at, to = first % (len(steps) + 1), second % (len(steps) + 1)
        if kind == "insert":
            steps[at:at] = [step]
        elif kind == "replace":
            steps[at : at + 1] = [step]
        elif kind == "delete":
            del steps[at : at + second % 4]
        elif kind == "move":
            moved = steps[at : at + 1]
            del steps[at : at + 1]
            steps[to:to] = moved
        elif kind == "copy":
            steps[to:to] = steps[at : at + 3]
    return b"".join(steps)


@fuzz
@given(edits=PICKLE_EDITS)
@example(edits=[])
def test_pickles_in_archives(edits, read_bin):
    changed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(good_bin(True))) as archive,
        zipfile.ZipFile(changed, "w") as copy,
    ):
        for name in archive.namelist():
            data = archive.read(name)
            if name.endswith("data.pkl"):
                data = edited_steps(steps_of(io.BytesIO(data)), edits)
            copy.writestr(name, data)
    weights = read_bin(changed.getvalue())
    assert edits or weights == 6


@fuzz
@given(edits=PICKLE_EDITS)
@example(edits=[])
def test_pickles_of_the_older_form(edits, read_bin):
    file = io.BytesIO(good_bin(False))
    steps = [step for _ in range(5) for step in steps_of(file)]
    weights = read_bin(edited_steps(steps, edits) + file.read())
    assert edits or weights == 6


# === What was found once


def test_a_header_whose_entry_is_a_list(read):
    header = b'{"a": ["F32", [1], [0, 4]]}'
    data = struct.pack("<Q", len(header)) + header + bytes(4)
    assert read({"model.safetensors": data}) is None


def test_an_empty_tensor_of_a_size_beyond_numpy(read):
    for shape in ([0, 2**63], [0] * 100):
        header = json.dumps(
            {"a": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}
        ).encode()
        data = struct.pack("<Q", len(header)) + header
        assert read({"model.safetensors": data}) is None


def test_a_file_that_is_read_after_all(read, tmp_path):
    save_file(TENSORS, tmp_path / "a")
    assert read({"model.safetensors": (tmp_path / "a").read_bytes()}) == 3
