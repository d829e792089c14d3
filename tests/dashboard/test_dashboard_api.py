"""What each address of the dashboard answers, on recorded experiments."""

import json
import math
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damage import spoil
from dashboard_folders import Replay, client, copied
from fastapi.testclient import TestClient

from tuner.dashboard.app import PAGE
from tuner.records.lock import hold
from tuner.records.rows import TrialRow, as_csv, read_trials
from tuner.records.states import TrialState
from tuner.results.result import Result
from tuner.tasks.metrics import SYSTEM_METRICS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return copied(tmp_path, "function", "mlp")


@pytest.fixture
def api(results: Path) -> TestClient:
    return client(results)


def got(api: TestClient, path: str) -> Any:
    answer = api.get(f"/api/experiments{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    """A columnar table, row by row."""
    assert table["columns"] == list(table["data"])
    return [
        dict(zip(table["columns"], row, strict=True)) for row in zip(*table["data"].values(), strict=True)
    ]


def decoded(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and fields of an answer of curves."""
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    assert (4 + length) % 8 == 0
    fields = np.frombuffer(content, "<f8", offset=4 + length).reshape(len(header["fields"]), -1)
    assert fields.shape[1] == sum(header["counts"])
    return header, dict(zip(header["fields"], fields, strict=True))


# --- the overview --------------------------------------------------------------------------------------


def test_the_overview_has_a_line_for_each_experiment(api: TestClient, results: Path) -> None:
    function, mlp = got(api, "")
    assert (function["name"], function["task"], function["state"]) == ("function", None, "ended")
    assert (function["best"], function["best_trial"]) == (1 / 3, 1)
    assert [function[key] for key in ("finished", "trials", "running", "failed")] == [6, 6, 0, 1]
    assert (mlp["metric"], mlp["mode"], mlp["finished"], mlp["error"]) == ("val/loss", "min", 3, None)
    assert mlp["gpu_seconds"] is None
    assert mlp["trial_seconds"] == sum(row.seconds for row in read_trials(results / "mlp" / "trials.csv"))
    assert mlp["seconds"] == pytest.approx(15.84, abs=0.01)
    assert mlp["event_age_s"] > 0


def test_a_search_that_is_run_is_running(results: Path, api: TestClient) -> None:
    lock = hold(results / "mlp" / ".lock", rule="", fix="")
    assert [line["state"] for line in got(api, "")] == ["ended", "running"]
    assert got(api, "/mlp")["hints"] == [f"tuner stop {results / 'mlp'}"]
    lock.release()
    assert [line["state"] for line in got(api, "")] == ["ended", "ended"]


def test_a_search_that_nobody_runs_is_interrupted(results: Path) -> None:
    Replay(results / "mlp").go_on(9)
    api = client(results)
    line = got(api, "")[1]
    assert (line["state"], line["running"], line["finished"]) == ("interrupted", 0, 1)
    assert got(api, "/mlp")["hints"] == [f"tuner resume {results / 'mlp'}"]


def test_how_a_function_goes_on_is_python(results: Path) -> None:
    Replay(results / "function").go_on(3)
    (hint,) = got(client(results), "/function")["hints"]
    assert hint.startswith("tuner.resume(")


def test_an_experiments_own_folder_is_an_overview_of_one(results: Path) -> None:
    api = client(results / "mlp")
    assert [line["name"] for line in got(api, "")] == ["mlp"]
    assert got(api, "/mlp")["name"] == "mlp"


def test_an_empty_folder_has_no_experiments(tmp_path: Path) -> None:
    assert got(client(tmp_path), "") == []


# --- one experiment ------------------------------------------------------------------------------------


def test_details(api: TestClient, results: Path) -> None:
    mlp = got(api, "/mlp")
    assert (mlp["task"], mlp["metric"], mlp["objectives"]) == (
        "tabular_classification",
        "val/loss",
        {"val/loss": "min"},
    )
    assert mlp["axes"] == [
        {
            "name": "train.optimizer.lr",
            "kind": "float",
            "when": {},
            "low": 0.01,
            "high": 0.1,
            "log": True,
            "step": None,
        }
    ]
    assert mlp["metrics"][:3] == ["val/loss", "val/accuracy", "val/f1"]
    assert mlp["system"] == list(SYSTEM_METRICS)
    assert mlp["settings"] == Result.open(results / "mlp").settings
    assert mlp["environment"]["packages"]["torch"] == "2.13.0+cpu"
    assert mlp["confirmation"]["winner"] == 1
    assert mlp["confirmation"]["in_words"].startswith("trial 1 is confirmed")


def test_details_of_a_function_have_its_choices(api: TestClient) -> None:
    function = got(api, "/function")
    assert function["axes"][0]["choices"] == ["good", "better", "worse", "endless", "broken", "large"]
    assert (function["confirmation"], function["max_reports"]) == (None, 3)


def test_without_an_environment_the_rest_is_told(results: Path, api: TestClient) -> None:
    (results / "mlp" / "environment.json").write_text("{")
    assert got(api, "/mlp")["environment"] is None


@pytest.mark.parametrize("name", ["function", "mlp"])
def test_trials_are_those_of_the_table(api: TestClient, results: Path, name: str) -> None:
    found = rows(_table(got(api, f"/{name}/trials")))
    kept = read_trials(results / name / "trials.csv")
    assert [row["number"] for row in found] == [row.number for row in kept]
    assert [row["state"] for row in found] == [row.state.value for row in kept]
    assert [row["reason"] for row in found] == [row.reason for row in kept]
    assert [row["best/val/loss"] for row in found] == [row.best.get("val/loss") for row in kept]
    params = [{key[6:]: value for key, value in row.items() if key.startswith("param/")} for row in found]
    assert params == [row.params for row in kept]


def _table(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("columns", "data")}


def test_what_is_not_finite_is_null(api: TestClient) -> None:
    diverged = rows(_table(got(api, "/function/trials")))[3]
    assert (diverged["state"], diverged["last/val/loss"], diverged["best/val/loss"]) == (
        "DIVERGED",
        None,
        None,
    )


def test_the_log_says_of_running_trials_what_the_table_lacks(results: Path) -> None:
    table = (results / "mlp" / "trials.csv").read_bytes()
    replay = Replay(results / "mlp")
    replay.go_on(8)
    running = rows(_table(got(client(results), "/mlp/trials")))[1]
    assert (running["number"], running["state"], running["reports"]) == (1, "RUNNING", 0)
    replay.go_on(100)
    (results / "mlp" / "trials.csv").write_bytes(table)
    assert got(client(results), "/mlp/trials")["data"]["state"] == ["COMPLETE"] * 5


def test_confirmed_figures_come_from_the_log_too(results: Path) -> None:
    from_table = _table(got(client(results), "/mlp/trials"))["data"]["confirmed/mean"]
    Replay(results / "mlp").go_on(100)
    assert _table(got(client(results), "/mlp/trials"))["data"]["confirmed/mean"] == from_table
    assert from_table[1] == pytest.approx(0.3313, abs=1e-4)


# --- curves --------------------------------------------------------------------------------------------


def test_curves_are_those_of_the_event_files(api: TestClient, results: Path) -> None:
    header, fields = decoded(api.get("/api/experiments/mlp/curves?tag=val/loss").content)
    kept = Result.open(results / "mlp").curves("val/loss")
    assert header["trials"] == [0, 1, 2, 3, 4]
    assert np.repeat(header["trials"], header["counts"]).tolist() == kept["trial"].tolist()
    assert fields["step"].tolist() == kept["step"].tolist()
    assert fields["time_s"].tolist() == kept["wall_time_s"].tolist()
    assert fields["value"].tolist() == kept["value"].tolist()
    assert not header["is_thinned"]


@pytest.mark.parametrize(("name", "tag"), [("mlp", "val/loss"), ("function", "val/loss")])
def test_without_a_tag_the_curves_are_those_that_are_shown_first(
    api: TestClient, name: str, tag: str
) -> None:
    header, fields = decoded(api.get(f"/api/experiments/{name}/curves").content)
    same, others = decoded(api.get(f"/api/experiments/{name}/curves?tag={tag}").content)
    assert (header["tag"], header["counts"]) == (tag, same["counts"])
    np.testing.assert_array_equal(fields["value"], others["value"])
    assert got(api, f"/{name}")["metrics"][0] == tag


def test_curves_keep_what_is_not_finite(api: TestClient) -> None:
    header, fields = decoded(api.get("/api/experiments/function/curves?tag=val/loss").content)
    assert np.isnan(fields["value"]).sum() == 1


def test_curves_of_some_trials(api: TestClient) -> None:
    header, _ = decoded(api.get("/api/experiments/mlp/curves?tag=val/loss&trials=3,1").content)
    assert (header["trials"], header["counts"]) == ([1, 3], [3, 3])


def test_extremes_are_over_the_finite_points_of_a_tag(api: TestClient, results: Path) -> None:
    found = rows(got(api, "/function/extremes?tag=val/loss"))
    values = Result.open(results / "function").curves("val/loss")
    finite = values[np.isfinite(values["value"])].groupby("trial")["value"]
    assert len(finite) < values["trial"].nunique() or len(values) > finite.size().sum()
    assert found == [
        {"number": number, "min": least, "max": most}
        for number, (least, most) in finite.agg(["min", "max"]).iterrows()
    ]


def test_an_unknown_tag_has_no_extremes(api: TestClient) -> None:
    assert got(api, "/mlp/extremes?tag=nothing") == {
        "columns": ["number", "min", "max"],
        "data": {"number": [], "min": [], "max": []},
    }


def test_an_unknown_tag_has_no_curves(api: TestClient) -> None:
    header, fields = decoded(api.get("/api/experiments/mlp/curves?tag=nothing").content)
    assert (header["trials"], header["counts"], fields["value"].size) == ([], [], 0)


# --- decisions and gangs -------------------------------------------------------------------------------


def test_decisions_are_the_lines_of_the_log(api: TestClient, results: Path) -> None:
    found = rows(got(api, "/function/decisions"))
    lines = [json.loads(line) for line in (results / "function" / "decisions.jsonl").open()]
    assert [row["action"] for row in found] == [line["action"] for line in lines]
    assert [row["at_s"] for row in found] == [line["spent_s"] for line in lines]
    (stopped,) = [row for row in found if row["state"] == "STOPPED"]
    assert (stopped["trial"], stopped["value"], stopped["cutoff"], stopped["rung"]) == (2, 5.5, 1.25, 1)
    assert stopped["reason"].startswith("the best value up to report 1, 5.5, is worse than 1.25")


def test_the_timeline_has_a_lap_a_trial(api: TestClient) -> None:
    answer = got(api, "/function/timeline")
    laps = rows(_table(answer))
    assert (answer["num_gangs"], [lap["trial"] for lap in laps]) == (1, [0, 1, 2, 3, 4, 5])
    assert {lap["kind"] for lap in laps} == {"train"}
    assert all(lap["from_s"] < lap["to_s"] for lap in laps)
    assert {lap["nodes"] for lap in laps} == {"host"}


# --- one trial -----------------------------------------------------------------------------------------


def test_one_trial(api: TestClient) -> None:
    found = got(api, "/function/trials/4")
    assert (found["row"]["number"], found["row"]["state"]) == (4, "FAILED")
    assert found["params"] == {"kind": "broken", "lr": 0.5}
    assert found["best"] == {"trial": 1, "params": {"kind": "better", "lr": 0.5}}
    (fault,) = found["faults"]
    assert (fault["fault"], fault["reason"]) == (None, "ValueError: this kind fails")
    assert [line["action"] for line in rows(found["decisions"])] == ["BEGIN", "START", "CONTINUE", "FINISH"]
    assert [lap["trial"] for lap in rows(found["timeline"])] == [4]
    assert found["checkpoints"] == []


def test_checkpoints_of_a_trial(api: TestClient, results: Path) -> None:
    folder = results / "mlp" / "trials" / "00000" / "checkpoints" / "000002_0000000012"
    folder.mkdir()
    (folder / "rank_0.json").write_bytes(b"12345")
    (folder.parent / ".000003_0000000018.new").mkdir()
    best, newest = got(api, "/mlp/trials/0")["checkpoints"]
    assert (best["name"], best["report"]) == ("best", None)
    assert (newest["name"], newest["report"], newest["bytes"]) == ("000002_0000000012", 2, 5)


def test_the_log_is_read_part_by_part(api: TestClient, results: Path) -> None:
    text = "".join(f"{number} ä\n" for number in range(20_000))
    (results / "mlp" / "trials" / "00000" / "log.txt").write_text(text)
    tail = got(api, "/mlp/trials/0/log")
    assert len(tail["text"].encode()) <= 65_536
    assert text.endswith(tail["text"].lstrip("\ufffd"))
    assert tail["next"] == tail["size"] == len(text.encode())
    parts, offset = [], 0
    while offset < tail["size"]:
        part = got(api, f"/mlp/trials/0/log?offset={offset}")
        assert part["offset"] == offset
        parts.append(part["text"])
        offset = part["next"]
    assert "".join(parts) == text
    assert got(api, f"/mlp/trials/0/log?offset={10**12}")["text"] == ""


def test_a_trial_that_printed_nothing_has_an_empty_log(api: TestClient, results: Path) -> None:
    (results / "mlp" / "trials" / "00000" / "log.txt").unlink()
    assert got(api, "/mlp/trials/0/log") == {"text": "", "offset": 0, "next": 0, "size": 0}


# --- importances, downloads ----------------------------------------------------------------------------


def test_importances_of_few_trials_say_why_there_are_none(api: TestClient) -> None:
    found = got(api, "/function/importance")
    assert (found["importances"], found["n"]) == ([], 3)
    assert found["note"] == (
        "importances need 20 trials with values of val/loss that are not all equal; found 3."
    )


def searched(folder: Path, num_trials: int) -> None:
    """The search has had so many trials, whose loss falls with the rate."""
    numbers = range(num_trials)
    rows = [
        TrialRow(
            number=number,
            state=TrialState.COMPLETE,
            params={"kind": "better" if number % 2 else "good", "lr": 0.1 + 0.9 * number / num_trials},
            best={
                "val/loss": 1 - number / num_trials,
                "flat": 1.0,
                "odd": 1 / number if number else math.inf,
            },
        )
        for number in numbers
    ]
    (folder / "trials.csv").write_bytes(as_csv(rows))


def test_a_dependence_is_told_with_its_spread(api: TestClient, results: Path) -> None:
    searched(results / "function", 60)
    found = got(api, "/function/dependence?parameter=lr")
    (parameter,) = found["parameters"]
    assert (parameter["name"], len(parameter["values"])) == ("lr", len(found["mean"]))
    assert (found["n"], found["having"], found["note"]) == (60, 60, None)
    assert found["mean"][0] > 0.8
    assert found["mean"][-1] < 0.2
    assert all(spread >= 0 for spread in found["spread"])
    pair = got(api, "/function/dependence?metric=val/loss&parameter=lr&parameter=kind")
    assert pair["parameters"][1] == {"name": "kind", "values": ["good", "better"]}
    assert {len(each) for each in pair["mean"]} == {len(each) for each in pair["spread"]} == {2}


def test_what_is_not_finite_counts_for_nothing(api: TestClient, results: Path) -> None:
    searched(results / "function", 60)
    assert got(api, "/function/dependence?metric=odd&parameter=lr")["n"] == 59
    assert got(api, "/function/importance?metric=odd&method=fanova")["n"] == 59


def test_a_dependence_is_of_the_trials_that_there_are(api: TestClient, results: Path) -> None:
    searched(results / "function", 30)
    assert got(api, "/function/dependence?parameter=lr")["n"] == 30
    searched(results / "function", 50)
    assert got(api, "/function/dependence?parameter=lr")["n"] == 50


@pytest.mark.parametrize(
    ("num_trials", "query", "note"),
    [
        (1, "parameter=lr", "needs 20 trials with values of val/loss that are not all equal; found 1."),
        (40, "parameter=lr&metric=flat", "of flat that are not all equal; found 40."),
        (40, "parameter=lr&metric=unknown", "found 0."),
        (40, "parameter=lr&parameter=unknown", "no trial with a value of val/loss has lr and unknown."),
    ],
)
def test_where_a_dependence_cannot_be_told_it_says_why(
    api: TestClient, results: Path, num_trials: int, query: str, note: str
) -> None:
    searched(results / "function", num_trials)
    found = got(api, f"/function/dependence?{query}")
    assert (found["mean"], found["spread"]) == ([], [])
    assert note in found["note"]


def test_the_table_can_be_downloaded(api: TestClient, results: Path) -> None:
    answer = api.get("/api/experiments/mlp/trials.csv")
    (results / "downloaded.csv").write_bytes(answer.content)
    assert read_trials(results / "downloaded.csv") == read_trials(results / "mlp" / "trials.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="trials.csv"'


def test_curves_can_be_downloaded(api: TestClient) -> None:
    header, *lines = api.get("/api/experiments/mlp/curves.csv?tag=val/loss").text.splitlines()
    assert header == "trial,tag,step,wall_time_s,value"
    assert len(lines) == 15


# --- what cannot be answered ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/api/experiments/nobody", 404, "has no 'nobody'"),
        ("/api/experiments/mlp/trials/99", 404, "has no 99"),
        ("/api/experiments/mlp/trials/99/log", 404, "has no 99"),
        ("/api/experiments/mlp/nothing", 404, "no such address"),
        ("/api/experiments/mlp/curves.csv", 400, "tag: Field required"),
        ("/api/experiments/mlp/curves?tag=a&trials=1;2", 400, "trials: String should match"),
        ("/api/experiments/mlp/trials/x", 400, "number: Input should be a valid integer"),
        ("/api/experiments/mlp/trials/0/log?offset=-1", 400, "offset: Input should be greater"),
        ("/api/experiments/mlp/importance?method=guess", 400, "method: Input should be 'ped_anova'"),
        ("/api/experiments/mlp/dependence", 400, "parameter: Field required"),
        ("/api/experiments/mlp/dependence?parameter=a&parameter=b&parameter=c", 400, "at most 2"),
        ("/page/nothing.js", 404, "no such address"),
    ],
)
def test_errors_are_one_sentence(api: TestClient, path: str, status: int, sentence: str) -> None:
    answer = api.get(path)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("experiment.yaml", b"search: 3\n"),
        ("experiment.yaml", b"\xff\xfe"),
        ("trials.csv", b"number,state\n1,2,3\n"),
    ],
)
def test_an_unreadable_experiment_is_told_beside_the_others(results: Path, file: str, content: bytes) -> None:
    (results / "mlp" / file).write_bytes(content)
    api = client(results)
    function, mlp = got(api, "")
    assert (function["state"], mlp["state"]) == ("ended", "unreadable")
    assert "mlp" in mlp["error"]
    answer = api.get("/api/experiments/mlp")
    assert (answer.status_code, answer.json()["error"]) == (422, mlp["error"])


READERS = {
    "experiment.yaml": ("", "/mlp"),
    "trials.csv": ("", "/mlp/trials"),
    "decisions.jsonl": ("", "/mlp/timeline"),
    "environment.json": ("/mlp",),
}


@pytest.mark.parametrize("file", READERS)
def test_whatever_a_disk_does_to_a_file_the_answer_is_a_sentence(results: Path, file: str) -> None:
    api = client(results)
    for damage in spoil(results / "mlp" / file):
        for path in READERS[file]:
            answer = api.get(f"/api/experiments{path}")
            assert answer.status_code in (200, 404, 422), (damage, path, answer.text)


def test_without_a_number_of_trials_it_is_unreadable(results: Path) -> None:
    file = results / "mlp" / "experiment.yaml"
    file.write_text(file.read_text().replace("trials: 3", "trials: many"))
    assert "how many trials it searches by" in got(client(results), "")[1]["error"]


def test_a_damaged_log_is_told_until_it_is_put_back(results: Path) -> None:
    log = results / "mlp" / "decisions.jsonl"
    Replay(results / "mlp").go_on(8)
    sound = log.read_bytes()
    log.write_bytes(sound + b'{"action": "START"}\n' + sound)
    api = client(results)
    for _ in range(2):
        assert "line 9 is not" in got(api, "")[1]["error"]
    log.write_bytes(sound)
    assert got(api, "")[1]["state"] == "interrupted"


def test_a_line_that_is_half_written_has_not_happened(results: Path) -> None:
    replay = Replay(results / "mlp")
    replay.go_on(4)
    with replay.file.open("ab") as file:
        file.write(b'{"time_s": 1, "spent_s"')
    assert rows(_table(got(client(results), "/mlp/trials")))[0]["reports"] == 1


def test_the_page_gets_its_modules_as_one_script(api: TestClient) -> None:
    page = api.get("/e/mlp").text
    assert re.findall(r'<script src="([^"]*)"', page) == ["/page/js/early.js", "/page/app.js"]
    answer = api.get("/page/app.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    modules = {file.stem for file in (PAGE / "js").glob("*.js")} - {"early"}
    assert {name for name in modules if f"const ${name} = " in answer.text} == modules


@pytest.mark.parametrize("path", ["/trials", "/curves?tag=val/loss"])
def test_what_is_kept_is_that_of_now_in_every_encoding(tmp_path: Path, path: str) -> None:
    replay = Replay(copied(tmp_path, "mlp") / "mlp")
    api, address = client(tmp_path), f"/api/experiments/mlp{path}"
    seen = set()
    for num_lines, share in ((4, 0.5), (1, 0.75), (1, 1.0)):
        replay.go_on(num_lines)
        replay.write_events(0, share)
        answers = [api.get(address, headers={"Accept-Encoding": kind}) for kind in ("gzip", "identity")]
        assert [each.headers.get("content-encoding") for each in answers] == ["gzip", None]
        assert answers[0].content == answers[1].content
        seen.add(answers[0].content)
    assert len(seen) == 3
