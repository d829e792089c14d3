"""What a crash leaves is whole, or left out."""

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from tuner.records.files import atomic_write, atomic_write_json, read_lines


@pytest.mark.parametrize(("content", "data"), [("grüße\n", "grüße\n".encode()), (b"\x00\xff", b"\x00\xff")])
def test_atomic_write(tmp_path: Path, content: str | bytes, data: bytes) -> None:
    path = tmp_path / "made" / "for it" / "file"
    atomic_write(path, "old")
    atomic_write(path, content)
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == ["file"]


def test_atomic_write_that_fails_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    atomic_write(path, "old")
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_atomic_write_json(tmp_path: Path) -> None:
    content = {"b": 1, "a": ["ü", None, 0.1]}
    atomic_write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == content
    assert "ü" in text
    assert text.endswith("\n")


LINES: list[dict[str, Any]] = [
    {"trial": 0, "reason": "two\nlines, ü"},
    {"trial": 1, "cutoff": None, "value": 0.5},
    {"trial": 2},
]


def as_lines(contents: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(content) + "\n" for content in contents)


def test_lines_come_back(tmp_path: Path) -> None:
    path = tmp_path / "decisions.jsonl"
    path.write_text(as_lines(LINES))
    assert list(read_lines(path)) == LINES


def test_non_finite_values_come_back(tmp_path: Path) -> None:
    (tmp_path / "lines").write_text(as_lines([{"value": math.nan, "cutoff": math.inf}]))
    (line,) = read_lines(tmp_path / "lines")
    assert math.isnan(line["value"])
    assert line["cutoff"] == math.inf


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "missing")) == []


def test_a_torn_line_is_left_out_and_the_next_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    whole = as_lines(LINES[:2]).encode()
    first = len(whole.splitlines(keepends=True)[0])
    for size in range(first, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert list(read_lines(path)) == LINES[:1]
        path.write_bytes(whole[:size].rstrip(b"\n") + b"\n" + as_lines(LINES[2:]).encode())
        assert list(read_lines(path)) == [LINES[0], LINES[2]]
