"""Files and folders are whole whatever interrupts the writer."""

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from keras_squeezebert.errors import InputError
from keras_squeezebert.files import (
    atomic_file,
    atomic_folder,
    read_json,
    settled_folder,
    write_json,
)

ROOT = Path(__file__).parents[1]

OLD = {"config": "old", "weights": "old", "vocab": "old"}
NEW = dict.fromkeys(OLD, "new")
RANGES = {"ranges": "old"}  # which a new model may not have
OTHER = {"notes": "mine", "assets/readme": "mine"}

# Python announces each operation to audit hooks before it is done: the child kills
# itself at the n-th that changes files.
KILL_AT = """
import os, signal, sys

CHANGES = {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename",
           "os.rmdir"}
seen = 0

def kill_at(event, _):
    global seen
    if event in CHANGES:
        seen += 1
        if seen > int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

import pathlib, shutil, tempfile
from keras_squeezebert.files import atomic_file, atomic_folder
"""

SAVE_FOLDER = """
sys.addaudithook(kill_at)
with atomic_folder(sys.argv[1], obsolete=["ranges"]) as draft:
    (draft / "config").write_text("new")
    (draft / "vocab").write_text("new")
    (draft / "weights").write_text("new")
"""

SAVE_FILE = """
sys.addaudithook(kill_at)
with atomic_file(sys.argv[1]) as draft:
    draft.write_text("new")
"""


def killed_at_each_change(script, path, prepare):
    """Yields after each killed run of `script`; ends when a run gets through."""
    for changes in itertools.count():
        prepare()
        command = [sys.executable, "-c", KILL_AT + script, str(path), str(changes)]
        finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if finished.returncode == 0:
            return
        assert finished.returncode == -signal.SIGKILL, finished.stderr
        yield changes


def write_files(folder, texts):
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read_files(folder):
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def whole_files(folder):
    """The files a reader would open: not those of a writer that was killed."""
    files = read_files(folder).items()
    return {name: text for name, text in files if not name.startswith(".draft-")}


def save(folder, texts):
    with atomic_folder(folder) as draft:
        write_files(draft, texts)


@pytest.fixture
def umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


# === Folders


def test_a_new_folder_and_its_parents(tmp_path):
    save(tmp_path / "a" / "b", NEW)
    assert read_files(tmp_path / "a" / "b") == NEW
    assert os.listdir(tmp_path / "a") == ["b"]


def test_a_replaced_folder_keeps_other_files(tmp_path):
    write_files(tmp_path / "model", OLD | OTHER)
    save(tmp_path / "model", NEW)
    assert read_files(tmp_path / "model") == NEW | OTHER
    assert os.listdir(tmp_path) == ["model"]


def test_what_is_obsolete_leaves_with_the_new_files(tmp_path):
    write_files(tmp_path / "model", OLD | OTHER | RANGES)
    with atomic_folder(tmp_path / "model", [*RANGES, *NEW, "never there"]) as draft:
        write_files(draft, NEW)
        assert read_files(tmp_path / "model").items() >= (OLD | RANGES).items()
    assert read_files(tmp_path / "model") == NEW | OTHER


def test_what_is_obsolete_stays_after_an_error(tmp_path):
    write_files(tmp_path / "model", OLD | RANGES)
    with pytest.raises(ValueError), atomic_folder(tmp_path / "model", RANGES):
        raise ValueError
    assert read_files(tmp_path / "model") == OLD | RANGES


def test_other_symlinks_stay_symlinks(tmp_path):
    write_files(tmp_path / "model", OLD)
    (tmp_path / "model" / "log").symlink_to("elsewhere")
    save(tmp_path / "model", NEW)
    assert os.readlink(tmp_path / "model" / "log") == "elsewhere"


def test_a_symlink_is_replaced_by_the_file_of_its_name(tmp_path):
    write_files(tmp_path / "blobs", OLD)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").symlink_to(tmp_path / "blobs" / "weights")
    save(tmp_path / "model", NEW)
    assert read_files(tmp_path / "model") == NEW
    assert read_files(tmp_path / "blobs") == OLD


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_folder(tmp_path, error):
    write_files(tmp_path / "model", OLD | OTHER)
    with pytest.raises(error), atomic_folder(tmp_path / "model") as draft:
        (draft / "weights").write_text("new")
        raise error
    assert read_files(tmp_path / "model") == OLD | OTHER
    assert os.listdir(tmp_path) == ["model"]


def test_an_error_in_a_first_save_leaves_nothing(tmp_path):
    with pytest.raises(ValueError), atomic_folder(tmp_path / "model") as draft:
        (draft / "weights").write_text("new")
        raise ValueError
    assert os.listdir(tmp_path) == []


def test_readers_meanwhile_see_the_old_folder(tmp_path):
    write_files(tmp_path / "model", OLD)
    with atomic_folder(tmp_path / "model") as draft:
        write_files(draft, NEW)
        settled_folder(tmp_path / "model")
        assert whole_files(tmp_path / "model") == OLD


def test_a_killed_writer_leaves_the_old_folder_or_the_new_one(tmp_path):
    path = tmp_path / "model"

    def prepare():
        write_files(path, OTHER | RANGES)
        save(path, OLD)

    outcomes = []
    for changes in killed_at_each_change(SAVE_FOLDER, path, prepare):
        found = whole_files(settled_folder(path))
        assert found in (OLD | OTHER | RANGES, NEW | OTHER), changes
        outcomes.append(found["weights"])
    assert read_files(path) == NEW | OTHER
    # The kills did fall before and after the rename that decides.
    assert {"old", "new"} == set(outcomes)
    assert outcomes == sorted(outcomes, reverse=True)


def test_a_killed_writer_leaves_no_first_file_or_all(tmp_path):
    path = tmp_path / "model"
    for changes in killed_at_each_change(SAVE_FOLDER, path, lambda: None):
        assert whole_files(settled_folder(path)) in ({}, NEW), changes
    assert read_files(path) == NEW


def test_the_next_save_removes_what_a_kill_left(tmp_path):
    write_files(tmp_path / "model", OLD | {".draft-1/weights": "ne"})
    save(tmp_path / "model", NEW)
    assert read_files(tmp_path / "model") == NEW


def test_a_reader_finishes_what_was_complete(tmp_path):
    write_files(tmp_path / "model", OLD | {".complete/weights": "new"})
    settled_folder(tmp_path / "model")
    assert read_files(tmp_path / "model") == OLD | {"weights": "new"}
    assert not (tmp_path / "model" / ".complete").exists()


def test_settling_makes_no_folder(tmp_path):
    assert settled_folder(tmp_path / "model") == tmp_path / "model"
    assert os.listdir(tmp_path) == []


def test_a_symlinked_folder_stays_a_symlink(tmp_path):
    write_files(tmp_path / "real", OLD | OTHER)
    (tmp_path / "link").symlink_to("real")
    save(tmp_path / "link", NEW)
    assert os.readlink(tmp_path / "link") == "real"
    assert read_files(tmp_path / "real") == NEW | OTHER


@pytest.mark.usefixtures("umask")
def test_folder_permissions(tmp_path):
    save(tmp_path / "model", {"weights": "old"})
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "model" / "weights").stat().st_mode & 0o777 == 0o640
    (tmp_path / "model").chmod(0o700)
    save(tmp_path / "model", {"weights": "new"})
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o700


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(InputError, match="model"):
        save(tmp_path / "model", NEW)
    assert (tmp_path / "model").read_text() == "a file"


def test_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(".", NEW)
    assert read_files(Path(".")) == NEW


# === Single files


def test_a_file_is_replaced(tmp_path):
    path = tmp_path / "new folder" / "model.tflite"
    for text in ("old", "new"):
        with atomic_file(path) as draft:
            assert draft.parent == path.parent
            assert draft.suffix == ".tflite"
            draft.write_text(text)
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["model.tflite"]


def test_a_reader_goes_on_with_the_old_file(tmp_path):
    (tmp_path / "a").write_text("old")
    with open(tmp_path / "a") as reader:
        with atomic_file(tmp_path / "a") as draft:
            draft.write_text("new")
        assert reader.read() == "old"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file(tmp_path, error):
    (tmp_path / "a").write_text("old")
    with pytest.raises(error), atomic_file(tmp_path / "a") as draft:
        draft.write_text("new")
        raise error
    assert read_files(tmp_path) == {"a": "old"}


def test_a_killed_writer_leaves_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "a.txt"
    kills = 0
    for _ in killed_at_each_change(SAVE_FILE, path, lambda: path.write_text("old")):
        assert path.read_text() in ("old", "new")
        kills += 1
    assert path.read_text() == "new"
    assert kills >= 3


@pytest.mark.usefixtures("umask")
def test_file_permissions(tmp_path):
    with atomic_file(tmp_path / "a") as draft:
        draft.write_text("x")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


# === JSON


def test_json_reads_back(tmp_path):
    values = {"é": [1, 2.5, None, True], "nested": {"a": "\u2028"}}
    write_json(tmp_path / "a.json", values)
    assert read_json(tmp_path / "a.json") == values
    assert "é" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"a": object()})
    assert read_json(tmp_path / "a.json") == {"a": 1}
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a JSON file"),
        (b"{", "not a JSON file"),
        (b"\xff\xfe{}", "not a JSON file"),
        (b"[]", "JSON object. Received: list"),
        (b"null", "JSON object. Received: NoneType"),
        pytest.param(
            b"[" * 100_000,
            "not a JSON file",
        ),
        pytest.param(
            b'{"a": ' + b"1" * 5000 + b"}",
            "not a JSON file",
        ),
    ],
    ids=["empty", "open", "utf16", "list", "null", "deep", "digits"],
)
def test_files_that_hold_no_json_object(tmp_path, content, message):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_json(tmp_path / "a.json")


def test_json_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(InputError, match="not a JSON file"):
        read_json(tmp_path)
