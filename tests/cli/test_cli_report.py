"""`tuner report`: one HTML file."""

import shutil
from pathlib import Path

from cli_program import Ended, Program

RECORDED = Path(__file__).parents[1] / "fixtures" / "recorded" / "0.1.0" / "mlp"


def test_it_is_written_into_the_folder_or_where_it_was_asked_for(program: Program, tmp_path: Path) -> None:
    folder = shutil.copytree(RECORDED, tmp_path / "mlp")
    assert program("report", folder) == Ended(0, f"written to {folder}/report.html\n", "")
    there = tmp_path / "there.html"
    assert program("report", folder, "--out", there) == Ended(0, f"written to {there}\n", "")
    assert there.read_text().startswith("<!doctype html>")


def test_what_cannot_be_reported_is_one_sentence(program: Program, tmp_path: Path) -> None:
    ended = program("report", tmp_path / "nothing")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("tuner: a report is of a folder of results")
