"""Functions of another process: their order, their noise, and their end."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

COUNTING = """
import sys
from elsewhere import serve

log = open(sys.argv[1], "a", buffering=1)

def noisy(name):
    def run():
        print("noise on stdout, with no end of line", end="")
        print("noise on stderr", file=sys.stderr)
        log.write(name + "\\n")
        return object()  # which no JSON can hold
    return run

print("noise before the names")
serve({name: noisy(name) for name in ("first", "second, float32", "dritte ü")})
log.write("ended\\n")
"""


@pytest.fixture
def elsewhere(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import elsewhere

    return elsewhere


@pytest.fixture
def script(tmp_path):
    def write(text):
        path = tmp_path / "script.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_calls_run_one_after_another_through_noise(elsewhere, script, tmp_path, capfd):
    log = tmp_path / "log"
    with elsewhere.start(sys.executable, script(COUNTING), str(log)) as forms:
        assert list(forms) == ["first", "second, float32", "dritte ü"]
        order = ["second, float32", "first", "first", "dritte ü"]
        for number, name in enumerate(order, start=1):
            forms[name]()
            # What was called has ended before the call returns.
            assert log.read_text().splitlines() == order[:number]
    assert log.read_text().splitlines() == [*order, "ended"]
    printed, errors = capfd.readouterr()
    assert printed == ""
    assert "noise before the names" in errors
    assert errors.count("noise on stderr") == 4


def test_functions_of_two_processes_take_turns(elsewhere, script, tmp_path):
    log, path = tmp_path / "log", script(COUNTING)
    with (
        elsewhere.start(sys.executable, path, str(log)) as one,
        elsewhere.start(sys.executable, path, str(log)) as other,
    ):
        one["first"]()
        other["dritte ü"]()
        one["first"]()
    assert log.read_text().splitlines()[:3] == ["first", "dritte ü", "first"]


def test_an_error_before_the_names(elsewhere, script, capfd):
    path = script("raise SystemExit('no such model')")
    with (
        pytest.raises(RuntimeError, match=r"script\.py ended with exit code 1"),
        elsewhere.start(sys.executable, path),
    ):
        pass
    assert "no such model" in capfd.readouterr().err


def test_an_error_in_a_function(elsewhere, script, capfd):
    path = script("from elsewhere import serve\nserve({'fails': lambda: 1 / 0})")
    with (
        pytest.raises(RuntimeError, match=r"script\.py ended with exit code 1"),
        elsewhere.start(sys.executable, path) as forms,
    ):
        forms["fails"]()
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_a_process_that_no_longer_listens(elsewhere, script):
    path = script(
        "import os\nos.close(0)\nfrom elsewhere import serve\nserve({'a': 0})"
    )
    with (
        pytest.raises(RuntimeError, match=r"script\.py ended with exit code 1"),
        elsewhere.start(sys.executable, path) as forms,
    ):
        forms["a"]()


def test_an_error_on_this_side_ends_the_process(elsewhere, script, tmp_path):
    log = tmp_path / "log"
    with (
        pytest.raises(KeyError),
        elsewhere.start(sys.executable, script(COUNTING), str(log)) as forms,
    ):
        forms["no such form"]()
    assert log.read_text() == "ended\n"
