"""`tuner data`: what is prepared, what is searched, what is written, and what is refused."""

import json
from pathlib import Path

import pytest
import yaml
from cli_program import Program, tree

EXPERIMENT = {
    "name": "answers",
    "task": "tabular_classification",
    "data": {
        "source": {"type": "csv", "path": "rows.csv", "label": "answer"},
        "clean": {"missing": {"choice": ["median", "drop"]}},
    },
    "model": {"type": "mlp", "width": {"int": [8, 16]}},
    "train": {"epochs": 2, "batch_size": 5},
    "search": {"metric": "val/loss", "trials": 2},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lines = [f"{'' if row == 7 else row},{row % 3},{'yes' if row % 2 else 'no'}" for row in range(60)]
    Path("rows.csv").write_text("\n".join(["x,z,answer", *lines]) + "\n")
    Path("answers.yaml").write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))
    return tmp_path


def test_data_is_shown_and_prepared_as_for_a_search(program: Program, folder: Path) -> None:
    ended = program("data", "answers.yaml")

    assert (ended.status, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == "answers: tabular_classification, 60 rows of 2 columns (2 features), 2 classes"
    assert (
        "data.clean.missing is searched; shown with median (--set data.clean.missing=... shows another)"
        in lines
    )
    (store,) = (folder / "results" / ".store").iterdir()
    before = tree(folder)
    assert program("data", "answers.yaml").out == ended.out
    assert tree(folder) == before
    assert store.is_dir()
    assert not (folder / "results" / "answers").exists()


def test_what_is_searched_may_be_set(program: Program, folder: Path) -> None:
    searched = json.loads(program("data", "answers.yaml", "--json").out)
    set_ = json.loads(program("data", "answers.yaml", "--json", "--set", "data.clean.missing=drop").out)

    assert searched["searched"] == {"data.clean.missing": "median"}
    assert (set_["searched"], set_["dropped"]["value_missing"]["count"]) == ({}, 1)
    assert searched["dropped"] == {}
    assert [column["name"] for column in searched["columns"]] == ["x", "z"]
    assert sum(searched["columns"][0]["missing"].values()) == 1


def test_html_is_written_where_it_is_wanted(program: Program, folder: Path) -> None:
    ended = program("data", "answers.yaml", "--html", "it's.html", "--results", "elsewhere")

    assert ended.out.endswith("written to it's.html\n")
    assert Path("it's.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert Path("elsewhere/.store").is_dir()
    assert json.loads(program("data", "answers.yaml", "--html", "b.html", "--json").out)["kind"] == "table"


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (".", "--html needs a file to write; found the folder .; name a file in it."),
        (
            "nowhere/data.html",
            "--html needs a file in a folder that is there; found nowhere/data.html; make the folder.",
        ),
    ],
)
def test_html_needs_a_folder_and_a_name(program: Program, folder: Path, target: str, sentence: str) -> None:
    ended = program("data", "answers.yaml", "--html", target)

    assert (ended.status, ended.out, ended.err) == (2, "", f"tuner: {sentence}\n")
    assert not (folder / "results").exists()


def test_data_that_cannot_be_used_is_one_sentence(program: Program, folder: Path) -> None:
    with Path("rows.csv").open("a") as file:
        file.write("oops,1,yes\n")

    ended = program("data", "answers.yaml")

    assert (ended.status, ended.out) == (2, "")
    assert "has 'oops' in row 61" in ended.err
    assert ended.err.count("\n") == 1
    assert not (folder / "results").exists()
