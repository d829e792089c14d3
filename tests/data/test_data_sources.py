"""Every source gives clean rows, and one sentence for each way in which it cannot."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn import datasets

from tuner.data import bayes_accuracy, sources
from tuner.data.sources.two_class import bayes_predictions
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

EMBEDDED = ("digits", "iris", "wine", "breast_cancer", "diabetes")


def source(**fields: Any) -> Any:
    return DataSpec.model_validate({"source": fields}).source


@pytest.fixture(params=[*EMBEDDED, "csv", "npz", "two_class"])
def any_source(request: pytest.FixtureRequest, csv_path: Path, npz_path: Path) -> Any:
    if request.param == "csv":
        return source(type="csv", path=str(csv_path), label="answer", delimiter=";")
    if request.param == "npz":
        return source(type="npz", path=str(npz_path))
    if request.param == "two_class":
        return source(type="two_class", samples=40)
    return source(type="sklearn", name=request.param)


def test_contract(any_source: Any) -> None:
    table = sources.read(any_source)
    assert table.features.dtype == np.float32
    assert table.targets.shape == table.features.shape[:1]
    assert np.isfinite(table.features).all()
    if table.feature_names is not None:
        assert len(table.feature_names) == np.prod(table.features.shape[1:])
    if table.class_names is not None:
        assert set(table.targets) == set(range(len(table.class_names)))
    again = sources.read(any_source)
    np.testing.assert_array_equal(table.features, again.features)
    np.testing.assert_array_equal(table.targets, again.targets)


def test_digits_are_images_in_their_own_values() -> None:
    table = sources.read(source(type="sklearn", name="digits"))
    np.testing.assert_array_equal(table.features[:, 0], datasets.load_digits().images)
    assert table.class_names == tuple("0123456789")


def test_csv_keeps_columns_and_labels(csv_path: Path) -> None:
    table = sources.read(source(type="csv", path=str(csv_path), label="answer", delimiter=";"))
    assert table.feature_names == ("first", "second")
    np.testing.assert_array_equal(table.features[:2], [[0.5, 0.0], [1.5, 1.0]])
    assert table.targets[:2].tolist() == ["no", "yes"]


def test_two_class_has_the_documented_best_accuracy() -> None:
    spec = source(type="two_class", samples=100_001, features=10, separation=3.29, seed=5)
    table = sources.read(spec)
    assert np.bincount(table.targets).tolist() == [50_000, 50_001]
    assert bayes_accuracy(3.29) == pytest.approx(0.95, abs=1e-4)
    measured = (bayes_predictions(spec, table.features) == table.targets).mean()
    assert measured == pytest.approx(bayes_accuracy(3.29), abs=0.003)


def test_two_class_seed_decides_the_rows() -> None:
    first, second = (sources.read(source(type="two_class", seed=seed)).features for seed in (0, 1))
    assert not np.array_equal(first, second)


def test_identity_follows_the_content_and_not_the_path(tmp_path: Path) -> None:
    def identity(name: str, text: str) -> dict[str, Any]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return sources.identity(source(type="csv", path=str(tmp_path / name), label="y"))

    assert identity("a.csv", "x,y\n1,2\n") == identity("b.csv", "x,y\n1,2\n")
    assert identity("a.csv", "x,y\n1,2\n") != identity("a.csv", "x,y\n1,3\n")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x,target\n1,0\n", r"must have the column 'y', but .* has none of that name; it has x, target"),
        ("x,yy\n1,0\n", r"did you mean 'yy'"),
        ("x,y\n", r"has only a header"),
        ("y\n1\n", r"has only the label column 'y'"),
        ("x,y\n1,2,3\n", r"its rows have more values than its header has names"),
        ("x,y\n1,2\n1,2,3,4\n", r"must be readable as CSV, but .* is not: .*; correct the file"),
    ],
)
def test_bad_csv(tmp_path: Path, text: str, match: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=match):
        sources.read(source(type="csv", path=str(path), label="y"))


def test_csv_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(b"\xff\xfe\x00\x81,y\n")
    with pytest.raises(DataError, match="must be readable as CSV"):
        sources.read(source(type="csv", path=str(path), label="y"))


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({"a": np.ones((3, 2)), "b": np.ones(3)}, r"must have the array 'x', but .* has 'a', 'b'"),
        ({"x": np.ones((3, 2))}, r"must have the array 'y', but .* has 'x'"),
        ({"x": np.ones((3, 2)), "y": np.ones(4)}, r"labels of shape \(4,\); give labels of shape \(3,\)"),
        ({"x": np.ones(3), "y": np.ones(3)}, r"two to four dims .* have the shape \(3,\)"),
        ({"x": np.ones((0, 2)), "y": np.ones(0)}, r"no empty one, .* have the shape \(0, 2\)"),
        (
            {"x": np.array([["a"]]), "y": np.ones(1)},
            r"features must be numbers, but those of .* have the type <U1",
        ),
        ({"x": np.array([[None]]), "y": np.ones(1)}, r"readable by numpy without pickle"),
    ],
)
def test_bad_npz(tmp_path: Path, arrays: dict[str, Any], match: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=match):
        sources.read(source(type="npz", path=str(path)))


@pytest.mark.parametrize("content", [b"no archive at all", b"PK\x03\x04 cut off", b"\x93NUMPY"])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="readable by numpy without pickle"):
        sources.read(source(type="npz", path=str(path)))


def test_npz_that_is_a_npy(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.ones((3, 2)))
    path = tmp_path / "bad.npz"
    path.write_bytes(content.getvalue())
    with pytest.raises(DataError, match="must have the array 'x'"):
        sources.read(source(type="npz", path=str(path)))


@pytest.mark.parametrize("kind", ["csv", "npz"])
def test_files_that_are_not_there(tmp_path: Path, kind: str) -> None:
    fields = {"type": kind, "label": "y"} if kind == "csv" else {"type": kind}
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DataError, match="nothing is there; correct the path"):
        sources.identity(source(**fields, path=str(tmp_path / "absent")))
    with pytest.raises(DataError, match="a folder is there; correct the path"):
        sources.identity(source(**fields, path=str(tmp_path)))
    with pytest.raises(DataError, match="is empty; give a file with data"):
        sources.identity(source(**fields, path=str(tmp_path / "empty")))
