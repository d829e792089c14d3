"""New rows are read by name or shape and prepared exactly as in training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn import datasets

from tuner.data import Store, preprocess, read_inputs
from tuner.errors import DataError

Prepare = Callable[..., Store]


@pytest.fixture
def iris(prepared: Prepare) -> Store:
    return prepared({"type": "sklearn", "name": "iris"})


def test_csv_by_column_name(prepared: Prepare, csv_path: Path) -> None:
    source = {"type": "csv", "path": str(csv_path), "label": "answer", "delimiter": ";"}
    store = prepared(source)
    swapped = csv_path.with_name("new.csv")
    swapped.write_text("second;extra;first\n1;text;2\n", encoding="utf-8")
    np.testing.assert_array_equal(read_inputs(swapped, store.manifest), [[2.0, 1.0]])
    features = preprocess(read_inputs(csv_path, store.manifest), store.manifest)
    stored = np.concatenate([store.split(name).features for name in ("train", "val", "test")])
    assert sorted(map(tuple, features)) == sorted(map(tuple, stored))


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8), (5, 64)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_images_of_any_equal_shape(
    prepared: Prepare, tmp_path: Path, shape: tuple[int, ...], suffix: str
) -> None:
    store = prepared({"type": "sklearn", "name": "digits"}, "image_classification")
    images = datasets.load_digits().images[:5]
    path = tmp_path / f"new{suffix}"
    if suffix == ".npy":
        np.save(path, images.reshape(shape))
    else:
        np.savez(path, anything=images.reshape(shape))
    np.testing.assert_array_equal(read_inputs(path, store.manifest)[:, 0], images)


def test_npz_key_of_the_source(prepared: Prepare, npz_path: Path) -> None:
    store = prepared({"type": "npz", "path": str(npz_path)}, "image_classification")
    assert read_inputs(npz_path, store.manifest).shape == (40, 1, 4, 5)


def test_missing_column(iris: Store, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("sepal length (cm),sepal width\n1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"the column 'sepal width \(cm\)'.*did you mean 'sepal width'"):
        read_inputs(path, iris.manifest)


def test_another_delimiter(iris: Store, tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("length;width\n1;2\n", encoding="utf-8")
    with pytest.raises(
        DataError, match=r"none of that name; it has one column, length;width; check the delim"
    ):
        read_inputs(path, iris.manifest)


def test_missing_value(iris: Store, tmp_path: Path) -> None:
    path = tmp_path / "new.npy"
    np.save(path, np.full((2, 4), np.nan))
    with pytest.raises(DataError, match=r"feature 'sepal length \(cm\)' has none in row 1 .*; fill it in"):
        read_inputs(path, iris.manifest)


def test_wrong_shape(iris: Store, tmp_path: Path) -> None:
    path = tmp_path / "new.npy"
    np.save(path, np.ones((2, 5)))
    with pytest.raises(DataError, match=r"must have the shape \(rows, 4\), but .* has \(2, 5\)"):
        read_inputs(path, iris.manifest)


def test_wrong_key(iris: Store, tmp_path: Path) -> None:
    path = tmp_path / "new.npz"
    np.savez(path, a=np.ones((2, 4)), b=np.ones(2))
    with pytest.raises(DataError, match=r"must have the array 'x', but .* has 'a', 'b'"):
        read_inputs(path, iris.manifest)


def test_wrong_ending(iris: Store, tmp_path: Path) -> None:
    (tmp_path / "new.xls").touch()
    with pytest.raises(
        DataError,
        match=r"a model of tables .* ending in .csv, .tsv, .jsonl, .parquet, .npz, .npy, but .*new.xls",
    ):
        read_inputs(tmp_path / "new.xls", iris.manifest)
    with pytest.raises(DataError, match=r"but found the folder .*; name a file"):
        read_inputs(tmp_path, iris.manifest)


def test_endings_in_capitals(iris: Store, tmp_path: Path) -> None:
    np.save(tmp_path / "new.npy", np.ones((2, 4)))
    capitals = (tmp_path / "new.npy").rename(tmp_path / "NEW.NPY")
    assert read_inputs(capitals, iris.manifest).shape == (2, 4)


def test_missing_file(iris: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"new.csv nothing is there; correct the path"):
        read_inputs(tmp_path / "new.csv", iris.manifest)


def test_images_from_csv(prepared: Prepare, csv_path: Path) -> None:
    store = prepared({"type": "sklearn", "name": "digits"}, "image_classification")
    with pytest.raises(
        DataError,
        match=r"a model of images in arrays takes a file ending in .npz, .npy, but found .*csv; convert it",
    ):
        read_inputs(csv_path, store.manifest)
