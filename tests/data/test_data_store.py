"""The store is prepared once, whole or not at all, whoever asks and whatever dies."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tuner.data import Store, prepare, preprocess, sources
from tuner.data import store as store_module
from tuner.data.lock import locked
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

Prepare = Callable[..., Store]
IRIS = {"type": "sklearn", "name": "iris"}
DIGITS = {"type": "sklearn", "name": "digits"}


def test_standardisation_is_fitted_on_the_training_split(prepared: Prepare) -> None:
    raw = prepared(IRIS, standardise=False)
    scaled = prepared(IRIS)
    assert raw.manifest.mean is None
    assert scaled.manifest.mean is not None
    train = raw.split("train").features
    np.testing.assert_allclose(scaled.manifest.mean, train.mean(axis=0), rtol=1e-5)
    assert abs(scaled.split("val").features.mean()) > 1e-3
    for name in ("train", "test"):
        again = preprocess(np.asarray(raw.split(name).features), scaled.manifest)
        np.testing.assert_array_equal(again, scaled.split(name).features)


def test_regression_targets_stay_raw(prepared: Prepare) -> None:
    store = prepared({"type": "sklearn", "name": "diabetes"}, "regression")
    targets = store.split("train").targets
    assert store.manifest.target_mean == pytest.approx(targets.mean(), rel=1e-5)
    assert store.manifest.target_std == pytest.approx(targets.std(), rel=1e-5)


def test_second_call_reads_nothing(prepared: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepared(IRIS)
    monkeypatch.setattr(sources, "read", None)
    assert prepared(IRIS) == first


def test_recipe_task_and_seed_name_other_stores(prepared: Prepare) -> None:
    stores = [
        prepared(IRIS),
        prepared(IRIS, standardise=False),
        prepared(IRIS, split={"seed": 1}),
        prepared(DIGITS),
        prepared(DIGITS, "image_classification"),
    ]
    assert len({store.path for store in stores}) == len(stores)


def test_bad_data_leaves_nothing_behind(prepared: Prepare, tmp_path: Path, csv_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="must have the column 'anwser'.*did you mean 'answer'"):
        prepared({"type": "csv", "path": str(csv_path), "label": "anwser", "delimiter": ";"})
    with pytest.raises(DataError, match="use tabular_classification"):
        prepared(IRIS, "image_classification")
    with pytest.raises(DataError, match="nothing is there"):
        prepared({"type": "npz", "path": str(tmp_path / "absent.npz")})
    assert sorted(tmp_path.rglob("*")) == before


def test_a_failed_write_leaves_nothing_behind(
    prepared: Prepare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(store_module, "write_bytes", full_disk)
    with pytest.raises(OSError, match="no space"):
        prepared(IRIS)
    assert not (tmp_path / "results").exists()


def test_only_stores_are_left(prepared: Prepare) -> None:
    store = prepared(IRIS)
    assert list(store.path.parent.iterdir()) == [store.path]


KILLED = """
import os, sys
from pathlib import Path
from tuner.data import prepare, store
from tuner.spec.sections import DataSpec
store.write_bytes = lambda *_: os._exit(9)
spec = DataSpec.model_validate({"source": {"type": "sklearn", "name": "iris"}})
prepare(spec, "tabular_classification", Path(sys.argv[1]))
"""


def test_what_a_killed_process_left_is_cleaned(prepared: Prepare, tmp_path: Path) -> None:
    root = tmp_path / "results" / "store"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(root)], check=False)
    assert killed.returncode == 9
    assert {path.name[:4] for path in root.iterdir()} == {".loc", "tmp-"}
    store = prepared(IRIS)
    assert list(root.iterdir()) == [store.path]
    assert len(store.split("train").targets) == store.manifest.sizes["train"]


def prepare_and_count(root: Path, seed: int, start: Any, built: Any) -> None:
    build = store_module._build

    def counted(*args: Any) -> Any:
        built.put(seed)
        return build(*args)

    pytest.MonkeyPatch().setattr(store_module, "_build", counted)
    spec = DataSpec.model_validate({"source": {"type": "two_class", "seed": seed}})
    start.wait()
    prepare(spec, "tabular_classification", root)


def test_many_processes_prepare_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start, built = context.Barrier(4), context.SimpleQueue()
    processes = [
        context.Process(target=prepare_and_count, args=(tmp_path / "store", seed, start, built))
        for seed in (0, 0, 1, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert sorted([built.get(), built.get()]) == [0, 1]
    assert built.empty()
    assert len(list((tmp_path / "store").iterdir())) == 2


def fail_to_prepare(root: Path, start: Any) -> None:
    spec = DataSpec.model_validate({"source": IRIS})
    start.wait()
    with pytest.raises(DataError):
        prepare(spec, "image_classification", root)


def test_many_processes_fail_without_a_trace(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    processes = [context.Process(target=fail_to_prepare, args=(tmp_path / "store", start)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert not list(tmp_path.iterdir())


def lock_and_leave(folder: Path, start: Any) -> None:
    start.wait()
    for _ in range(1000):
        with locked(folder):
            pass


def test_a_locked_folder_may_be_made_while_another_process_removes_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(4)
    processes = [
        context.Process(target=lock_and_leave, args=(tmp_path / "store" / "of_images", start))
        for _ in range(4)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4


def test_what_stands_in_the_way_of_a_locked_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(FileExistsError), locked(tmp_path / "store"):
        pass


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no folders")
def test_a_folder_that_cannot_be_made_is_an_error() -> None:
    with pytest.raises(FileNotFoundError), locked(Path("/proc/none/store")):
        pass


def test_open_says_when_it_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must have a readable manifest.json, but .* has none"):
        Store.open(tmp_path)


def test_importing_the_room_is_light() -> None:
    code = "import sys, tuner.data; sys.exit(bool({'torch', 'ray', 'sklearn', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
