"""How the report looks: one HTML file that holds together, loads nothing and runs nothing; plain text."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from tuner.data import prepare
from tuner.data_report import DataReport, as_html, as_text, summarise
from tuner.data_report.html import MOST_COLUMNS
from tuner.spec.sections import DataSpec

EVIL = "<script>alert('x')</script>\" onload=\"x & [red]:smile:[/red]\x1b[2J"
VOID = {"meta", "img", "rect", "br"}
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    "table": ("tabular_classification", {"type": "csv", "path": "rows.csv", "label": EVIL}),
    "regression": ("regression", {"type": "sklearn", "name": "diabetes"}),
    "image": ("image_classification", {"type": "npz", "path": "images.npz"}),
    "text": ("text_classification", {"type": "labelled_text", "path": "texts.tsv"}),
    "language": ("language_modelling", {"type": "text", "path": "text.txt"}),
}


class Page(HTMLParser):
    """Tags that are open, all that were there with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


@pytest.fixture
def report(tmp_path: Path) -> Any:
    rows = pd.DataFrame(
        {
            f"column {EVIL}": np.arange(60),
            "words": ["", EVIL, "plain"] * 20,
            EVIL: [f"yes {EVIL}", "no"] * 30,
        }
    )
    pd.concat([rows, rows[:20]]).to_csv(tmp_path / "rows.csv", index=False)
    np.savez(tmp_path / "images.npz", x=np.random.default_rng(0).random((40, 5, 5)), y=[EVIL, "b"] * 20)
    texts = [f"{'ab'[place % 2]}\t<b>text</b> & {place % 9} {EVIL}" for place in range(60)]
    (tmp_path / "texts.tsv").write_text("\n".join(["label\ttext", *texts]) + "\n")
    (tmp_path / "text.txt").write_text(f"<i>{EVIL}</i>\n" * 60)

    def of(kind: str, **fields: Any) -> DataReport:
        task, source = DATA[kind]
        source = {**source, "path": str(tmp_path / source["path"])} if "path" in source else source
        if kind == "table":
            fields = {"clean": {"missing": "most_frequent"}, **fields}
        if kind in ("text", "language"):
            fields = {"text": {"tokenizer": "byte", "max_length": 40}, **fields}
        store = prepare(DataSpec.model_validate({"source": source, **fields}), task, tmp_path / "store")
        return summarise(store, "shown", {"data.clean.missing": "median"})

    return of


@pytest.mark.parametrize("kind", DATA)
def test_html_holds_together_loads_nothing_and_runs_nothing(report: Any, kind: str) -> None:
    page = read(as_html(report(kind)))
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "iframe", "object"})
    policies = [attrs["content"] for tag, attrs in page.tags if "http-equiv" in attrs]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    for tag, attrs in page.tags:
        assert not {name for name in attrs if name.startswith("on")}, (tag, attrs)
        assert attrs.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert "href" not in attrs
    assert "data.clean.missing is searched; shown with median" in page.text
    assert "\x1b" not in page.text
    if kind != "regression":
        assert "<script>alert(" in page.text


@pytest.mark.parametrize("kind", DATA)
def test_text_moves_no_cursor_and_opens_no_tag(report: Any, kind: str) -> None:
    for markup in (True, False):
        file = io.StringIO()
        Console(file=file, markup=markup, highlight=False, width=10_000).print(as_text(report(kind)))
        text = file.getvalue()
        assert all(character.isprintable() or character == "\n" for character in text)
        assert "rows of test that stand in train too" in text
        if kind == "table":
            assert f"column {EVIL[:-4]}\\x1b[2J" in text


def test_pictures_are_in_the_page(report: Any) -> None:
    pictures = [attrs for tag, attrs in read(as_html(report("image"))).tags if tag == "img"]
    assert len(pictures) == 8
    assert {picture["alt"] for picture in pictures} == {"b", EVIL.replace("\x1b", "\\x1b")}


def test_wide_tables_show_the_columns_that_tell_most(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.standard_normal((120, 200)), np.arange(120) % 2
    x[:, 150] += 9 * y
    np.savez(tmp_path / "wide.npz", x=x, y=y)
    spec = DataSpec.model_validate({"source": {"type": "npz", "path": str(tmp_path / "wide.npz")}})
    report = summarise(prepare(spec, "tabular_classification", tmp_path / "store"), "wide", {})
    file = io.StringIO()
    Console(file=file, width=10_000).print(as_text(report))
    lines = file.getvalue().splitlines()
    place = lines.index("columns of all 84 training rows: the 20 of 200 columns that tell most of the target")
    assert lines[place + 2].startswith("x150 ")
    html = as_html(report)
    assert f"the {MOST_COLUMNS} of 200 columns that tell most of the target" in html
    assert html.index("<td >x150</td>") < html.index("the other 140 columns</summary>")
    assert len(report.columns or ()) == 200


def test_sampling_is_said(report: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.data_report.numbers.MOST_ROWS", 20)
    monkeypatch.setattr("tuner.data_report.leakage.MOST_VALUES", 200)
    text = read(as_html(report("table"))).text
    assert "of 20 of 56 training rows, evenly spaced" in text
    assert "evenly spaced, were compared; there are more equal rows than were found" in text
