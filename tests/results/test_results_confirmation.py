"""The confirmed winner of a folder made by hand: what `Result`, `tuner best` and an export say of it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from results_folder import experiment, row, write

from tuner import models, tasks
from tuner.cli import main
from tuner.data import prepare
from tuner.records.confirmation import confirmation_of
from tuner.records.rows import TrialRow
from tuner.results.confirmation import as_json, in_words
from tuner.results.result import BestTrial, Result
from tuner.spec.sections import ConfirmSpec

CONFIRM = {"top": 2, "seeds": 2}
SEED = 123


def again(number: int, confirms: int, value: float, state: str = "COMPLETE") -> TrialRow:
    fresh = row(number, state, value)
    fresh.confirms, fresh.seed = confirms, SEED + number
    return fresh


SEARCHED = [row(0, "COMPLETE", 0.9), row(1, "STOPPED", 0.8), row(2, "STOPPED", 0.1)]
FRESH = [again(3, 0, 0.5), again(4, 1, 0.625), again(5, 0, 0.75), again(6, 1, 0.875)]


def written(folder: Path, rows: Sequence[TrialRow], **confirm: int) -> Result:
    return write(folder / "results" / "e", rows, experiment(confirm=CONFIRM | confirm))


def write_weights(result: Result, *numbers: int) -> None:
    """Other random weights for each of the trials."""
    spec = result.best.experiment.resolve(result.best.params)
    manifest = prepare(spec.data, spec.task, result.paths.store_root).manifest
    num_outputs = tasks.get(spec.task, spec.train, manifest).num_outputs
    for number in numbers:
        torch.manual_seed(number)
        network = models.build(spec.model, models.DataShape.of(manifest), num_outputs)
        kept = result.paths.trial(number).best_checkpoint
        kept.mkdir(parents=True)
        torch.save(network.state_dict(), kept / "weights.pt")


def shown(result: Result, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["best", str(result.paths.root), *options])
    assert not ended.value.code
    return capsys.readouterr().out


def best_json(result: Result, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(shown(result, capsys, "--json"))
    return answer


def test_the_best_trial_is_the_confirmed_winner_and_its_value_the_fresh_mean(tmp_path: Path) -> None:
    best = written(tmp_path, SEARCHED + FRESH).best

    assert (best.number, best.value, dict(best.metrics)) == (1, 0.75, {"val/accuracy": 0.75})
    assert best.confirmed is not None
    assert best.confirmed.runs == (6, 4)
    assert (best.kept, best.seed) == (6, SEED + 6)


def test_without_all_runs_it_is_the_searchs_best_trial(tmp_path: Path) -> None:
    result = written(tmp_path, SEARCHED + FRESH[:3])

    assert (result.best.number, result.best.value, result.best.confirmed) == (0, 0.9, None)
    assert result.best.kept == 0
    assert result.confirmation is not None
    assert result.confirmation.num_missing == 1


def test_without_confirm_nothing_is_confirmed(tmp_path: Path) -> None:
    result = write(tmp_path / "e", SEARCHED, experiment())
    assert (result.confirm, result.confirmation, result.best.number) == (None, None, 0)


def test_the_search_is_counted_without_the_fresh_runs(tmp_path: Path) -> None:
    result = written(tmp_path, SEARCHED + FRESH)

    assert sum(result.num_by_state().values()) == len(result.search_rows) == 3
    assert result.saved_share(4) == pytest.approx(1 - 3 / 12)
    table = result.trials.set_index("number")
    assert table["confirms"].isna().tolist() == [True] * 3 + [False] * 4
    assert table["seed"].tolist()[3:] == [SEED + number for number in range(3, 7)]


def test_the_test_split_is_measured_over_the_winners_fresh_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = written(tmp_path, SEARCHED + FRESH)
    write_weights(result, 4, 6)

    singly = [BestTrial(n, result.best.params, 0.0, {}, result.paths).measure("test") for n in (4, 6)]
    best = best_json(result, capsys)

    assert singly[0]["loss"] != singly[1]["loss"]
    assert best["test"] == pytest.approx(
        {name: (singly[0][name] + singly[1][name]) / 2 for name in singly[0]}
    )
    errors = {name: abs(singly[0][name] - singly[1][name]) / 2 for name in singly[0]}
    assert best["test_standard_error"] == pytest.approx(errors)
    assert (best["trial"], best["value"]) == (1, 0.75)


def test_no_other_trials_test_score_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = written(tmp_path, SEARCHED + FRESH[:3])
    write_weights(result, 0, 1, 3, 4)

    best = best_json(result, capsys)

    assert (best["trial"], best["test"], best["test_standard_error"]) == (0, {}, {})
    text = shown(result, capsys)
    assert "test/" not in text
    assert "not confirmed: 3 of 4 fresh runs are there; the best trial is the search's" in text


def test_best_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = written(tmp_path, SEARCHED + FRESH)
    write_weights(result, 4, 6)

    lines = [line.rstrip() for line in shown(result, capsys).splitlines()]

    assert lines[0] == "best trial: 1 (means of 2 fresh runs)"
    assert any("test/accuracy" in line and "±" in line for line in lines)
    head = lines.index("confirmation")
    assert lines[head + 2].split() == ["1", "0.8", "0.75", "±", "0.12", "0.05", "2/2", "0"]
    assert lines[head + 3].split() == ["0", "0.9", "0.625", "±", "0.12", "0.275", "2/2", "0"]
    assert lines[-1] == (
        "trial 1 is confirmed; trial 0 is the runner-up, 0.71 standard errors behind, less than 2: "
        "either may be the better one; the search's best value, 0.9 of trial 0, was 0.28 too good"
    )


def test_best_as_json_holds_the_ranking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = written(tmp_path, SEARCHED + FRESH)
    write_weights(result, 4, 6)

    confirmation = best_json(result, capsys)["confirmation"]

    ranking = confirmation.pop("ranking")
    gap = confirmation.pop("gap")
    assert gap == pytest.approx(0.125 / 2**0.5 / 0.125)
    assert confirmation == {
        "winner": 1,
        "search_best": 0,
        "optimism": pytest.approx(0.275),
        "runs_planned": 4,
        "runs_missing": 0,
        "runs_failed": 0,
    }
    assert ranking[0] == {
        "trial": 1,
        "search_value": 0.8,
        "mean": 0.75,
        "standard_error": pytest.approx(0.125),
        "optimism": pytest.approx(0.05),
        "runs": [6, 4],
        "values": [0.875, 0.625],
        "failed": 0,
        "missing": 0,
    }


def test_json_without_confirm_says_null(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = write(tmp_path / "results" / "e", SEARCHED, experiment())
    write_weights(result, 0)

    best = best_json(result, capsys)

    assert best["confirmation"] is None
    assert best["test_standard_error"] == {"loss": None, "accuracy": None, "f1": None}


def test_the_export_is_the_winners_best_fresh_run(tmp_path: Path) -> None:
    result = written(tmp_path, SEARCHED + FRESH)
    write_weights(result, 4, 6)

    out = result.best.export(tmp_path / "out")

    assert (out / "weights.pt").read_bytes() == (
        result.paths.trial(6).best_checkpoint / "weights.pt"
    ).read_bytes()
    content = json.loads((out / "model.json").read_text())
    assert (content["trial"], content["spec"]["train"]["seed"]) == (6, SEED + 6)
    assert result.best.load().spec.train.seed == SEED + 6


def test_status_counts_the_search_and_names_what_is_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = written(tmp_path, SEARCHED + FRESH)
    for folder in (result.paths.root, result.paths.root.parent):
        with pytest.raises(SystemExit):
            main(["status", str(folder)])
    lines = capsys.readouterr().out.splitlines()

    assert lines[4].endswith("fresh run of trial 0: made by hand")
    states = ["1", "COMPLETE,", "2", "STOPPED"]
    assert lines[-1].split() == ["e", "interrupted", "3", *states, "val/accuracy", "0.75"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "not confirmed: 0 of 0 fresh runs are there"),
        (SEARCHED, "not confirmed: 0 of 4 fresh runs are there"),
        (
            [*SEARCHED, *(again(n, n % 2, 0.5, "DIVERGED") for n in range(3, 7))],
            "not confirmed: every fresh run failed; the best trial is the search's",
        ),
        (
            [SEARCHED[0], again(3, 0, 0.5), again(4, 0, 0.75)],
            "trial 0 is confirmed; there was no other to compare it with; the search's best value",
        ),
        (
            [*SEARCHED, FRESH[0], FRESH[2], FRESH[1], again(6, 1, 0.875, "FAILED")],
            "trial 0 is confirmed; trial 1 is the runner-up, for its failed runs",
        ),
        (
            [*SEARCHED, *(again(n, n % 2, 0.5 + n % 2 / 4) for n in range(3, 7))],
            "trial 1 is confirmed; trial 0 is the runner-up, at a distance that these runs cannot measure",
        ),
        (
            [*SEARCHED, *(again(n, n % 2, 0.95 - n % 2 / 4 + n / 1000) for n in range(3, 7))],
            "trial 0 is confirmed; trial 1 is the runner-up, 1.8e+02 standard errors behind; "
            "the search's best value, 0.9 of trial 0, was 0.055 too bad",
        ),
        (
            [*SEARCHED, *(again(n, n % 2, 0.5 + n // 5 / 4) for n in range(3, 7))],
            "trial 0 is confirmed; trial 1 is the runner-up, 0 standard errors behind, less than 2: either",
        ),
    ],
)
def test_every_outcome_has_its_words(rows: list[TrialRow], words: str) -> None:
    confirmation = confirmation_of(rows, ConfirmSpec(**CONFIRM), "val/accuracy", "max")
    assert in_words(confirmation).startswith(words)
    json.dumps(as_json(confirmation), allow_nan=False)
