"""Folders of TensorBoard logs that are not ours, in the dashboard."""

from pathlib import Path

import pytest
from dashboard_folders import client
from fastapi.testclient import TestClient

from tuner.dashboard.live import Teller
from tuner.dashboard.logs import Logs
from tuner.records.events import EventWriter
from tuner.records.states import TrialState


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two runs, one of which failed."""
    root = tmp_path / "logs"
    for number, name in enumerate(["first", "second/deep"]):
        writer = EventWriter(root / name)
        writer.hparams({"lr": 10.0 ** (-2 * number - 1), "kind": "ab"[number]})
        for step in range(3 + number):
            writer.scalars(step, {"loss": 1.0 / (step + 1 + number)}, wall_time_s=1000.0 + step)
        if number:
            writer.status(TrialState.FAILED)
        writer.close()
    return root


@pytest.fixture
def api(logs: Path) -> TestClient:
    return client(logs)


def test_logs_are_one_experiment_without_a_metric(api: TestClient) -> None:
    (line,) = api.get("/api/experiments").json()
    assert (line["name"], line["state"], line["metric"], line["best"]) == ("logs", "ended", None, None)
    assert (line["trials"], line["failed"], line["seconds"]) == (2, 1, 5.0)
    assert line["trial_seconds"] == 5.0
    assert line["started_s"] == 1000.0


def test_their_runs_are_trials(api: TestClient) -> None:
    data = api.get("/api/experiments/logs/trials").json()["data"]
    assert data["name"] == ["first", "second/deep"]
    assert data["state"] == [None, "FAILED"]
    assert (data["param/lr"], data["param/kind"]) == ([0.1, 0.001], ["a", "b"])
    assert data["min/loss"] == [pytest.approx(1 / 3), pytest.approx(1 / 5)]


def test_their_axes_are_as_wide_as_their_values(api: TestClient) -> None:
    details = api.get("/api/experiments/logs").json()
    axes = {axis["name"]: axis for axis in details["axes"]}
    lr = axes["lr"]
    assert (lr["kind"], lr["low"], lr["high"], lr["log"]) == ("float", 0.001, 0.1, True)
    assert axes["kind"]["choices"] == ["a", "b"]
    assert details["metrics"] == ["loss"]


def test_one_run(api: TestClient) -> None:
    found = api.get("/api/experiments/logs/trials/1").json()
    assert found["row"]["name"] == "second/deep"
    assert found["params"] == {"lr": 0.001, "kind": "b"}
    assert found["decisions"]["data"]["trial"] == []
    assert api.get("/api/experiments/logs/trials/1/log").json()["text"] == ""
    assert api.get("/api/experiments/logs/trials/2").status_code == 404


@pytest.mark.parametrize("path", ["decisions", "timeline", "importance", "dependence?parameter=lr"])
def test_what_only_a_search_has_is_empty(api: TestClient, path: str) -> None:
    answer = api.get(f"/api/experiments/logs/{path}")
    assert answer.status_code == 200
    found = answer.json()
    assert found.get("importances", []) == found.get("mean", []) == []
    assert all(values == [] for values in found.get("data", {}).values())


def test_curves_and_tables_are_there_too(api: TestClient) -> None:
    assert len(api.get("/api/experiments/logs/curves.csv?tag=loss").text.splitlines()) == 1 + 3 + 4
    assert len(api.get("/api/experiments/logs/curves?tag=loss").content) % 8 == 0
    assert api.get("/api/experiments/logs/trials.csv").text.startswith("number,name,state")


def test_what_a_run_writes_is_told(logs: Path) -> None:
    followed = Logs(logs, poll_s=0.0)
    teller = Teller(followed, ["loss"], None)
    assert "event: curves" in teller.tell()
    assert teller.tell() == ""
    writer = EventWriter(logs / "third")
    writer.scalars(0, {"loss": 0.5})
    writer.close()
    told = teller.tell()
    assert '"2": {"from_step": 0' in told
    assert '"name": ["third"]' in told
