"""The tab Data and model, on folders with a model of ours, and with the process that looks at them."""

from __future__ import annotations

import csv
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from looking import Looker

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "axe-core-4.14.1" / "axe.min.js"
MARKUP = "<img src=x onerror=document.body.dataset.broken=1>"
Open = Callable[[str], Looker]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """digits, a table with gaps and a hostile name, texts, recordings, a book."""
    pytest.importorskip("torch")
    import kinds
    from made_experiments import made

    root = tmp_path_factory.mktemp("data_model")
    results = root / "results"
    made(
        results, "digits", "image_classification", {"source": {"type": "sklearn", "name": "digits"}}, epochs=8
    )
    made(results, "table", "tabular_classification", _table(root / "rows.csv"), epochs=3)
    made(results, "diabetes", "regression", {"source": {"type": "sklearn", "name": "diabetes"}}, epochs=5)
    for name, source, task in (
        ("texts", "labelled_text", "text_classification"),
        ("book", "text", "language_modelling"),
        ("recordings", "audio", "audio_classification"),
    ):
        (root / name).mkdir()
        made(results, name, task, kinds.SOURCES[source].in_one(root / name), epochs=2)
    return results


def _table(file: Path) -> dict[str, Any]:
    lines = [
        f"{place % 50},{MARKUP if place % 7 == 0 else 'red'},{'ab'[place % 50 > 25]}" for place in range(300)
    ]
    lines[10:13] = [",red,a", "5000,red,b", "1,red,"]
    file.write_text("size,colour,y\n" + "\n".join(lines) + "\n")
    clean = {"missing": "median", "invalid": "drop", "outliers": {"method": "quantile", "limit": 0.01}}
    return {"source": {"type": "csv", "path": str(file), "label": "y"}, "clean": clean}


@pytest.fixture(scope="module")
def model_address(folder: Path, served: Callable[[Path], Iterator[str]]) -> Iterator[str]:
    yield from served(folder)


@pytest.fixture
def look(browser: Any, model_address: str) -> Iterator[Open]:
    lookers: list[Looker] = []

    def open_(path: str, **context: Any) -> Looker:
        lookers.append(Looker(browser, model_address, **context))
        lookers[-1].page.set_default_timeout(120_000)  # The process may have to load torch.
        lookers[-1].open(path)
        return lookers[-1]

    yield open_
    for looker in lookers:
        looker.close()
    assert [fault for looker in lookers for fault in looker.faults] == []


def _table_of(looker: Looker, title: str) -> list[str]:
    return looker.saved(title, "CSV").decode().splitlines()


def test_the_data_of_a_table_tells_what_cleaning_did(look: Open) -> None:
    looker = look("/e/table#tab=model")
    looker.page.locator(".card-data-content tbody tr").first.wait_for()
    assert "no label" in looker.text(".card-data-dropped tbody")
    content = looker.text(".card-data-content")
    assert "gaps filled with" in content
    assert "clipped to" in content
    assert looker.page.locator(".card-data-content .spark-bars").count() == 2
    assert looker.page.locator(".card-data-samples dl").count() > 3
    assert MARKUP in content
    assert looker.page.evaluate("document.body.dataset.broken") is None
    rows = list(csv.reader(_table_of(looker, "Rows and classes")))
    assert rows[0] == ["", "train", "val", "test"]


def test_pictures_and_sounds_come_by_themselves(look: Open) -> None:
    looker = look("/e/digits#tab=model")
    picture = looker.page.locator(".card-data-samples img").first
    picture.wait_for()
    assert looker.page.evaluate(
        "async () => { await document.querySelector('.sample img').decode(); return 1 }"
    )
    looker = look("/e/recordings#tab=model")
    looker.page.locator("audio").first.wait_for()
    caption = looker.page.locator(".card-data-samples figcaption").first.inner_text()
    assert re.search(r"train \d+ · \S+\.wav$", caption), caption
    seconds = looker.page.evaluate(
        """() => new Promise((done) => {
          const sound = document.querySelector("audio");
          sound.addEventListener("loadedmetadata", () => done(sound.duration));
          sound.preload = "metadata"; sound.load();
        })"""
    )
    assert seconds == pytest.approx(0.06, abs=0.01)


def test_a_cell_of_the_confusion_shows_its_rows_and_is_in_the_address(look: Open) -> None:
    looker = look("/e/digits#tab=model&part=model")
    looker.page.locator(".confusion button").first.wait_for()
    assert looker.text(".card-model-examples h2") == "Worst errors"
    cell = looker.page.locator('[data-cell="3,3"]')
    count = int(cell.inner_text())
    cell.click()
    looker.settle()
    assert looker.text(".card-model-examples h2") == "True 3, predicted 3"
    shown = looker.page.locator(".card-model-examples .sample").count()
    assert shown == min(12, count)
    looker.page.wait_for_url("**cell=3%2C3*")
    rows = list(csv.DictReader(_table_of(looker, "Worst errors")))
    assert {row["predicted"] for row in rows} == {"3"}
    again = look(looker.page.url.removeprefix(looker.address))
    again.page.locator('[data-cell="3,3"][aria-pressed="true"]').wait_for()
    cell.focus()
    looker.press("Enter")
    assert looker.text(".card-model-examples h2") == "Worst errors"


def test_curves_and_calibration_are_drawn_and_saved(look: Open) -> None:
    looker = look("/e/digits#tab=model&part=model")
    looker.page.locator(".card-model-curves polyline").first.wait_for()
    assert looker.page.locator(".card-model-curves polyline").count() == 8
    assert looker.page.locator(".card-model-calibration rect").count() >= 5
    assert "expected calibration error" in looker.text(".card-model-calibration .note")
    assert looker.saved("Calibration", "SVG").startswith(b"<svg")
    rows = list(csv.DictReader(_table_of(looker, "Precision and recall")))
    assert {row["class"] for row in rows} == set("0123456789")


FILES = ["Picture (PNG)", "Picture (SVG)", "Table (CSV)", "Copy link"]
CARDS = {
    ("digits", "data"): 6,
    ("table", "data"): 6,
    ("digits", "model"): 4,
    ("diabetes", "model"): 3,
    ("book", "model"): 3,
    ("texts", "try"): 2,
}
"""How many views a part of an experiment has."""


@pytest.mark.parametrize(("name", "part"), CARDS)
def test_every_view_has_pictures_a_table_and_a_link(look: Open, name: str, part: str) -> None:
    looker = look(f"/e/{name}#tab=model&part={part}")
    looker.page.locator(".part .scroll").first.wait_for()
    looker.settle()
    cards = looker.page.locator(".part .card").all()
    assert len(cards) == CARDS[name, part]
    for card in cards:
        title = card.get_attribute("aria-label")
        card.get_by_role("button", name="Save ").click()
        offered = looker.page.locator(".popover button").all_inner_texts()
        looker.press("Escape")
        if title == "Ask the model":  # There is nothing to see but the question.
            assert offered == FILES[-1:]
            continue
        assert offered == FILES
        assert looker.saved(title, "PNG").startswith(b"\x89PNG")
        assert ET.fromstring(looker.saved(title, "SVG")).tag.endswith("svg")
        assert looker.saved(title, "CSV").endswith(b"\r\n")


SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("address", "card", "title"),
    [
        ("digits#tab=model", "data-samples", "Training rows"),
        ("recordings#tab=model", "data-samples", "Training rows"),
        ("digits#tab=model&part=model&cell=3,3", "model-examples", "Worst errors"),
    ],
)
def test_a_picture_of_rows_has_their_pictures(look: Open, address: str, card: str, title: str) -> None:
    looker = look(f"/e/{address}")
    figures = looker.page.locator(f".card-{card} .sample")
    figures.first.wait_for()
    image = ET.fromstring(looker.saved(title, "SVG"))
    pictures = list(image.iter(f"{SVG}image"))
    assert len(pictures) == figures.count() > 0
    assert all(each.get("href", "").startswith("data:image/png;base64,") for each in pictures)
    texts = " ".join(text.text or "" for text in image.iter(f"{SVG}text"))
    assert figures.first.locator("figcaption").inner_text().split()[0] in texts
    box = [float(pictures[0].get(side, "")) for side in ("x", "y", "width", "height")]
    assert _painted(looker, looker.saved(title, "PNG"), box) > 0.2


def _painted(looker: Looker, png: bytes, box: list[float]) -> float:
    """The share of the box of a drawing in which its PNG has another colour than in its corner."""
    body = """async ([bytes, box]) => {
      const image = await createImageBitmap(new Blob([new Uint8Array(bytes)], { type: "image/png" }));
      const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
      context.drawImage(image, 0, 0);
      const ground = context.getImageData(0, 0, 1, 1).data;
      const { data } = context.getImageData(...box.map((each) => Math.round(2 * each)));
      let count = 0;
      for (let at = 0; at < data.length; at += 4) count += Math.abs(data[at] - ground[0]) > 8;
      return (4 * count) / data.length;
    }"""
    found: float = looker.page.evaluate(body, [list(png), box])
    return found


@pytest.mark.parametrize(
    ("address", "title", "selector"),
    [
        ("table#tab=model", "Training rows", ".card-data-samples .cells dt"),
        ("book#tab=model&part=model", "Samples", ".text-sample dd"),
        ("texts#tab=model", "Training rows", ".card-data-samples .sample-text"),
    ],
)
def test_a_picture_of_rows_has_their_texts(look: Open, address: str, title: str, selector: str) -> None:
    looker = look(f"/e/{address}")
    looker.page.locator(selector).first.wait_for()
    image = ET.fromstring(looker.saved(title, "SVG"))
    texts = " ".join(text.text or "" for text in image.iter(f"{SVG}text"))
    first = looker.page.locator(selector).first.inner_text().split()
    assert first
    assert first[0] in texts


def test_the_confusion_is_drawn_as_it_is_shown(look: Open) -> None:
    looker = look("/e/digits#tab=model&part=model")
    looker.page.locator(".confusion button").first.wait_for()
    image = ET.fromstring(looker.saved("Confusion", "SVG"))
    texts = [text.text for text in image.iter("{http://www.w3.org/2000/svg}text")]
    counts = looker.page.locator(".confusion button").all_inner_texts()
    assert sorted(texts[-len(counts) :]) == sorted(counts)


def test_a_regression_and_a_language_model_have_their_own_views(look: Open) -> None:
    looker = look("/e/diabetes#tab=model&part=model")
    looker.page.locator(".card-model-dots circle").first.wait_for()
    assert "R²" in looker.text(".card-model-dots .note")
    assert looker.page.locator(".card-model-examples dl").first.inner_text()
    looker = look("/e/book#tab=model&part=model")
    looker.page.locator(".text-sample").first.wait_for()
    assert "perplexity" in looker.text(".card-model-samples .note")


def test_a_kept_report_is_shown_without_running_the_model_again(look: Open) -> None:
    looker = look("/e/diabetes#tab=model&part=model")
    looker.page.locator(".card-model-dots circle").first.wait_for()
    asked = []
    looker.page.on("request", lambda request: request.method == "POST" and asked.append(request.url))
    looker.page.reload()
    looker.page.locator(".card-model-dots circle").first.wait_for()
    assert asked == []


def _told_otherwise(looker: Looker, ending: str, **changes: Any) -> None:
    """What the server answers at addresses that end so, with changes."""

    def answer(route: Any) -> None:
        if route.request.method != "GET":
            route.continue_()
            return
        route.fulfill(json=route.fetch().json() | changes)

    looker.page.route(re.compile(ending), answer)


def test_while_a_search_runs_the_model_is_looked_at_only_when_asked(look: Open) -> None:
    looker = look("/")
    _told_otherwise(looker, r"/api/experiments/texts$", state="running")
    silence = {"content_type": "text/event-stream", "body": "retry: 600000\n\n"}
    looker.page.route(re.compile("/live"), lambda route: route.fulfill(**silence))
    _told_otherwise(looker, r"/texts/model$", report=None)
    looker.open("/e/texts#tab=model&part=model")
    looker.page.get_by_role("button", name="Compute", exact=True).click()
    looker.page.locator(".confusion button").first.wait_for()


def test_what_has_the_focus_keeps_it_while_a_search_runs(look: Open) -> None:
    looker = look("/")
    _told_otherwise(looker, r"/api/experiments/texts$", state="running")
    _told_otherwise(looker, r"/texts/model$", report=None)
    again = {"content_type": "text/event-stream", "body": "retry: 50\n\n"}
    looker.page.route(re.compile("/live"), lambda route: route.fulfill(**again))
    looker.open("/e/texts#tab=model&part=model")
    looker.page.get_by_role("button", name="Compute", exact=True).focus()
    for _ in range(4):  # Each time the page says anew whether it is connected.
        looker.page.wait_for_event("requestfinished", lambda request: "/live" in request.url)
        looker.settle()
    assert looker.page.evaluate("document.activeElement.textContent") == "Compute"


def test_a_page_that_is_open_notices_that_the_best_model_has_changed(look: Open, folder: Path) -> None:
    from tuner.records.paths import ExperimentPaths
    from tuner.records.rows import read_trials, write_trials

    looker = look("/e/diabetes#tab=model&part=model")
    looker.page.locator(".card-model-dots circle").first.wait_for()
    paths = ExperimentPaths(folder / "diabetes")
    os.utime(paths.trial(0).best_checkpoint / "weights.pt", ns=(0, 1))
    rows = read_trials(paths.trials_csv)
    write_trials(paths.trials_csv, [replace(row, reports=row.reports + 1) for row in rows])
    again = looker.page.get_by_role("button", name="Compute again")
    again.wait_for()
    assert "it has other weights now" in looker.text(".part-bar .note")
    again.click()
    looker.page.locator(".part-bar .note", has_text="other weights").wait_for(state="detached")
    assert not again.is_visible()


def test_a_report_of_another_trial_says_so_and_is_made_anew(look: Open) -> None:
    looker = look("/e/texts#tab=model&part=model")
    looker.page.locator(".confusion button").first.wait_for()
    _told_otherwise(looker, r"/texts/model$", is_current=False, best=3)
    looker.page.reload()
    again = looker.page.get_by_role("button", name="Compute again")
    again.wait_for()
    assert "trial 3 is the best one now" in looker.text(".part-bar .note")
    again.click()
    again.wait_for(state="hidden")


def test_a_text_a_row_and_a_file_are_answered(look: Open, tmp_path: Path) -> None:
    looker = look("/e/texts#tab=model&part=try")
    looker.page.get_by_label("text", exact=True).fill("a fine film")
    looker.page.get_by_role("button", name="Ask", exact=True).click()
    looker.page.locator(".answer-value").wait_for()
    assert looker.text(".card-try-output").count("%") == 3

    looker = look("/e/table#tab=model&part=try")
    looker.page.get_by_label("size").fill("3")
    looker.page.get_by_role("button", name="Ask", exact=True).click()
    looker.page.locator(".answer-value").wait_for()
    assert looker.text(".answer-value") in ("a", "b")
    (tmp_path / "rows.csv").write_text("size,colour\n1,red\n49,red\n")
    looker.page.locator("input[type=file]").set_input_files(tmp_path / "rows.csv")
    looker.page.locator(".card-try-output tbody tr").nth(1).wait_for()
    assert looker.page.locator(".card-try-output tbody tr").count() == 2


def test_what_cannot_be_answered_says_why(browser: Any, model_address: str, tmp_path: Path) -> None:
    looker = Looker(browser, model_address)
    looker.page.set_default_timeout(120_000)
    looker.open("/e/table#tab=model&part=try")
    (tmp_path / "notes.csv").write_text("no,such\n1,2\n")
    looker.page.locator("input[type=file]").set_input_files(tmp_path / "notes.csv")
    looker.page.locator(".card-try-output .bad").wait_for()
    assert "notes.csv" in looker.text(".card-try-output .bad")
    looker.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("part", ["data", "model", "try"])
@pytest.mark.parametrize("name", ["digits", "table"])
def test_no_serious_fault_for_people_with_disabilities(look: Open, name: str, part: str, theme: str) -> None:
    looker = look(f"/e/{name}#tab=model&part={part}", color_scheme=theme)
    looker.page.locator(".part .scroll").first.wait_for()
    looker.settle()
    looker.page.evaluate(AXE.read_text())
    found = looker.page.evaluate("() => axe.run()")
    serious = [
        (fault["id"], node["target"], node["failureSummary"])
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
    assert serious == []
