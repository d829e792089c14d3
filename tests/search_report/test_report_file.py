"""The file of a report: what it embeds, that nothing in it becomes markup, and where it can be written."""

import base64
import gzip
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tuner
from tuner.dashboard import curve_bytes
from tuner.errors import ResultsError, UsageError
from tuner.records.events import EventWriter
from tuner.records.rows import read_trials, write_trials
from tuner.search_report import answers, html
from tuner.search_report.words.parts import Listing, Section, Table

RECORDED = Path(__file__).parents[1] / "fixtures" / "recorded" / "0.1.0"
HOSTILE = "</script><img src=x onerror=alert(1)>\u2028"


class Tags(HTMLParser):
    """The tags of a page, and the text of its blocks."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.blocks: dict[str, str] = {}
        self._block: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self._block = dict(attributes).get("id") if tag == "script" else None

    def handle_endtag(self, tag: str) -> None:
        self._block = None

    def handle_data(self, data: str) -> None:
        if self._block:
            self.blocks[self._block.removeprefix("held-")] = data


def held(page: str) -> dict[str, Any]:
    """The answers of a page that are JSON."""
    blocks = Tags(page).blocks
    plain = {name: gzip.decompress(base64.b64decode(text)) for name, text in blocks.items()}
    return {name: json.loads(text) for name, text in plain.items() if not name.startswith("curves")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(RECORDED / "mlp", tmp_path / "mlp")
    return tmp_path / "mlp"


def test_a_report_holds_words_and_answers(folder: Path) -> None:
    file = tuner.report(folder)
    assert file == folder / "report.html"
    page = file.read_text()
    assert "Trial 1 won: val/loss 0.3313 ± 0.059" in page
    found = held(page)
    assert found["details"]["metric"] == "val/loss"
    assert found["trials"]["data"]["number"] == [0, 1, 2, 3, 4]
    assert len(found["timeline"]["data"]["gang"]) == 5
    lows = found["extremes"]["val/loss"]["data"]["min"]
    known = tuner.Result.open(folder).curves("val/loss").groupby("trial")["value"].min()
    assert lows == pytest.approx(known.tolist(), rel=1e-5)


def test_its_policy_names_the_only_script_and_style(folder: Path) -> None:
    page = tuner.report(folder).read_text()
    policy = re.search(r'content="(default-src[^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data: blob:; style-src 'sha256-")
    assert "unsafe" not in policy[1]
    assert not re.search(r'(src|href)="(?!#|data:)', page)


def test_the_curves_are_those_of_the_logs_to_five_digits(folder: Path) -> None:
    page = tuner.report(folder).read_text()
    tags = held(page)["details"]["metrics"]
    packed = gzip.decompress(base64.b64decode(Tags(page).blocks[f"curves{tags.index('val/loss')}"]))
    begin = 4 + int.from_bytes(packed[:4], "little")
    header = json.loads(packed[4:begin])
    numbers = np.frombuffer(packed, np.uint8, offset=begin).reshape(8, -1).T.copy().view("<f8").ravel()
    step, time_s, value = numbers.reshape(3, -1)
    known = tuner.Result.open(folder).curves("val/loss")
    assert (header["trials"], header["counts"]) == ([0, 1, 2, 3, 4], [3] * 5)
    assert step.tolist() == known["step"].tolist()
    assert np.allclose(value, known["value"], rtol=1e-5, atol=0)
    assert np.allclose(time_s, known["wall_time_s"], rtol=0, atol=0.25)


def test_the_words_of_strangers_are_no_markup(folder: Path) -> None:
    before = Tags(tuner.report(folder).read_text()).found
    rows = read_trials(folder / "trials.csv")
    for row in rows:
        row.params, row.reason = {HOSTILE: HOSTILE}, HOSTILE
    write_trials(folder / "trials.csv", rows)
    (folder / "decisions.jsonl").unlink()
    page = tuner.report(folder).read_text()
    assert "img" not in Tags(page).found
    assert Tags(page).found.count("script") == before.count("script")
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;" in page
    assert held(page)["trials"]["data"]["reason"][0].startswith("</script><img src=x onerror=alert(1)>")


def test_sections_are_escaped_wherever_they_have_text() -> None:
    bad = "<b onclick='x'>\"&\ud800"
    section = Section(bad, (bad,), (Table((bad, bad), ((bad, bad),)),), (Listing(bad, bad),))
    page = html.page(bad, bad, [section], {"data": "AAAA"})
    assert "b" not in Tags(page).found
    assert page.count("&lt;b onclick=&#x27;x&#x27;&gt;&quot;&amp;\\ud800") == 12


# --- other folders ---


def test_a_search_by_a_function_has_a_report(tmp_path: Path) -> None:
    page = tuner.report(RECORDED / "function", tmp_path / "function.html").read_text()
    assert "Trial 1 has the best val/loss: 0.3333, in a single run." in page
    assert "__main__:train, is not kept in the folder" in page
    assert "size is 100, but must be at most 10" in page


def test_a_search_without_trials_has_words_and_no_views(folder: Path) -> None:
    for path in ("trials.csv", "decisions.jsonl"):
        (folder / path).unlink()
    shutil.rmtree(folder / "trials")
    page = tuner.report(folder).read_text()
    assert "No trial has begun yet" in page
    assert 'id="views"' not in page
    assert Tags(page).blocks == {}


def test_logs_of_others_have_a_report(tmp_path: Path) -> None:
    for run, values in (("a", (3.0, 1.0)), ("b", (4.0, 2.0))):
        writer = EventWriter(tmp_path / run)
        for step, value in enumerate(values):
            writer.scalars(step, {"loss": value}, wall_time_s=1000.0 + step)
        writer.close()
    page = tuner.report(tmp_path).read_text()
    assert "2 runs with curves of 1 tag." in page
    assert "<td>2</td><td>1</td><td>a</td><td>2</td><td>b</td>" in page
    assert held(page)["details"]["metrics"] == ["loss"]


def test_what_is_no_folder_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"a report is of a folder of results, but .*nothing is none"):
        tuner.report(tmp_path / "nothing")


def test_a_folder_of_several_experiments_asks_for_one(folder: Path) -> None:
    with pytest.raises(ResultsError, match=r"is of one experiment, but .* holds mlp; name one: tuner report"):
        tuner.report(folder.parent)


def test_a_folder_of_nothing_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="or TensorBoard logs"):
        tuner.report(tmp_path)


@pytest.mark.parametrize("out", ["", "nowhere/report.html"])
def test_the_file_must_be_one_in_a_folder(folder: Path, out: str) -> None:
    with pytest.raises(UsageError, match="--out needs a file in a folder that is there"):
        tuner.report(folder, folder / out)


def test_a_file_that_cannot_be_written_is_an_error_in_words(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"/proc/x.html cannot be written \(.*\); name another by --out"):
        tuner.report(folder, "/proc/x.html")


# --- what is left out ---


@pytest.mark.parametrize(
    ("sizes", "num_compared", "ends", "shares"),
    [
        ([100, 100], 1, 20, [100, 100]),
        ([200_000, 200_000, 200_000], 1, 2000, [60_000, 30_000, 30_000]),
        ([200_000, 200_000, 50], 0, 2000, [40_000, 40_000, 50]),
        ([20_000, 200_000, 200_000], 1, 2000, [20_000, 50_000, 50_000]),
        ([200_000] * 4, 1, 50_000, [60_000, 50_000, 0, 0]),
        ([], 0, 0, []),
    ],
)
def test_points_are_shared_between_tags(
    sizes: list[int], num_compared: int, ends: int, shares: list[int]
) -> None:
    assert answers.shares(sizes, num_compared, ends) == shares


def test_values_keep_five_digits_and_what_is_not_finite() -> None:
    points = pd.DataFrame({"value": [1 / 3, -1e-30, np.nan, np.inf, 0.0], "wall_time_s": [1.13] * 5})
    found = answers.coarse(points)
    assert np.allclose(found["value"], points["value"], rtol=1e-5, atol=0, equal_nan=True)
    assert set(found["wall_time_s"]) == {1.25}


def test_shuffled_numbers_pack_better() -> None:
    values = np.random.default_rng(0).normal(size=3000)
    points = answers.coarse(
        pd.DataFrame({"trial": 0, "step": range(3000), "wall_time_s": np.arange(3000.0), "value": values})
    )
    plain = curve_bytes.encode(points, "val/loss", "")
    begin = 4 + int.from_bytes(plain[:4], "little")
    assert len(gzip.compress(answers.shuffled(plain, begin))) < 0.7 * len(gzip.compress(plain))


def test_of_many_decisions_those_that_tell_something_are_kept() -> None:
    table = {
        "columns": ["action", "rung"],
        "data": {"action": ["CONTINUE", "CONTINUE", "STOP"], "rung": [None, 1, None]},
    }
    assert answers.telling(table, most=3) == table
    assert answers.telling(table, most=2)["data"] == {"action": ["CONTINUE", "STOP"], "rung": [1, None]}
