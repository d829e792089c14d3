"""While a search tries options of `data`, what their stores share is kept, and no longer."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tuner.errors import DataError
from tuner.execution import runner
from tuner.records.paths import ExperimentPaths
from tuner.spec import Experiment


def experiment(folder: Path, **data: Any) -> Experiment:
    path = folder / "rows.csv"
    path.write_text("\n".join(["x,y", *(f"{row},{'ab'[row % 2]}" for row in range(60))]))
    return Experiment.from_dict(
        {
            "name": "tried",
            "task": "tabular_classification",
            "data": {"source": {"type": "csv", "path": str(path), "label": "y"}, **data},
            "model": {"type": "mlp", "width": 4, "depth": 1},
            "train": {
                "epochs": 1,
                "batch_size": 16,
                "optimizer": {"type": "sgd", "lr": {"float": [0.1, 0.2]}},
            },
            "search": {
                "metric": "val/loss",
                "mode": "min",
                "trials": 1,
                "sampler": "random",
                "scheduler": "none",
            },
            "resources": {"workers": 1, "gpus_per_worker": 0},
        }
    )


def prepare_all(experiment: Experiment, paths: ExperimentPaths, made: list[Path]) -> None:
    specs = list(experiment.representatives())
    runner._prepare(experiment, specs, paths.store_root, made, {}, nullcontext)


@pytest.mark.parametrize(
    ("data", "num_stores", "num_stages"),
    [
        ({}, 1, 0),
        ({"standardise": {"choice": [True, "robust", False]}}, 3, 1),
        ({"source": {"type": "sklearn", "name": "iris"}, "standardise": {"choice": [True, False]}}, 2, 0),
    ],
)
def test_only_a_search_in_data_keeps_them(
    data: dict[str, Any], num_stores: int, num_stages: int, tmp_path: Path
) -> None:
    paths = ExperimentPaths(tmp_path / "results" / "tried")
    with runner._dropping_stages(paths):
        prepare_all(experiment(tmp_path, **data), paths, [])
        assert len(list(paths.store_root.iterdir())) == num_stores
        assert len(list(paths.store_root.parent.glob(".stages/*"))) == num_stages
    assert [path.name for path in paths.store_root.parent.iterdir()] == [".store"]
    assert len(list(paths.store_root.iterdir())) == num_stores


def test_a_refused_search_leaves_none(tmp_path: Path) -> None:
    paths = ExperimentPaths(tmp_path / "results" / "tried")
    searched = experiment(tmp_path, standardise={"choice": [True, False]})

    def refused() -> None:
        with runner._undone_where_refused(paths) as made:
            prepare_all(searched, paths, made)
            raise DataError("wrong")

    with pytest.raises(DataError, match="wrong"):
        refused()
    assert not (tmp_path / "results").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_they_are_there_while_it_runs(tmp_path: Path) -> None:
    searched = experiment(
        tmp_path, clean={"outliers": {"method": "quantile", "limit": {"float": [0.01, 0.1]}}}
    )
    seen: list[int] = []

    def look(_: object) -> None:
        seen.append(len(list((tmp_path / "results" / ".stages").iterdir())))

    paths = runner.run_experiment(searched, tmp_path / "results", listeners=[look])
    assert set(seen) == {1}
    assert {path.name for path in (tmp_path / "results").iterdir()} == {".store", "tried"}
    assert len(list(paths.store_root.iterdir())) == 3, "both ends of the range, and the trial's"
