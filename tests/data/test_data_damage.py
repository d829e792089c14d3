"""A damaged store is found and prepared anew, and what cannot be found so is a DataError."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from damage import damaged, spoil

from tuner.data import Store, prepare
from tuner.data.inputs import read_inputs
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, TwoClassSource

SPEC = DataSpec(source=TwoClassSource(samples=40, features=3))
TASK = "tabular_classification"
FILES = ["manifest.json", "train_features.npy", "val_targets.npy", "sha256sums"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return prepare(SPEC, TASK, tmp_path / ".store")


def contents(store: Store) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in store.path.iterdir()}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_store_is_prepared_anew(store: Store, name: str) -> None:
    whole = contents(store)
    for damage in spoil(store.path / name):
        again = prepare(SPEC, TASK, store.path.parent)
        assert contents(again) == whole, damage


@pytest.mark.parametrize("name", FILES[:3])
def test_a_store_that_is_damaged_while_it_is_used(store: Store, name: str) -> None:
    for _ in spoil(store.path / name):
        try:
            opened = Store.open(store.path)
            for split in opened.manifest.sizes:
                opened.split(split)
        except DataError as error:
            assert "remove that folder and prepare the data again" in str(error)  # noqa: PT017


def test_a_cut_array_is_never_read(store: Store) -> None:
    file = store.path / "train_features.npy"
    content = file.read_bytes()
    for size in range(len(content)):
        file.write_bytes(content[:size])
        with pytest.raises(DataError, match="must hold its train split as it was written"):
            Store.open(store.path).split("train")


def test_arrays_that_do_not_fit_the_manifest(store: Store) -> None:
    np.save(store.path / "val_features.npy", np.zeros((3, 3), np.float32))
    with pytest.raises(DataError, match="it has 3 rows and 6 targets"):
        Store.open(store.path).split("val")


def test_an_array_of_objects_is_never_loaded(store: Store) -> None:
    np.save(store.path / "train_features.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="must hold its train split as it was written"):
        Store.open(store.path).split("train")
    assert prepare(SPEC, TASK, store.path.parent).split("train").features.dtype == np.float32


@pytest.mark.parametrize("kind", ["file", "empty folder", "link to nothing", "link to another folder"])
def test_what_stands_in_the_place_of_a_store(store: Store, tmp_path: Path, kind: str) -> None:
    whole = contents(store)
    store.path.rename(tmp_path / "moved")
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    if kind == "file":
        store.path.touch()
    elif kind == "empty folder":
        store.path.mkdir()
    else:
        store.path.symlink_to(other if kind == "link to another folder" else "nowhere")
    assert contents(prepare(SPEC, TASK, store.path.parent)) == whole
    assert [file.name for file in other.iterdir()] == ["mine"]


def test_a_leftover_that_is_a_link_is_not_followed(store: Store, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    (store.path.parent / "tmp-link").symlink_to(other)
    prepare(DataSpec(source=TwoClassSource(samples=50)), TASK, store.path.parent)
    assert [file.name for file in other.iterdir()] == ["mine"]
    assert not (store.path.parent / "tmp-link").is_symlink()


@pytest.mark.parametrize("name", ["new.csv", "new.npz", "new.npy"])
def test_damaged_inputs(store: Store, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    if name == "new.csv":
        names = store.manifest.feature_names
        assert names is not None
        file.write_text(",".join(names) + "\n" + "1,2,3\n" * 5)
    else:
        (np.save if name == "new.npy" else np.savez)(file, np.ones((5, 3)))
    for content in damaged(file.read_bytes(), count=40):
        file.write_bytes(content)
        with suppress(DataError):
            read_inputs(file, store.manifest)
