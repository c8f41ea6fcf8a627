"""squeezebert glue: the table, what is left out of it, and what is said of mistakes."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from every_head import write_model

from keras_squeezebert.cli.glue import glue
from keras_squeezebert.training.glue import RECIPES, GlueRow
from keras_squeezebert.training.glue_table import COLUMNS

GLUE_FILES = Path(__file__).parents[1] / "data" / "formats" / "glue"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A model, and GLUE's folder with MRPC, STS-B and, without training data, RTE."""
    folder = tmp_path_factory.mktemp("glue")
    write_model(folder / "model", "SqueezeBertForSequenceClassification")
    for name in ("MRPC", "STS-B", "RTE"):
        shutil.copytree(GLUE_FILES / name, folder / "data" / name)
    (folder / "data" / "RTE" / "train.tsv").unlink()
    dev = folder / "data" / "STS-B" / "dev.tsv"
    header, line = dev.read_text().splitlines()
    # A correlation needs two.
    dev.write_text(f"{header}\n{line}\n{line.removesuffix('0')}5\n")
    return folder


def run(workspace, output, *arguments, data="data"):
    command = (
        *("--model", workspace / "model", "--data", workspace / data),
        *("--output", output, "--epochs", 1, "--max-length", 24, *arguments),
    )
    return CliRunner().invoke(glue, list(map(str, command)))


def test_a_row(workspace, tmp_path):
    result = run(
        *(workspace, tmp_path / "row", "--seeds", "0,2"),
        *("--submission", tmp_path / "to-glue"),
    )
    assert result.exit_code == 0, result.output
    assert "LEFT OUT: rte, for want of RTE/train.tsv." in result.stderr
    assert "LEFT OUT: cola, for want of CoLA/train.tsv, CoLA/dev" in result.stderr
    assert "Without MNLI, every task starts from the model itself." in result.stderr
    header, *rows, note = result.stdout.splitlines()[-6:]
    assert header.split() == ["STS-B", "MRPC"]
    titles = [row[:12].strip() for row in rows]
    assert titles == ["best", "mean", "spread", "paper, test"]
    assert rows[3][12:].split() == ["–", "87.8"]
    assert "on the dev sets, of 2 seeds" in note
    results = json.loads((tmp_path / "row" / "results.json").read_text())
    scores = [
        (r["figures"]["accuracy"] + r["figures"]["f1"]) / 2
        for r in results["mrpc"].values()
    ]
    assert rows[0].split()[-1] == f"{100 * max(scores):.1f}"
    assert rows[1].split()[-1] == f"{50 * sum(scores):.1f}"
    names = {path.name for path in (tmp_path / "to-glue").iterdir()}
    assert names == {"MRPC.tsv", "STS-B.tsv"}


def test_json(workspace, tmp_path):
    result = run(workspace, tmp_path, "--tasks", "mrpc", "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert list(printed["row"]) == ["MRPC"]
    assert printed["row"]["MRPC"]["spread"] is None
    assert printed["results"] == json.loads((tmp_path / "results.json").read_text())
    settings = printed["results"]["mrpc"]["0"]["settings"]
    assert settings["epochs"] == 1
    assert settings["learning_rate"] == RECIPES["mrpc"].learning_rate


def test_every_task_has_a_recipe_and_a_column():
    assert {column.task for column in COLUMNS} == set(RECIPES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tasks", "mrpc,mrcp"), "Received: mrpc, mrcp"),
        (("--tasks", "rte"), "must hold RTE/train.tsv"),
        (("--tasks", ""), "Tasks are one or more of mnli, qqp"),
        (("--tasks", "stsb", "--teacher-dir", GLUE_FILES), "no folder"),
    ],
)
def test_mistakes(arguments, message, workspace, tmp_path):
    result = run(workspace, tmp_path / "row", *arguments)
    assert message in str(result.exception)
    assert not (tmp_path / "row").exists()


def test_no_file_of_glue(workspace, tmp_path):
    (tmp_path / "empty").mkdir()
    result = run(workspace, tmp_path / "row", data=tmp_path / "empty")
    assert "must hold train and dev files of a task" in str(result.exception)
    assert not (tmp_path / "row").exists()


def test_an_interrupt(workspace, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(GlueRow, "run", interrupt)
    result = run(workspace, tmp_path)
    assert result.exit_code == 1
    assert "The same command goes on from here." in result.stderr


@pytest.mark.parametrize("seeds", ["0,x", "-1", "", "4294967296"])
def test_seeds_are_whole_numbers(seeds, workspace, tmp_path):
    result = run(workspace, tmp_path / "row", "--seeds", seeds)
    assert result.exit_code == 2
    assert "whole numbers from 0" in result.stderr


def test_it_is_said_that_the_official_weights_were_not_tried():
    text = " ".join(CliRunner().invoke(glue, ["--help"]).stdout.split())
    assert "What the official weights come to has not been tried" in text
