"""What may be changed through the dashboard, by whom, and what becomes of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from answering_search import AnsweringSearch
from dashboard_folders import PORT, Replay, client, copied
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tuner.dashboard.control import MOST_BODY_BYTES, add_control
from tuner.dashboard.shelf import Shelf
from tuner.records.notes import Note, read_notes
from tuner.records.paths import ExperimentPaths

TOKEN = "a-token-of-some-length"
COMMANDS = "/api/experiments/mlp/commands"
NOTE = "/api/experiments/mlp/trials/1/note"
STOP = {"name": "stop", "trial": 1}
ANSWERS = {
    "stop": (True, "it stops at its next new report"),
    "enqueue": (False, "all are drawn"),
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return copied(tmp_path / "results", "mlp")


@pytest.fixture
def paths(results: Path) -> ExperimentPaths:
    return ExperimentPaths(results / "mlp")


@pytest.fixture
def search(paths: ExperimentPaths) -> Iterator[AnsweringSearch]:
    """One that runs."""
    with AnsweringSearch(paths, ANSWERS) as running:
        yield running


@pytest.fixture
def api(results: Path) -> TestClient:
    return client(results, control=True)


def refused(api: TestClient, path: str, **request: Any) -> tuple[int, str]:
    answer = api.post(path, **request)
    return answer.status_code, answer.json()["error"]


# --- who may -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [COMMANDS, NOTE, "/api/experiments", "/"])
def test_without_control_nothing_can_be_changed(results: Path, paths: ExperimentPaths, path: str) -> None:
    status, error = refused(client(results), path, json=STOP)
    assert status == 403
    assert error == "this dashboard only reads; to give commands, start it with: tuner dashboard --control"
    assert not paths.commands.exists()
    assert not paths.notes.exists()


def test_the_page_is_told_whether_it_may(results: Path) -> None:
    for control in (False, True):
        assert client(results, control=control).get("/api/experiments/mlp").json()["control"] is control


@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"origin": "http://evil.com"}, 403, "another site asked"),
        ({"origin": "null"}, 403, "another site asked"),
        ({"origin": f"http://localhost:{PORT + 1}"}, 403, "another site asked"),
        ({"host": "evil.com"}, 403, "answers to an address"),
        ({"sec-fetch-site": "cross-site"}, 403, "another site asked"),
        ({"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}, 403, "another site asked"),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403, "own pages only"),
        ({"sec-fetch-site": "none", "sec-fetch-mode": "navigate"}, 403, "own pages only"),
        (
            {"sec-fetch-site": "same-site", "origin": f"http://localhost:{PORT}"},
            403,
            "own pages only",
        ),
        ({"content-type": "text/plain"}, 415, "found text/plain"),
        ({"content-type": "application/x-www-form-urlencoded"}, 415, "commands are JSON"),
        ({"content-type": "multipart/form-data; boundary=application/json"}, 415, "commands are JSON"),
        ({"content-type": "application/json-patch+json"}, 415, "commands are JSON"),
        ({"content-type": ""}, 415, "commands are JSON"),
    ],
)
@pytest.mark.parametrize("path", [COMMANDS, NOTE])
def test_other_sites_are_refused(
    api: TestClient, search: AnsweringSearch, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    content = json.dumps(STOP if path == COMMANDS else {"text": "", "tags": []})
    answer = api.post(path, content=content, headers={"content-type": "application/json"} | headers)
    assert answer.status_code == status
    assert words in answer.json()["error"]
    assert search.asked == []


def test_without_a_content_type_it_is_refused(api: TestClient) -> None:
    assert refused(api, COMMANDS, content=json.dumps(STOP)) == (
        415,
        "commands are JSON and say so by their Content-Type, application/json; found nothing.",
    )


def test_a_form_is_refused(api: TestClient) -> None:
    assert refused(api, COMMANDS, data=STOP)[0] == 415
    assert refused(api, COMMANDS, files={"name": b"stop"})[0] == 415


def test_without_the_token_nothing_is_taken(results: Path, search: AnsweringSearch) -> None:
    for path in (COMMANDS, NOTE):
        assert refused(client(results, TOKEN, control=True), path, json=STOP)[0] == 401
        assert refused(client(results, TOKEN, control=True), f"{path}?token=wrong", json=STOP)[0] == 401
    headers = {"cookie": f"tuner_{PORT}={TOKEN}"}
    answer = client(results, TOKEN, control=True).post(COMMANDS, json=STOP, headers=headers)
    assert answer.status_code == 200
    assert [command.name for command in search.asked] == ["stop"]


def test_a_request_of_the_page_is_taken(api: TestClient, search: AnsweringSearch) -> None:
    headers = {
        "origin": f"http://localhost:{PORT}",
        "sec-fetch-site": "same-origin",
        "sec-fetch-mode": "cors",
    }
    content_type = {"content-type": "application/json; charset=utf-8"}
    answer = api.post(COMMANDS, content=json.dumps(STOP), headers=headers | content_type)
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", [COMMANDS, NOTE])
def test_only_a_post_changes_something(
    api: TestClient, search: AnsweringSearch, paths: ExperimentPaths, path: str, method: str
) -> None:
    answer = api.request(method, path, json=STOP)
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers
    assert search.asked == []
    assert not paths.notes.exists()


def test_getting_changes_nothing_either(api: TestClient, results: Path) -> None:
    before = {path: path.read_bytes() for path in results.rglob("*") if path.is_file()}
    for path in ("", "/mlp", "/mlp/trials", "/mlp/decisions", "/mlp/trials/0", "/mlp/trials/0/log"):
        assert api.get(f"/api/experiments{path}?name=stop&trial=1").status_code == 200
    assert {path: path.read_bytes() for path in results.rglob("*") if path.is_file()} == before


# --- what is no command --------------------------------------------------------------------------------


def test_a_long_body_is_refused(api: TestClient, search: AnsweringSearch) -> None:
    long = json.dumps(STOP | {"params": {"x": "a" * MOST_BODY_BYTES}}).encode()
    headers = {"content-type": "application/json"}
    for content in (long, iter([long[:1000], long[1000:]])):
        status, error = refused(api, COMMANDS, content=content, headers=headers)
        assert (status, error) == (
            413,
            f"what is posted has at most {MOST_BODY_BYTES} bytes; found more; say it shorter.",
        )
    assert search.asked == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", "3", '"stop"', "[" * 30_000, b"\xff\xfe", '{"a": 1' + "0" * 5000 + "}"]
)
def test_what_is_no_json_object_is_refused(api: TestClient, content: str | bytes) -> None:
    headers = {"content-type": "application/json"}
    for path in (COMMANDS, NOTE):
        status, error = refused(api, path, content=content, headers=headers)
        assert status == 400
        assert "is one JSON object" in error


@pytest.mark.parametrize(
    "body", [{}, {"trial": 1}, {"name": 3}, {"name": "stop", "trial": "1"}, {"name": "stop", "params": 3}]
)
def test_what_is_no_command_is_refused(
    api: TestClient, search: AnsweringSearch, body: dict[str, Any]
) -> None:
    status, error = refused(api, COMMANDS, json=body)
    assert status == 400
    assert error.startswith("a command has name, trial, params")
    assert search.asked == []


def test_an_unknown_experiment_takes_nothing(api: TestClient) -> None:
    assert refused(api, "/api/experiments/nothing/commands", json=STOP)[0] == 404
    assert refused(api, "/api/experiments/mlp/trials/99/note", json={"text": "", "tags": []})[0] == 404
    assert refused(api, "/api/experiments/mlp/trials/x/note", json={"text": "", "tags": []})[0] == 400


def test_logs_of_others_take_nothing(tmp_path: Path) -> None:
    copied(tmp_path / "logs", "mlp")
    (tmp_path / "logs" / "mlp" / "experiment.yaml").unlink()
    api = client(tmp_path / "logs", control=True)
    assert api.get("/api/experiments/logs").json()["control"] is False
    status, error = refused(api, "/api/experiments/logs/commands", json=STOP)
    assert (status, error) == (
        422,
        "commands and notes are for experiments of ours, but logs is a folder of other logs.",
    )


# --- commands ------------------------------------------------------------------------------------------


def test_a_command_is_given_and_its_answer_told(api: TestClient, search: AnsweringSearch) -> None:
    assert api.post(COMMANDS, json=STOP).json() == {
        "is_done": True,
        "reason": "it stops at its next new report",
    }
    enqueue = {"name": "enqueue", "trial": 1, "params": {"train.optimizer.lr": 0.05}}
    assert api.post(COMMANDS, json=enqueue).json() == {"is_done": False, "reason": "all are drawn"}
    assert [(command.name, command.trial, command.params) for command in search.asked] == [
        ("stop", 1, {}),
        ("enqueue", 1, {"train.optimizer.lr": 0.05}),
    ]
    assert len({command.key for command in search.asked}) == 2


def test_whether_somebody_has_paused_a_trial_is_told(api: TestClient, paths: ExperimentPaths) -> None:
    log = paths.decisions.read_bytes()
    row = json.loads(log.splitlines()[1])
    begun = [json.loads(line) for line in log.splitlines() if json.loads(line)["trial"] in (None, 0)]
    going = next(index for index, line in enumerate(begun) if line["trial"] == 0 and "state" in line)

    def is_held(*commands: tuple[str, bool]) -> bool:
        said = [
            {**row, "action": "COMMAND", "trial": 0, "key": str(index), "name": name, "is_done": is_done}
            for index, (name, is_done) in enumerate(commands)
        ]
        lines = [*begun[:going], *said]
        paths.trials_csv.unlink(missing_ok=True)
        paths.decisions.write_text("".join(json.dumps(line) + "\n" for line in lines))
        found: bool = api.get("/api/experiments/mlp/trials/0").json()["is_held"]
        return found

    assert not is_held()
    assert is_held(("pause", True))
    assert not is_held(("pause", True), ("unpause", True))
    assert is_held(("pause", True), ("unpause", True), ("pause", True), ("unpause", False))
    assert not is_held(("pause", False), ("stop", False))


def test_a_key_of_ones_own_is_not_taken(api: TestClient, search: AnsweringSearch) -> None:
    api.post(COMMANDS, json=STOP | {"key": "mine"})
    assert search.asked[0].key != "mine"


def test_the_search_is_stopped_as_by_the_command_line(
    api: TestClient, search: AnsweringSearch, paths: ExperimentPaths
) -> None:
    answer = api.post(COMMANDS, json={"name": "stop"}).json()
    assert answer == {
        "is_done": True,
        "reason": f"what trains is saved; go on with: tuner resume {paths.root}",
    }
    assert paths.leave.exists()
    assert search.asked == []


@pytest.mark.parametrize("is_left", [True, False])
def test_where_nothing_runs_nothing_is_asked(api: TestClient, paths: ExperimentPaths, is_left: bool) -> None:
    found, way = f"that in {paths.root} is done", "see what it found by: tuner best"
    if is_left:
        Replay(paths.root).go_on(9)
        found, way = f"nothing runs in {paths.root}", "go on with it by: tuner resume"
    for body in (STOP, {"name": "stop"}):
        answer = api.post(COMMANDS, json=body).json()
        assert answer["is_done"] is False
        assert (
            answer["reason"]
            == f"only a search that runs can be told to stop, but {found}; {way} {paths.root}"
        )
    assert not paths.commands.exists()
    assert not paths.leave.exists()


def test_a_search_that_does_not_answer_is_said_to(results: Path, search: AnsweringSearch) -> None:
    app = FastAPI()
    add_control(app, Shelf(results), wait_s=0.0)
    answer = TestClient(app).post(COMMANDS, json={"name": "explode"}).json()
    assert answer["is_done"] is None
    assert answer["reason"].startswith("the search has not answered yet")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (7.0, "train.optimizer.lr must lie in {'float': [0.01, 0.1], 'log': True}; found 7.0"),
        ("fast", "found 'fast'"),
        (None, "found null"),
        ([0.05], "found [0.05]"),
        ({"a": 1}, "found {'a': 1}"),
        (10**400, "must lie in"),
        (float("nan"), "found nan"),
    ],
)
def test_a_wrong_value_is_told_at_its_field(
    api: TestClient, search: AnsweringSearch, value: Any, words: str
) -> None:
    body = json.dumps({"name": "enqueue", "params": {"train.optimizer.lr": value}})
    answer = api.post(COMMANDS, content=body, headers={"content-type": "application/json"}).json()
    assert answer["is_done"] is False
    assert words in answer["fields"]["train.optimizer.lr"]
    assert search.asked == []


def test_an_unknown_parameter_is_told_too(api: TestClient, search: AnsweringSearch) -> None:
    body = '{"name": "enqueue", "params": {"train.optimizer.lt": 0.05, "\\ud800": 1}}'
    answer = api.post(COMMANDS, content=body, headers={"content-type": "application/json"}).json()
    assert set(answer["fields"]) == {"train.optimizer.lt", "\ud800"}
    assert search.asked == []


@pytest.mark.parametrize("file", ["commands.jsonl", ".leave", "notes.jsonl"])
def test_no_link_leads_out(
    api: TestClient, search: AnsweringSearch, paths: ExperimentPaths, file: str
) -> None:
    outside = paths.root.parents[1] / "outside"
    outside.touch()
    (paths.root / file).symlink_to(outside)
    path, body = {
        "commands.jsonl": (COMMANDS, STOP),
        ".leave": (COMMANDS, {"name": "stop"}),
        "notes.jsonl": (NOTE, {"text": "a", "tags": []}),
    }[file]
    assert refused(api, path, json=body)[0] == 404
    assert outside.read_bytes() == b""


# --- notes ---------------------------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=alert(1)>\n\u2028"


def noted(api: TestClient) -> dict[int, tuple[Any, Any]]:
    data = api.get("/api/experiments/mlp/trials").json()["data"]
    return dict(zip(data["number"], zip(data["tags"], data["note"], strict=True), strict=True))


def test_a_note_is_kept_and_shown_whether_a_search_runs_or_not(
    api: TestClient, paths: ExperimentPaths
) -> None:
    assert "tags" not in api.get("/api/experiments/mlp/trials").json()["columns"]
    body = {"text": HOSTILE, "tags": ["good", "<b>"]}
    assert api.post(NOTE, json=body).json() == {"is_done": True, "reason": "it is noted"}
    assert read_notes(paths.notes) == {1: Note(HOSTILE, ("good", "<b>"))}
    assert noted(api)[1] == ("good <b>", HOSTILE)
    assert noted(api)[0] == (None, None)
    api.post(NOTE, json={"text": "", "tags": []})
    assert {"tags", "note"}.isdisjoint(api.get("/api/experiments/mlp/trials").json()["columns"])


def test_listeners_hear_of_a_note(results: Path, api: TestClient) -> None:
    from tuner.dashboard.live import Teller

    followed = Shelf(results, poll_s=0.0).open("mlp")
    with followed.now() as now:
        teller = Teller(followed, [], now.version)
    teller.tell()
    assert teller.tell() == ""
    api.post(NOTE, json={"text": "", "tags": ["odd"]})
    told = teller.tell()
    assert "event: trials" in told
    assert json.loads(told.split("data: ")[1].splitlines()[0])["data"]["tags"] == ["odd"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "a note has a text and a list of tags"),
        ({"text": "a" * 10_001, "tags": []}, "at most 10000 characters"),
        ({"text": "", "tags": ["two words"]}, "a tag is a word"),
    ],
)
def test_a_wrong_note_is_refused(
    api: TestClient, paths: ExperimentPaths, body: dict[str, Any], words: str
) -> None:
    status, error = refused(api, NOTE, json=body)
    assert status == 422
    assert words in error
    assert not paths.notes.exists()
