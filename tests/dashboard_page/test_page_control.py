"""Commands and notes through the page: with a search that only answers, and with one that really runs."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from answering_search import AnsweringSearch
from looking import AXE, Looker

from tuner.records.commands import Command, ask
from tuner.records.notes import Note, read_notes
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.results.experiment_trials import ExperimentTrials

pytestmark = pytest.mark.browser

Open = Callable[..., Looker]
TOKEN = "a-token-of-some-length"
PATIENCE_S = 120.0
ANSWERS = {
    "stop": (True, "it stops at its next new report"),
    "pause": (True, "it pauses at its next new report"),
    "unpause": (False, "only a trial that was told to pause can be told to go on"),
    "enqueue": (True, "it is tried next"),
    "clone": (False, "a clone begins from a checkpoint"),
    "gangs": (True, "what trains is saved, and goes on with 2 gangs"),
}
HOSTILE = "<img src=x onerror=document.body.dataset.broken=1>"


def until(holds: Callable[[], Any], what: str) -> Any:
    """What `holds` gives, once that is something."""
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        found = holds()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come about within {PATIENCE_S:.0f} s")


@pytest.fixture
def paths(results: Path, tmp_path: Path) -> ExperimentPaths:
    """A copy of a search that stands in the middle."""
    shutil.copytree(results / "halfway", tmp_path / "results" / "halfway")
    return ExperimentPaths(tmp_path / "results" / "halfway")


@pytest.fixture
def search(paths: ExperimentPaths) -> Iterator[AnsweringSearch]:
    with AnsweringSearch(paths, ANSWERS) as running:
        yield running


@pytest.fixture
def controlled(paths: ExperimentPaths, serve: Callable[..., str]) -> str:
    """Where the page is that may give commands."""
    return serve(paths.root.parent, token=TOKEN, is_control=True)


@pytest.fixture
def page(look: Open, search: AnsweringSearch, controlled: str) -> Looker:
    return look(f"/e/halfway?token={TOKEN}", at=controlled)


def rows_of(paths: ExperimentPaths) -> list[TrialRow]:
    trials = ExperimentTrials(paths)
    if paths.experiment_yaml.is_file():
        trials.poll()
    return list(trials.rows.values())


def row_in(paths: ExperimentPaths, *states: TrialState) -> TrialRow:
    return next(row for row in rows_of(paths) if row.state in states)


def open_trial(looker: Looker, number: int) -> None:
    looker.page.evaluate(f"location.hash = 'trial={number}'")
    looker.page.get_by_role("heading", name=f"Trial {number}", exact=True).wait_for()
    looker.settle()


def the_answer(looker: Looker, words: str) -> None:
    looker.page.locator(".answer [role=status]").get_by_text(words).wait_for()


def press(looker: Looker, name: str, within: str = "body") -> None:
    looker.page.locator(within).get_by_role("button", name=name, exact=True).click()


def test_a_page_that_only_reads_has_no_buttons(look: Open, paths: ExperimentPaths, serve: Any) -> None:
    with AnsweringSearch(paths, ANSWERS):
        looker = look("/e/halfway#trial=1", at=serve(paths.root.parent))
        assert looker.page.locator(".control:visible").count() == 0
        assert looker.page.locator("textarea").count() == 0
        assert looker.page.get_by_text("Enqueue a configuration").is_hidden()


def test_where_nothing_runs_there_are_notes_only(look: Open, controlled: str) -> None:
    looker = look(f"/e/halfway?token={TOKEN}#trial=1", at=controlled)
    assert looker.page.locator(".control:visible").count() == 0
    looker.page.get_by_text("Note and tags").click()
    assert looker.page.get_by_label("Note", exact=True).is_visible()


def test_when_the_search_ends_the_commands_are_those_of_what_is_left(
    look: Open, paths: ExperimentPaths, controlled: str
) -> None:
    with AnsweringSearch(paths, ANSWERS):
        looker = look(f"/e/halfway?token={TOKEN}", at=controlled)
        looker.page.get_by_role("button", name=f"tuner stop {paths.root}").wait_for()
    looker.page.get_by_role("button", name=f"tuner resume {paths.root}").wait_for()


def test_a_trial_is_stopped_after_a_question(
    page: Looker, search: AnsweringSearch, paths: ExperimentPaths
) -> None:
    number = row_in(paths, TrialState.RUNNING).number
    open_trial(page, number)
    press(page, "Stop …", ".panel")
    assert page.page.get_by_role("dialog", name=f"Stop trial {number}?").is_visible()
    press(page, "Cancel", "dialog")
    assert search.asked == []
    press(page, "Stop …", ".panel")
    press(page, f"Stop trial {number}", "dialog")
    the_answer(page, f"Stop trial {number}: it stops at its next new report")
    assert [(command.name, command.trial) for command in search.asked] == [("stop", number)]


def test_a_trial_is_paused_without_a_question(
    page: Looker, search: AnsweringSearch, paths: ExperimentPaths
) -> None:
    number = row_in(paths, TrialState.RUNNING).number
    open_trial(page, number)
    press(page, "Pause", ".panel")
    the_answer(page, f"Pause trial {number}: it pauses at its next new report")
    assert [(command.name, command.trial) for command in search.asked] == [("pause", number)]


def offered(looker: Looker) -> list[str]:
    """The visible buttons of the trial that is open."""
    names: list[str] = looker.page.locator(".panel .control button:visible").all_inner_texts()
    return names


def test_only_what_somebody_paused_can_be_told_to_go_on(page: Looker, paths: ExperimentPaths) -> None:
    """A scheduler pauses trials too, and says itself when they go on."""
    number = row_in(paths, TrialState.PAUSED).number
    open_trial(page, number)
    page.page.locator(".panel").get_by_role("button", name="Pause", exact=True).wait_for()
    assert offered(page) == ["Pause", "Stop …", "Clone with changes …"]
    page.page.locator(".panel").get_by_role("button", name="Pause", exact=True).focus()
    page.press("Enter")
    the_answer(page, f"Pause trial {number}: it pauses at its next new report")
    page.page.locator(".panel").get_by_role("button", name="Unpause", exact=True).wait_for()
    assert offered(page) == ["Unpause", "Stop …", "Clone with changes …"]
    assert page.page.evaluate("document.activeElement.textContent") == "Unpause"
    press(page, "Unpause", ".panel")
    the_answer(page, f"Unpause trial {number} is refused")


def test_what_is_told_from_another_terminal_is_seen_at_once(
    page: Looker, search: AnsweringSearch, paths: ExperimentPaths
) -> None:
    number = row_in(paths, TrialState.RUNNING).number
    open_trial(page, number)
    panel = page.page.locator(".panel")
    panel.get_by_role("button", name="Pause", exact=True).wait_for()
    ask(paths, Command("pause", trial=number))
    panel.get_by_text("Somebody has told it to pause").wait_for(timeout=4000)
    panel.get_by_role("button", name="Unpause", exact=True).wait_for()
    assert panel.get_by_text("it pauses at its next new report").count() == 1, "it stands among the decisions"
    search.answers = {"unpause": (True, "it goes on")}
    ask(paths, Command("unpause", trial=number))
    panel.get_by_role("button", name="Pause", exact=True).wait_for(timeout=4000)
    assert not panel.get_by_text("Somebody has told it to pause").is_visible()


def test_an_ended_trial_has_nothing_to_stop(page: Looker, paths: ExperimentPaths) -> None:
    open_trial(page, row_in(paths, TrialState.COMPLETE, TrialState.STOPPED).number)
    for name in ("Stop …", "Pause", "Unpause"):
        assert not page.page.get_by_role("button", name=name, exact=True).is_visible()
    press(page, "Clone with changes …", ".panel")
    assert not page.page.get_by_label("from its checkpoint, not from scratch").is_visible()


def test_the_search_is_stopped_by_keys(page: Looker, paths: ExperimentPaths) -> None:
    page.page.get_by_role("button", name="Stop search …").focus()
    page.press("Enter")
    dialog = page.page.get_by_role("dialog", name="Stop the search?")
    dialog.wait_for()
    page.press("Escape")
    assert dialog.count() == 0
    assert page.page.evaluate("document.activeElement.textContent") == "Stop search …"
    page.press("Enter")
    dialog.get_by_role("button", name="Stop the search").focus()
    page.press("Enter")
    the_answer(page, f"go on with: tuner resume {paths.root}")
    assert paths.leave.exists()


def test_a_configuration_is_enqueued_field_by_field(page: Looker, search: AnsweringSearch) -> None:
    press(page, "Enqueue a configuration …")
    dialog = page.page.get_by_role("dialog", name="Enqueue a configuration")
    momentum, optimizer = (
        dialog.get_by_label("train.optimizer.sgd.momentum", exact=True),
        dialog.get_by_label("train.optimizer", exact=True),
    )
    assert dialog.locator(".field").first.bounding_box()["width"] > 400, "a line each"
    assert not momentum.is_visible()
    optimizer.select_option("sgd")
    momentum.fill("0.5")
    dialog.get_by_label("train.optimizer.sgd.lr", exact=True).fill("1e9")
    dialog.get_by_label("model.dropout", exact=True).fill("high")
    press(page, "Enqueue", "dialog")
    dialog.get_by_text("train.optimizer.sgd.lr must lie in").wait_for()
    assert dialog.get_by_text("found 'high'").is_visible()
    assert dialog.locator("[aria-invalid=true]").count() == 2
    assert search.asked == []
    dialog.get_by_label("train.optimizer.sgd.lr", exact=True).fill("1e-2")
    dialog.get_by_label("model.dropout", exact=True).fill("")
    press(page, "Enqueue", "dialog")
    the_answer(page, "Enqueue a configuration: it is tried next")
    assert dialog.count() == 0
    (command,) = search.asked
    assert command.params == {
        "train.optimizer": "sgd",
        "train.optimizer.sgd.lr": 0.01,
        "train.optimizer.sgd.momentum": 0.5,
    }


def test_a_trial_is_cloned_with_changes(
    page: Looker, search: AnsweringSearch, paths: ExperimentPaths
) -> None:
    row = row_in(paths, TrialState.COMPLETE)
    open_trial(page, row.number)
    press(page, "Clone with changes …", ".panel")
    dialog = page.page.get_by_role("dialog", name=f"Clone trial {row.number} with changes")
    dropout = dialog.get_by_label("model.dropout", exact=True)
    assert float(dropout.input_value()) == row.params["model.dropout"]
    dropout.fill("")
    press(page, "Enqueue", "dialog")
    assert dialog.get_by_text("Write a value.").is_visible()
    dropout.fill("0.25")
    press(page, "Enqueue", "dialog")
    the_answer(page, f"Clone trial {row.number}: it is tried next")
    (command,) = search.asked
    assert (command.name, command.trial) == ("enqueue", row.number)
    assert command.params == row.params | {"model.dropout": 0.25}


def test_the_number_of_gangs_is_changed(page: Looker, search: AnsweringSearch) -> None:
    press(page, "Gangs …")
    page.page.get_by_label("gangs", exact=True).fill("2")
    press(page, "Change", "dialog")
    the_answer(page, "Number of gangs: what trains is saved, and goes on with 2 gangs")
    assert [(command.name, command.params) for command in search.asked] == [("gangs", {"gangs": 2})]


def test_a_clone_from_the_checkpoint_is_another_command(
    page: Looker, search: AnsweringSearch, paths: ExperimentPaths
) -> None:
    row = row_in(paths, TrialState.RUNNING)
    open_trial(page, row.number)
    press(page, "Clone with changes …", ".panel")
    page.page.get_by_label("from its checkpoint, not from scratch").check()
    press(page, "Enqueue", "dialog")
    page.page.locator("dialog [role=alert]").get_by_text("a clone begins from a checkpoint").wait_for()
    (command,) = search.asked
    assert (command.name, command.trial, command.params) == ("clone", row.number, row.params)


def test_a_refusal_says_why_and_keeps_the_form(look: Open, paths: ExperimentPaths, controlled: str) -> None:
    with AnsweringSearch(paths, {"enqueue": (False, "all are drawn")}):
        looker = look(f"/e/halfway?token={TOKEN}", at=controlled)
        press(looker, "Enqueue a configuration …")
        press(looker, "Enqueue", "dialog")
        looker.page.locator("dialog [role=alert]").get_by_text("all are drawn").wait_for()
        press(looker, "Cancel", "dialog")
        the_answer(looker, "Enqueue a configuration is refused: all are drawn")
        press(looker, "Close the answer")
        assert not looker.page.locator(".answer").is_visible()


def test_a_note_and_tags_are_written_shown_and_filtered(page: Looker, paths: ExperimentPaths) -> None:
    open_trial(page, 3)
    page.page.get_by_text("Note and tags").click()
    page.page.get_by_label("Note", exact=True).fill(HOSTILE)
    page.page.get_by_label("Tags", exact=True).fill("good, <b>odd</b> good")
    press(page, "Save")
    the_answer(page, "Trial 3: it is noted")
    assert read_notes(paths.notes) == {3: Note(HOSTILE, ("good", "<b>odd</b>"))}
    page.page.locator(".card-table .tag").first.wait_for()
    page.page.locator("#expression").fill("tags ~ odd")
    page.settle()
    assert page.shown() == 1
    assert page.page.locator(".card-table .tag").all_inner_texts() == ["good", "<b>odd</b>"]
    assert page.page.evaluate("document.body.dataset.broken === undefined")
    open_trial(page, 4)
    page.page.get_by_text("Note and tags").click()
    page.page.get_by_label("Note", exact=True).fill("a draft")
    page.press("Escape")
    open_trial(page, 3)
    assert page.page.get_by_label("Note", exact=True).input_value() == HOSTILE
    assert page.page.get_by_label("Tags", exact=True).input_value() == "good <b>odd</b>"
    open_trial(page, 4)
    assert page.page.get_by_label("Note", exact=True).input_value() == "a draft"


def test_whoever_only_reads_sees_notes(look: Open, paths: ExperimentPaths, serve: Any) -> None:
    paths.notes.write_text('{"trial": 1, "text": "<b>ends</b>", "tags": ["odd"]}\n')
    looker = look("/e/halfway#trial=1", at=serve(paths.root.parent))
    assert looker.text(".note-text") == "<b>ends</b>"
    assert looker.page.locator(".panel .tag").all_inner_texts() == ["odd"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_serious_fault_in_forms_and_answers(
    look: Open, search: AnsweringSearch, paths: ExperimentPaths, controlled: str, theme: str
) -> None:
    looker = look(f"/e/halfway?token={TOKEN}#trial=1", at=controlled, color_scheme=theme)
    open_trial(looker, row_in(paths, TrialState.RUNNING).number)
    looker.page.get_by_text("Note and tags").click()
    looker.page.evaluate(AXE.read_text())
    press(looker, "Clone with changes …", ".panel")
    looker.page.get_by_label("model.dropout", exact=True).fill("7")
    press(looker, "Enqueue", "dialog")
    looker.page.locator("dialog").get_by_text("model.dropout must lie in").wait_for()
    assert looker.serious_faults() == []
    press(looker, "Cancel", "dialog")
    assert looker.serious_faults() == []


def test_the_form_fits_a_phone(look: Open, search: AnsweringSearch, controlled: str) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    looker = look(f"/e/halfway?token={TOKEN}", at=controlled, **phone)
    press(looker, "Enqueue a configuration …")
    assert looker.page.evaluate("document.documentElement.scrollWidth") <= 390
    box = looker.page.locator("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390


# --- other sites ---------------------------------------------------------------------------------------

ATTACK = """async ([target, kind]) => {
  const body = JSON.stringify({ name: "stop" });
  const how = {
    simple: { mode: "no-cors", headers: { "Content-Type": "text/plain" } },
    json: { headers: { "Content-Type": "application/json" } },
    beacon: null,
  }[kind];
  if (!how) return navigator.sendBeacon(target, new Blob([body], { type: "application/json" }));
  const asked = fetch(target, { method: "POST", credentials: "include", body, ...how });
  return asked.then(() => true, () => false);
}"""
FORM = """(target) => {
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, { method: "post", action: target, enctype: "text/plain" });
  const field = form.appendChild(document.createElement("input"));
  Object.assign(field, { name: '{"name": "stop", "more": "', value: '"}' });
  form.submit();
}"""


class _Empty(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><body>elsewhere</body>")

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Another site, on another port of this machine: cookies do not tell the two apart."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Empty)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def test_another_site_changes_nothing(
    browser: Any, search: AnsweringSearch, controlled: str, elsewhere: str, paths: ExperimentPaths
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{controlled}/e/halfway?token={TOKEN}")  # The browser has the cookie from now on.
    target = f"{controlled}/api/experiments/halfway/commands"
    page.goto(elsewhere)
    # What was sent (a beacon is, without an answer) is refused.
    for kind, is_sent in (("simple", False), ("json", False), ("beacon", True)):
        assert page.evaluate(ATTACK, [target, kind]) is is_sent
    with page.expect_navigation() as navigated:
        page.evaluate(FORM, target)
    assert navigated.value.status == 403
    assert "another site" in page.inner_text("body")
    context.close()
    assert not paths.leave.exists()
    assert search.asked == []


# --- a search that runs --------------------------------------------------------------------------------

SLOW_SEARCH = """
import sys, time, tuner

def train(config, trial):
    for step in range(trial.num_reports + 1, 121):
        time.sleep(0.25)
        yield {"loss": config["x"] + 1 / step}

space = {"x": tuner.Float(0.0, 1.0), "kind": tuner.Choice(["a", "b"])}
experiment = tuner.Experiment(
    name="slow", train=train, space=space, metric="loss", max_reports=120, trials=8, checkpoints=True,
    sampler="random", scheduler="none", gpus_per_worker=0,
)
tuner.run(experiment, results=sys.argv[1])
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[ExperimentPaths, subprocess.Popen[str]]]:
    """A search of slow trials on a real Ray."""
    program = tmp_path / "slow.py"
    program.write_text(SLOW_SEARCH)
    process = subprocess.Popen(
        [sys.executable, str(program), str(tmp_path / "results")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    paths = ExperimentPaths(tmp_path / "results" / "slow")
    until(lambda: process.poll() is not None or any(row.reports for row in rows_of(paths)), "a first report")
    assert process.poll() is None, process.communicate()[0]
    yield paths, process
    process.kill()
    process.communicate()


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_that_runs_obeys(
    look: Open, running: tuple[ExperimentPaths, subprocess.Popen[str]], serve: Callable[..., str]
) -> None:
    paths, process = running
    address = serve(paths.root.parent, token=TOKEN, is_control=True)
    looker = look(f"/e/slow?token={TOKEN}", at=address)

    open_trial(looker, 0)
    press(looker, "Stop …", ".panel")
    press(looker, "Stop trial 0", "dialog")
    the_answer(looker, "Stop trial 0: it stops at its next new report")
    looker.page.locator(".card-table .badge.state-stopped").first.wait_for(timeout=PATIENCE_S * 1000)
    looker.page.locator(".card-table").get_by_text("somebody told it to stop").wait_for()
    looker.press("Escape")

    open_trial(looker, 2)
    press(looker, "Pause", ".panel")
    looker.page.locator(".panel .badge.state-paused").wait_for(timeout=PATIENCE_S * 1000)
    press(looker, "Unpause", ".panel")
    the_answer(looker, "Unpause trial 2: it goes on with the next free gang")
    looker.press("Escape")

    press(looker, "Enqueue a configuration …")
    dialog = looker.page.get_by_role("dialog")
    dialog.get_by_label("x", exact=True).fill("0.125")
    dialog.get_by_label("kind", exact=True).select_option("b")
    press(looker, "Enqueue", "dialog")
    the_answer(looker, "it is tried next")
    for number in (1, 2):
        open_trial(looker, number)
        press(looker, "Stop …", ".panel")
        press(looker, f"Stop trial {number}", "dialog")
        the_answer(looker, f"Stop trial {number}: it stops at its next new report")
    looker.press("Escape")
    looker.page.locator(".card-table .grid-row").filter(has_text="0.125").wait_for(timeout=PATIENCE_S * 1000)

    press(looker, "Gangs …")
    looker.page.get_by_label("gangs", exact=True).fill("1")
    press(looker, "Change", "dialog")
    the_answer(looker, "Number of gangs: what trains is saved, and goes on with 1 gang")
    until(lambda: [row.state for row in rows_of(paths)].count(TrialState.RUNNING) == 1, "one gang")

    press(looker, "Stop search …")
    press(looker, "Stop the search", "dialog")
    the_answer(looker, f"go on with: tuner resume {paths.root}")
    assert process.wait(timeout=PATIENCE_S) != 0
    looker.page.locator(".head-facts .badge.state-interrupted").wait_for()
    assert looker.page.locator(".control:visible").count() == 0
