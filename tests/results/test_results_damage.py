"""A damaged folder or export: what can be read is shown, the rest is one sentence, through both doors."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damage import spoil
from results_folder import experiment, row, write, write_curve, write_weights

from tuner.cli import main
from tuner.errors import TunerError
from tuner.records.environment import environment
from tuner.records.files import atomic_write_json
from tuner.results.export import ExportedModel
from tuner.results.result import Result

FILES = [
    *("experiment.yaml", "environment.json", "decisions.jsonl", "trials.csv"),
    *("trials/00000/events.out.tfevents", "trials/00000/checkpoints/best/weights.pt"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with one sound experiment and an export of it."""
    results = tmp_path_factory.mktemp("results")
    rows = [row(0, "COMPLETE", 0.5, 0.8), row(1, "DIVERGED"), row(2, "STOPPED", 0.3)]
    result = write(results / "e", rows, experiment(confirm={"top": 1, "seeds": 1}))
    write_curve(result, 0, "val/accuracy", [0.5, 0.8])
    result.paths.decisions.write_text(
        '{"action": "CONTINUE", "trial": 0}\n{"action": "END", "reason": "enough"}\n'
    )
    atomic_write_json(result.paths.environment_json, environment())
    write_weights(result)
    result.best.export(results / "export")
    np.save(results / "new.npy", np.zeros((2, 4), np.float32))
    return results


@pytest.fixture
def results(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "results"))


def file_of(folder: Path, name: str) -> Path:
    (file,) = (folder / name).parent.glob((folder / name).name + "*")
    return file


READERS: list[Callable[[Result], Any]] = [
    *(
        lambda r: r.trials,
        lambda r: r.curves(),
        lambda r: r.best,
        lambda r: r.front,
        lambda r: r.confirmation,
    ),
    *(lambda r: r.end_reason, lambda r: r.environment(), lambda r: r.objectives, lambda r: r.is_function),
    *(lambda r: r.num_by_state(), lambda r: r.best.experiment, lambda r: r.best.load()),
]


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_folder_through_python(results: Path, name: str) -> None:
    for _ in spoil(file_of(results / "e", name)):
        for read in READERS:
            with suppress(TunerError):
                read(Result.open(results / "e"))


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_folder_through_the_command_line(
    results: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for damage in spoil(file_of(results / "e", name)):
        for arguments in (["status"], ["status", "--json"], ["best"], ["best", "--json"]):
            command, *options = arguments
            with pytest.raises(SystemExit) as ended:
                main([command, str(results / "e"), *options])
            complaint = capsys.readouterr().err
            assert ended.value.code in (None, 0, 1, 2), (damage, complaint)
            assert not ended.value.code or complaint.startswith("tuner: "), (damage, complaint)


def test_one_damaged_experiment_does_not_hide_the_others(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(results / "e", results / "other")
    (results / "other" / "trials.csv").write_text("garbage")
    with pytest.raises(SystemExit) as ended:
        main(["status", str(results)])
    shown = capsys.readouterr()
    assert not ended.value.code
    assert "val/accuracy" in shown.out
    assert "other is left out: a table of trials must be as it was written" in shown.err


@pytest.mark.parametrize("name", ["model.json", "weights.pt"])
def test_a_damaged_export(results: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for damage in spoil(results / "export" / name):
        with suppress(TunerError):
            ExportedModel.open(results / "export")
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(results / "export"), str(results / "new.npy")])
        complaint = capsys.readouterr().err
        assert ended.value.code in (None, 0, 1, 2), (damage, complaint)


class Opened:
    """Unpickled, it would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("raise SystemExit('it ran')",))


def test_weights_that_hold_code_are_not_run(results: Path) -> None:
    torch.save({"layer": Opened()}, results / "export" / "weights.pt")
    with pytest.raises(
        TunerError, match=r"a kept model must be as it was written, but .*weights.pt is damaged"
    ):
        ExportedModel.open(results / "export")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "search: 3",
        "search: {metric: x}",
        "search: {metric: x, mode: up}",
        "search: {metric: 3, mode: min}",
    ],
)
def test_a_file_without_what_was_compared(results: Path, text: str) -> None:
    (results / "e" / "experiment.yaml").write_text(text)
    with pytest.raises(TunerError, match="has no sound search section with metric and mode"):
        assert Result.open(results / "e").metric
