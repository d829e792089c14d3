"""What the dashboard answers about data and models: reports, rows, pictures, sounds; who may ask a model."""

from __future__ import annotations

import io
import json
import os
import shutil
import wave
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dashboard_folders import PORT, copied
from fastapi.testclient import TestClient
from made_experiments import made, made_of_kind, make_running

from tuner.dashboard import data_and_model
from tuner.dashboard.access import Access
from tuner.dashboard.app import create_app
from tuner.dashboard.inspector import Inspector
from tuner.dashboard.shelf import Shelf
from tuner.data import prepare
from tuner.errors import ResultsError, TunerError
from tuner.inspection.answers import Answers
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import read_trials, write_trials
from tuner.spec import Experiment


class InThisProcess(Inspector):
    """Answers as the process does; remembers what was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Mapping[str, Any]] = []
        self._answers = Answers()

    def ask(self, request: Mapping[str, Any], limit_s: float) -> Any:
        self.asked.append(request)
        try:
            return json.loads(json.dumps(self._answers.to(request)))
        except TunerError as error:
            raise ResultsError(str(error)) from error


class Asking:
    """A browser that looks at one experiment."""

    def __init__(self, paths: ExperimentPaths, token: str | None = None) -> None:
        self.paths, self.inspector = paths, InThisProcess()
        access = Access("127.0.0.1", PORT, token)
        app = create_app(Shelf(paths.root.parent, poll_s=0.0), access, inspector=self.inspector)
        self.api = TestClient(app, base_url=f"http://localhost:{PORT}", raise_server_exceptions=False)
        self.base = f"/api/experiments/{paths.root.name}"

    def get(self, path: str) -> Any:
        return self.api.get(f"{self.base}/{path}")

    def shown(self, path: str) -> Any:
        """Rows, a picture or a sound of the only prepared data."""
        (store,) = (path.name for path in self.paths.store_root.iterdir() if path.is_dir())
        return self.get(f"data/{path}&store={store}")

    def post(self, path: str, **options: Any) -> Any:
        return self.api.post(f"{self.base}/{path}", **options)


@pytest.fixture
def table(tmp_path: Path) -> Asking:
    return Asking(made_of_kind(tmp_path, "csv", "tabular_classification"))


def test_the_report_of_the_data_is_made_once(table: Asking) -> None:
    first, second = table.get("data"), table.get("data")
    assert first.status_code == 200
    assert first.json() == second.json()
    assert [request["what"] for request in table.inspector.asked] == ["data"]


def test_what_is_searched_of_the_data_is_told(tmp_path: Path) -> None:
    data = {"source": {"type": "sklearn", "name": "iris"}, "standardise": {"choice": [False, True]}}
    asking = Asking(made(tmp_path, "searched", "tabular_classification", data))
    for _ in range(2):
        told = asking.get("data").json()
        assert (told["name"], told["searched"]) == ("searched", {"data.standardise": False})


def test_rows_are_told_as_values(table: Asking) -> None:
    table.get("data")
    rows = table.shown("rows?split=val&numbers=2,1").json()
    assert [row["row"] for row in rows] == [2, 1]
    assert all(row["label"] in "012" and len(row["values"]) == 3 for row in rows)


def test_rows_are_those_of_the_data_that_is_named(tmp_path: Path) -> None:
    data = {"source": {"type": "sklearn", "name": "iris"}, "split": {"seed": {"choice": [0, 1]}}}
    asking = Asking(made(tmp_path, "searched", "tabular_classification", data))
    plain = Path(asking.get("data").json()["store"]).name
    (row,) = read_trials(asking.paths.trials_csv)
    write_trials(asking.paths.trials_csv, [replace(row, params=row.params | {"data.split.seed": 1})])
    spec = Experiment.load(asking.paths.experiment_yaml).resolve(row.params | {"data.split.seed": 1})
    other = prepare(spec.data, spec.task, asking.paths.store_root).path.name
    refused = asking.get(f"data/rows?store={other}&split=val&numbers=1")
    assert (refused.status_code, "was looked at" in refused.json()["error"]) == (422, True)
    assert Path(asking.get("data").json()["store"]).name == other
    first, second = (
        asking.get(f"data/rows?store={store}&split=val&numbers=1").json()[0]["values"]
        for store in (plain, other)
    )
    assert first != second
    assert asking.get("data/rows?split=val&numbers=1").status_code == 400


def test_pictures_and_sounds_have_their_own_type(tmp_path: Path) -> None:
    images = Asking(made_of_kind(tmp_path / "images", "image_folder", "image_classification"))
    images.get("data")
    picture = images.shown("picture?split=train&row=1")
    assert (picture.headers["content-type"], picture.content[:4]) == ("image/png", b"\x89PNG")
    assert picture.headers["x-content-type-options"] == "nosniff"
    assert "max-age" in picture.headers["cache-control"]
    refused = images.shown("sound?split=train&row=1")
    assert (refused.status_code, "has none" in refused.json()["error"]) == (422, True)

    recordings = Asking(made_of_kind(tmp_path / "recordings", "audio", "audio_classification"))
    recordings.get("data")
    sound = recordings.shown("sound?split=val&row=1")
    assert sound.headers["content-type"] == "audio/wav"
    with wave.open(io.BytesIO(sound.content)) as file:
        assert (file.getframerate(), file.getnframes()) == (8000, 480)
    assert recordings.shown("picture?split=val&row=1").content[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("split=val&numbers=0", 422),
        ("split=val&numbers=9999", 422),
        ("split=../x&numbers=1", 400),
        ("split=val&numbers=1;2", 400),
        ("split=val&numbers=" + "1," * 600 + "1", 400),
    ],
)
def test_rows_that_are_none_are_refused(table: Asking, query: str, status: int) -> None:
    table.get("data")
    answer = table.shown(f"rows?{query}")
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)


def test_a_table_has_no_pictures(table: Asking) -> None:
    assert "was looked at" in table.shown("picture?split=val&row=1").json()["error"]
    table.get("data")
    assert "pictures are shown of images" in table.shown("picture?split=val&row=1").json()["error"]


def test_a_model_is_looked_at_when_asked_and_then_known(table: Asking) -> None:
    before = table.get("model").json()
    assert before == {"report": None, "best": 0, "is_current": False, "is_function": False}
    assert table.inspector.asked == []
    made = table.post("model", json={})
    assert made.status_code == 200
    after = table.get("model").json()
    assert after == made.json()
    assert (after["report"]["trial"], after["is_current"]) == (0, True)


def test_a_report_of_earlier_weights_of_the_same_trial_is_shown_as_such(table: Asking) -> None:
    told = table.post("model", json={}).json()
    weights = table.paths.trial(0).best_checkpoint / "weights.pt"
    os.utime(weights, ns=(0, told["report"]["weights_written_ns"] + 1))
    assert table.get("model").json() == told | {"is_current": False}
    assert table.post("model", json={}).json()["is_current"] is True


def test_while_a_search_runs_the_trial_that_is_looked_at_is_the_best_one_shown(table: Asking) -> None:
    make_running(table.paths, 0.4, 0.5)
    assert table.get("model").json()["best"] == 1
    told = table.post("model", json={}).json()
    assert (told["best"], told["report"]["trial"], told["is_current"]) == (1, 1, True)


def test_a_report_of_another_trial_is_shown_as_such(table: Asking) -> None:
    table.post("model", json={})
    report = json.loads(table.paths.predictions.read_text())
    table.paths.predictions.write_text(json.dumps(report | {"trial": 7, "kept": 7}))
    after = table.get("model").json()
    assert (after["report"]["trial"], after["best"], after["is_current"]) == (7, 0, False)


@pytest.mark.parametrize("content", ["", "[1]", '{"version": 0}', "{" * 5000])
def test_a_damaged_report_is_none(table: Asking, content: str) -> None:
    table.paths.predictions.write_text(content)
    assert table.get("model").json()["report"] is None


def test_a_row_and_a_file_are_answered(table: Asking) -> None:
    told = table.post("answer", json={"row": {"size": 1.0, "colour": "red", "old": False}}).json()
    assert told["predictions"][0]["label"] in "012"
    rows = b"size;colour;old\n1;red;True\n2;green;False\n"
    headers = {"content-type": "application/octet-stream"}
    answer = table.post("answer?file=../../rows.csv", content=rows, headers=headers).json()
    assert (answer["rows"], len(answer["predictions"])) == (2, 2)
    file = Path(table.inspector.asked[-1]["file"])
    assert (file.name, file.exists()) == ("input.csv", False)


@pytest.mark.parametrize(
    "given",
    [{}, {"texts": []}, {"texts": ["a", "b", "c"]}, {"texts": [1]}, {"row": [1]}, {"row": {"size": {}}}, [1]],
)
def test_what_is_no_question_is_refused(table: Asking, given: Any) -> None:
    answer = table.post("answer", json=given)
    assert (answer.status_code, "a model is asked by" in answer.json()["error"]) == (422, True)
    assert table.inspector.asked == []


def test_a_large_file_is_refused(table: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_and_model, "MOST_UPLOAD_BYTES", 1000)
    headers = {"content-type": "application/octet-stream"}
    answer = table.post("answer?file=rows.csv", content=b"a" * 1001, headers=headers)
    assert (answer.status_code, "at most 1000 bytes" in answer.json()["error"]) == (413, True)


@pytest.mark.parametrize("path", ["model", "answer"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        ({"content-type": "application/json", "origin": "http://evil.com"}, 403),
        ({"content-type": "application/json", "sec-fetch-site": "cross-site"}, 403),
        (
            {
                "content-type": "application/json",
                "sec-fetch-site": "cross-site",
                "sec-fetch-mode": "navigate",
            },
            403,
        ),
        ({"content-type": "application/json", "host": "evil.com"}, 403),
    ],
)
def test_other_sites_cannot_ask_a_model(
    table: Asking, path: str, headers: dict[str, str], status: int
) -> None:
    assert table.post(path, content=b"{}", headers=headers).status_code == status
    assert table.inspector.asked == []


def test_a_model_is_not_asked_without_the_token(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "csv", "regression")
    asking = Asking(paths, token="a-token-of-some-length")
    assert [asking.post(path, json={}).status_code for path in ("model", "answer")] == [401, 401]


def test_logs_of_others_have_neither(tmp_path: Path) -> None:
    events = copied(tmp_path / "recorded", "mlp") / "mlp" / "trials" / "00000"
    shutil.copytree(events, tmp_path / "logs" / "run")
    asking = Asking(ExperimentPaths(tmp_path / "logs" / "run"))
    asking.base = "/api/experiments/logs"
    for path in ("data", "model", f"data/rows?store={'0' * 64}&split=val&numbers=1"):
        answer = asking.get(path)
        assert (answer.status_code, "a folder of other logs" in answer.json()["error"]) == (422, True)


def test_a_function_has_no_model_of_ours(tmp_path: Path) -> None:
    asking = Asking(ExperimentPaths(copied(tmp_path / "results", "function") / "function"))
    assert asking.get("model").json()["is_function"] is True
    assert "function of one's own" in asking.get("data").json()["error"]


def test_a_link_out_of_the_folder_is_not_followed(table: Asking, tmp_path: Path) -> None:
    secret = tmp_path / "secret.json"
    secret.write_text('{"version": 2, "secret": 1}')
    table.paths.predictions.symlink_to(secret)
    answer = table.get("model")
    assert (answer.status_code, 'secret":' in answer.text) == (404, False)
    table.paths.stores.symlink_to(secret)
    assert table.post("model", json={}).status_code == 404


def test_a_store_behind_a_link_out_of_the_folder_is_not_shown(table: Asking, tmp_path: Path) -> None:
    table.paths.store_root.rename(tmp_path / "elsewhere")
    table.paths.store_root.symlink_to(tmp_path / "elsewhere")
    before = sorted((tmp_path / "elsewhere").iterdir())
    answer = table.get("data")
    assert (answer.status_code, "leads out of it" in answer.json()["error"]) == (404, True)
    assert table.post("model", json={}).status_code == 404
    assert sorted((tmp_path / "elsewhere").iterdir()) == before
