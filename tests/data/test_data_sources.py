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


def source(**fields: Any) -> Any:
    return DataSpec.model_validate({"source": fields}).source


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


@pytest.mark.parametrize("content", [b"no archive at all", b"\x80\x04."])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="bad.npz is not: it is neither .npz nor .npy; save it with numpy.s"):
        sources.read(source(type="npz", path=str(path)))


def test_npz_that_is_a_npy(tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, np.ones((3, 2)))
    path = tmp_path / "bad.npz"
    path.write_bytes(content.getvalue())
    with pytest.raises(DataError, match="must have the array 'x'"):
        sources.read(source(type="npz", path=str(path)))


def test_npz_of_objects_says_what_it_may_hold(tmp_path: Path) -> None:
    np.savez(tmp_path / "bad.npz", x=np.zeros((4, 2)), y=np.array(["a", None, "b", "a"], dtype=object))
    with pytest.raises(DataError, match=r"as arrays of numbers and of text, not of objects$"):
        sources.read(source(type="npz", path=str(tmp_path / "bad.npz")))
