"""Tables in files: what a column is, what is cleaned, and that only training rows are looked at for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data import Manifest, Store, fingerprint, prepare, preprocess, read_inputs, sources
from tuner.data.manifest import Dropped, Example
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

Prepare = Callable[..., Store]
Rows = Sequence[dict[str, Any]]
TABULAR, REGRESSION = "tabular_classification", "regression"
COLOURS = ("red", "green", "blue")
SUFFIXES = ["csv", "tsv", "jsonl", "parquet"]


def write(path: Path, rows: Rows) -> Path:
    """`rows` in the form that the ending says."""
    if path.suffix == ".jsonl":
        # What is missing is null in the first row, and not there in the others.
        full = [
            rows[0],
            *({key: value for key, value in row.items() if value is not None} for row in rows[1:]),
        ]
        lines = [json.dumps(row) for row in full]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        pd.DataFrame(rows).to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def source(path: Any, label: str = "y", **fields: Any) -> dict[str, Any]:
    first = str(
        path if isinstance(path, str | Path) else path["train"] if isinstance(path, dict) else path[0]
    )
    kind = {"jsonl": "jsonl", "parquet": "parquet"}.get(first.rpartition(".")[2], "csv")
    delimiter = {"delimiter": "\t"} if first.endswith(".tsv") else {}
    path = str(path) if isinstance(path, Path) else path
    return {"type": kind, "path": path, "label": label, **delimiter, **fields}


def mixed(num_rows: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Numbers, text, booleans, an identity column, and two classes."""
    draw = np.random.default_rng(seed)
    return [
        {
            "id": f"row {row}",
            "size": float(draw.normal(5, 2)),
            "colour": COLOURS[draw.integers(3)],
            "old": bool(draw.integers(2)),
            "y": ("no", "yes")[row % 2],
        }
        for row in range(num_rows)
    ]


def by_part(tmp_path: Path, train: Rows, val: Rows, test: Rows | None = None) -> dict[str, str]:
    parts = {"train": train, "val": val} | ({} if test is None else {"test": test})
    return {name: str(write(tmp_path / f"{name}.csv", rows)) for name, rows in parts.items()}


def numbers(values: Sequence[Any], labels: Sequence[Any] = "ab") -> list[dict[str, Any]]:
    return [{"x": value, "y": labels[place % len(labels)]} for place, value in enumerate(values)]


# --- collecting ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_form_gives_the_same_rows(prepared: Prepare, tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"rows.{suffix}", mixed())
    store = prepared(source(path, drop=["id"]))
    manifest = store.manifest
    assert [column.name for column in manifest.columns or ()] == ["size", "colour", "old"]
    assert manifest.feature_names == ("size", "colour=blue", "colour=green", "colour=red", "old")
    assert manifest.class_names == ("no", "yes")
    whole = prepared(source(write(tmp_path / "other.csv", mixed()), drop=["id"]))
    for split in ("train", "val", "test"):
        np.testing.assert_array_equal(store.split(split).features, whole.split(split).features)
        np.testing.assert_array_equal(store.split(split).targets, whole.split(split).targets)


def test_a_list_and_a_pattern_are_their_files_one_after_the_other(prepared: Prepare, tmp_path: Path) -> None:
    rows = mixed()
    first, second = write(tmp_path / "a 1.csv", rows[:25]), write(tmp_path / "a 2.csv", rows[25:])
    whole = prepared(source(write(tmp_path / "whole.csv", rows)))
    for path in ([str(first), str(second)], str(tmp_path / "a *.csv"), [str(tmp_path / "a ?.csv")]):
        store = prepared(source(path, drop=["id"]))
        again = prepared(source(tmp_path / "whole.csv", drop=["id"]))
        np.testing.assert_array_equal(store.split("train").features, again.split("train").features)
    assert whole.manifest.sizes == store.manifest.sizes


def test_identity_is_content_and_order(tmp_path: Path) -> None:
    a, b = (str(write(tmp_path / f"{name}.csv", mixed(seed=seed))) for name, seed in (("a", 0), ("b", 1)))

    def name(path: Any) -> str:
        return fingerprint(DataSpec.model_validate({"source": source(path)}), TABULAR)

    assert name([a, b]) == name(str(tmp_path / "?.csv")) != name([b, a])
    assert name(a) == name([a]) != name({"train": a, "val": a})


def test_a_name_with_brackets_is_no_pattern(prepared: Prepare, tmp_path: Path) -> None:
    path = write(tmp_path / "rows [1].csv", mixed())
    assert prepared(source(path)).manifest.sizes["train"] == 42


def test_the_files_of_splits_are_the_splits(prepared: Prepare, tmp_path: Path) -> None:
    rows = mixed()
    store = prepared(source(by_part(tmp_path, rows[:40], rows[40:50], rows[50:]), features=["size"]))
    assert store.manifest.sizes == {"train": 40, "val": 10, "test": 10}
    mean = np.mean([row["size"] for row in rows[:40]])
    assert store.manifest.mean == pytest.approx([mean])
    without = prepared(source(by_part(tmp_path, rows[:40], rows[40:])))
    assert without.manifest.sizes == {"train": 40, "val": 20, "test": 0}


def test_features_come_in_the_order_that_is_asked_for(prepared: Prepare, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", mixed())
    manifest = prepared(source(path, features=["old", "size"])).manifest
    assert manifest.feature_names == ("old", "size")


def test_text_stays_as_it_is_written(prepared: Prepare, tmp_path: Path) -> None:
    """007 is text where the training file has text in the column, whatever the other files hold."""
    train = [{"code": code, "y": row % 2} for row, code in enumerate(["007", "x", "z", "y"] * 5)]
    val = [{"code": "007", "y": 0}, {"code": "7", "y": 1}]
    manifest = prepared(source(by_part(tmp_path, train, val)), standardise=False).manifest
    assert manifest.columns is not None
    assert manifest.columns[0].categories == ("007", "x", "y", "z")
    new = tmp_path / "new.csv"
    new.write_text("code\n007\n7\n")
    np.testing.assert_array_equal(preprocess(read_inputs(new, manifest), manifest), [[1, 0, 0, 0], [0] * 4])


@pytest.mark.parametrize(
    ("second", "match"),
    [
        ("x,z,y\n1,2,a\n", r"the same columns, but .*2.csv has 'z' unlike .*1.csv"),
        ("y\na\n", r"the same columns, but .*2.csv has no 'x' unlike .*1.csv"),
        ("", r"the file .*2.csv is empty"),
        ("x,y\n", r"2.csv has only a header"),
    ],
)
def test_files_that_do_not_fit_together(prepared: Prepare, tmp_path: Path, second: str, match: str) -> None:
    (tmp_path / "1.csv").write_text("x,y\n1,a\n2,b\n")
    (tmp_path / "2.csv").write_text(second)
    with pytest.raises(DataError, match=match):
        prepared(source([str(tmp_path / "1.csv"), str(tmp_path / "2.csv")]))


def test_a_pattern_without_files(prepared: Prepare, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none matches .*\*.csv; correct data.source.path"):
        prepared(source(str(tmp_path / "*.csv")))


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", b"x,y\n1,a\n2,\xe4\n", r"readable as CSV, but .*a.csv is not: line 3 is no UTF-8"),
        ("a.jsonl", b'{"x": 1}\n{"x": "\xe4"}\n', r"a.jsonl is not: line 2 is no UTF-8"),
        ("a.jsonl", b'{"x": 1}\n\n{"x"\n', r"a.jsonl is not: line 3: Expecting"),
        ("a.jsonl", b"[1]\n", r"a.jsonl is not: line 1 is no object"),
        ("a.jsonl", b'{"x": "\\ud800"}\n', r"a.jsonl is not: line 1: .*surrogates"),
        ("a.jsonl", b"\n\n", r"must have rows, but .*a.jsonl has none"),
        ("a.jsonl", b'{"x": [1], "y": 1}\n', r"column 'x' of .*a.jsonl has a list in row 1"),
        ("a.parquet", b"PAR1 but not really", r"readable as Parquet, but .*a.parquet is not"),
    ],
)
def test_unreadable_files(prepared: Prepare, tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=match):
        prepared(source(tmp_path / name))


def test_times_are_no_feature(prepared: Prepare, tmp_path: Path) -> None:
    rows = [{**row, "when": pd.Timestamp("2020-01-01")} for row in mixed()]
    path = write(tmp_path / "a.parquet", rows)
    with pytest.raises(
        DataError, match=r"column 'when' of .* has a Timestamp in row 1 .*; convert it, or leave"
    ):
        prepared(source(path))
    assert prepared(source(path, drop=["when", "id"])).manifest.input_shape == (5,)


def test_parquet_without_rows(prepared: Prepare, tmp_path: Path) -> None:
    pd.DataFrame({"x": [], "y": []}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"must have rows, but .*a.parquet has none"):
        prepared(source(tmp_path / "a.parquet"))


# --- cleaning -----------------------------------------------------------------------------------------


def test_a_number_that_turns_into_text(prepared: Prepare, tmp_path: Path) -> None:
    values: list[Any] = [str(value) for value in range(10_050)]
    values[9_999] = "n.a. here"
    path = write(tmp_path / "rows.csv", numbers(values))
    with pytest.raises(
        DataError, match=r"column 'x' of .*rows.csv has 'n.a. here' in row 10000 .*clean.invalid"
    ):
        prepared(source(path))
    manifest = prepared(source(path), clean={"invalid": "drop"}).manifest
    example = Example(file=str(path), row=10_000)
    assert manifest.dropped == {"value_invalid": Dropped(count=1, examples=(example,))}
    assert sum(manifest.sizes.values()) == 10_049
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_rows_without_a_label(prepared: Prepare, tmp_path: Path) -> None:
    rows = mixed()
    for row in (7, 9, 20, 30):
        rows[row]["y"] = None
    path = write(tmp_path / "rows.csv", rows)
    with pytest.raises(DataError, match=r"row 8 of .*rows.csv \(the first one is 1\) has none"):
        prepared(source(path))
    dropped = prepared(source(path), clean={"invalid": "drop"}).manifest.dropped["label_missing"]
    assert (dropped.count, [example.row for example in dropped.examples]) == (4, [8, 10, 21])


def test_labels_that_are_no_numbers(prepared: Prepare, tmp_path: Path) -> None:
    rows = [{"x": place, "y": str(place)} for place in range(40)]
    rows[5]["y"], rows[6]["y"] = "much", "inf"
    path = write(tmp_path / "rows.csv", rows)
    with pytest.raises(DataError, match=r"finite numbers, but row 6 of .* has 'much'"):
        prepared(source(path), REGRESSION)
    manifest = prepared(source(path), REGRESSION, clean={"invalid": "drop"}).manifest
    assert manifest.dropped["label_invalid"].count == 2


def test_labels_that_training_does_not_have(prepared: Prepare, tmp_path: Path) -> None:
    train, val = numbers(range(10), "ac"), numbers(range(4), "abcd")
    path = by_part(tmp_path, train, val)
    with pytest.raises(DataError, match=r"row 2 of .*val.csv .* of val has 'b'; correct it, or drop"):
        prepared(source(path))
    store = prepared(source(path), clean={"invalid": "drop"})
    assert store.manifest.class_names == ("a", "c")
    assert store.split("val").targets.tolist() == [0, 1]
    assert store.manifest.dropped["label_unseen"].count == 2


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_arrays_that_are_not_finite(prepared: Prepare, tmp_path: Path, value: float) -> None:
    x = np.arange(80, dtype=np.float32).reshape(40, 2)
    x[3, 1] = value
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 2)
    fields = {"type": "npz", "path": str(tmp_path / "a.npz")}
    said = "feature 'x1' has none" if np.isnan(value) else "feature 'x1' is infinite"
    with pytest.raises(DataError, match=rf"{said} in row 4 \(the first one is 1\)"):
        prepared(fields)
    manifest = prepared(fields, clean={"missing": "mean", "invalid": "drop"}).manifest
    assert sum(manifest.sizes.values()) == (40 if np.isnan(value) else 39)


def test_files_of_two_splits(prepared: Prepare, tmp_path: Path) -> None:
    path = by_part(tmp_path, mixed(), mixed(20))
    twice = {"train": [path["train"], path["train"]], "val": path["val"]}
    assert prepared(source(twice)).manifest.sizes["train"] == 120
    for files in ({**path, "test": path["val"]}, {"train": str(tmp_path / "*.csv"), "val": path["val"]}):
        with pytest.raises(
            DataError, match=r"rows of its own, but .*val.csv is given for (val and test|tra)"
        ):
            prepared(source(files))


def test_no_training_row_is_left_of_equal_files(prepared: Prepare, tmp_path: Path) -> None:
    path = by_part(tmp_path, mixed(), mixed())
    with pytest.raises(
        DataError, match=r"rows of its own, but all 60 stand in val or test too .*; give train"
    ):
        prepared(source(path), clean={"duplicates": "drop"})


def test_a_label_of_one_row_is_found_by_its_place(prepared: Prepare, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [*numbers(range(40)), {"x": 1, "y": "aa"}])
    with pytest.raises(
        DataError, match=r"'aa' has only 1 row, which is row 41 of .*rows.csv \(the first one"
    ):
        prepared(source(path))


def test_duplicates(prepared: Prepare, tmp_path: Path) -> None:
    train = numbers([1, 2, 1, 4, 5, 6, 3], "ab")
    val, test = numbers([2, 8, 8, 8], "ba"), numbers([4, 8, 9], "bab")
    path = by_part(tmp_path, [*train, train[0]], val, test)
    assert prepared(source(path)).manifest.sizes == {"train": 8, "val": 4, "test": 3}
    store = prepared(source(path), clean={"duplicates": "drop"}, standardise=False)
    kept = {name: store.split(name).features[:, 0].tolist() for name in ("train", "val", "test")}
    # 1 a stands three times in train, 2 b in val too, 4 b in test too; 8 a in val twice and in test.
    assert kept == {"train": [1, 5, 6, 3], "val": [2, 8], "test": [4, 8, 9]}
    counts = {reason: dropped.count for reason, dropped in store.manifest.dropped.items()}
    assert counts == {"duplicate": 3, "in_another_split": 3}


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([None, "p", "q"]), st.integers(0, 1)), min_size=60)
)
def test_no_row_is_left_twice(tmp_path_factory: pytest.TempPathFactory, drawn: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    rows = [{"x": x, "t": text, "y": y} for x, text, y in drawn]
    path = write(folder / "rows.jsonl", [{"x": None, "t": "p", "y": 0}, {"x": 0, "t": "q", "y": 1}, *rows])
    fields = {
        "clean": {"missing": {"constant": -1}, "duplicates": "drop"},
        "encode": {"categories": "ordinal"},
    }
    spec = DataSpec.model_validate(
        {"source": source(path), "standardise": False, "split": {"stratify": False}, **fields}
    )
    try:
        store = prepare(spec, TABULAR, folder / "store")
    except DataError:  # too few are left for three splits
        return
    left = [
        (*x.tolist(), int(y))
        for name in store.manifest.sizes
        for x, y in zip(*store.split(name), strict=True)
    ]
    assert len(left) == len(set(left))
    assert (
        sum(store.manifest.sizes.values()) + sum(d.count for d in store.manifest.dropped.values())
        == len(rows) + 2
    )


def test_rows_that_cleaning_makes_equal_are_duplicates_too(prepared: Prepare, tmp_path: Path) -> None:
    train = [{"x": x, "t": "p", "y": y} for x, y in zip([1, 2, 3, 4, 5, None], "ababaa", strict=True)]
    val = [{"x": 100, "t": "p", "y": "a"}]
    test = [{"x": 2, "t": text, "y": "b"} for text in ("new", "newer")] + [{"x": 3, "t": "p", "y": "b"}]
    outliers = {"method": "quantile", "limit": 0.1}
    clean = {"missing": "median", "outliers": outliers, "duplicates": "drop"}
    store = prepared(source(by_part(tmp_path, train, val, test)), clean=clean, standardise=False)
    kept = {name: store.split(name).features[:, 0].tolist() for name in ("train", "val", "test")}
    # Nothing becomes 3, of which one is left; 5 and 100 become 4.6, which val keeps; test has unknown texts.
    assert kept == {"train": pytest.approx([1.4, 2, 3, 4]), "val": pytest.approx([4.6]), "test": [2, 3]}
    dropped = {
        reason: [each.row for each in rows.examples] for reason, rows in store.manifest.dropped.items()
    }
    assert dropped == {"duplicate": [6, 2], "in_another_split": [5]}


# --- filling in ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "number", "text"),
    [
        ("mean", 4.0, "red"),
        ("median", 2.0, "red"),
        ("most_frequent", 2.0, "red"),
        ({"constant": 0}, 0.0, "0"),
    ],
)
def test_missing_values(prepared: Prepare, tmp_path: Path, how: Any, number: float, text: str) -> None:
    colours = ["red", "red", "blue", None, "red", "green"]
    values = [1, 2, 2, 3, 12, None]
    train = [
        {"x": x, "c": c, "y": place % 2} for place, (x, c) in enumerate(zip(values, colours, strict=True))
    ]
    val = [{"x": 100, "c": "blue", "y": 0}, {"x": None, "c": None, "y": 1}]
    store = prepared(source(by_part(tmp_path, train, val)), clean={"missing": how}, standardise=False)
    assert store.manifest.columns is not None
    assert [column.fill for column in store.manifest.columns] == [number, text]
    features = dict(zip(store.manifest.feature_names or (), store.split("val").features[1], strict=True))
    assert features.pop("x") == number
    assert [name for name, value in features.items() if value == 1] == [f"c={text}"]


def test_rows_with_missing_values(prepared: Prepare, tmp_path: Path) -> None:
    rows = mixed()
    rows[11]["size"], rows[12]["colour"] = None, None
    path = write(tmp_path / "rows.csv", rows)
    with pytest.raises(DataError, match=r"feature 'size' has none in row 12 of .*rows.csv .*clean.missing"):
        prepared(source(path))
    manifest = prepared(source(path), clean={"missing": "drop"}).manifest
    dropped = manifest.dropped["value_missing"]
    assert (dropped.count, [example.row for example in dropped.examples]) == (2, [12, 13])
    with pytest.raises(DataError, match=r"feature 'size' has none in row 12 \(the first one is 1\)"):
        read_inputs(path, manifest)


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("mean", r"missing = mean needs a value in each column .*, but column 'x' has none"),
        (
            "most_frequent",
            r"missing = most_frequent needs a value in each column .*, but column 'x' has none",
        ),
        ({"constant": "none"}, r"must be a number .*, but found 'none' with column 'x'"),
    ],
)
def test_columns_that_cannot_be_filled(prepared: Prepare, tmp_path: Path, how: Any, match: str) -> None:
    train = numbers([None] * 6) if how != {"constant": "none"} else numbers([1, 2, 3, None])
    with pytest.raises(DataError, match=match):
        prepared(source(by_part(tmp_path, train, numbers([1, 2]))), clean={"missing": how})


# --- outliers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outliers", "low", "high"),
    [
        ({"method": "quantile", "limit": 0.1}, 1.0, 9.0),
        ({"method": "zscore", "limit": 1.0}, 5 - np.sqrt(10), 5 + np.sqrt(10)),
    ],
)
def test_outliers(prepared: Prepare, tmp_path: Path, outliers: Any, low: float, high: float) -> None:
    train, val = numbers(range(11)), numbers([-100, 5, 100])
    path = by_part(tmp_path, train, val)
    clipped = prepared(source(path), clean={"outliers": outliers}, standardise=False)
    assert clipped.split("val").features[:, 0] == pytest.approx([low, 5, high])
    assert clipped.split("train").features.min() == pytest.approx(low)
    new = write(tmp_path / "new.csv", [{"x": 1e6}])
    assert preprocess(read_inputs(new, clipped.manifest), clipped.manifest) == pytest.approx(high)

    shorter = prepared(source(path), clean={"outliers": {**outliers, "action": "drop"}}, standardise=False)
    kept = [value for value in range(11) if low <= value <= high]
    assert shorter.split("train").features[:, 0].tolist() == kept
    assert shorter.split("val").features[:, 0].tolist() == [-100, 5, 100]
    assert shorter.manifest.dropped["outlier"].count == 11 - len(kept)


def test_a_rare_flag_is_no_outlier(prepared: Prepare, tmp_path: Path) -> None:
    rows = [{"rare": row == 3, "x": row, "y": row % 2} for row in range(100)]
    path = by_part(tmp_path, rows, rows[:9])
    clean = {"outliers": {"method": "quantile", "limit": 0.05}}
    store = prepared(source(path), clean=clean, standardise=False)
    assert store.split("train").features[:, 0].sum() == 1


def test_constants_for_missing_values_are_not_clipped(prepared: Prepare, tmp_path: Path) -> None:
    path = by_part(tmp_path, numbers([*range(11), None]), numbers([1, None]))
    clean = {"outliers": {"method": "quantile", "limit": 0.1}, "missing": {"constant": -1}}
    store = prepared(source(path), clean=clean, standardise=False)
    assert store.split("val").features[:, 0].tolist() == [1, -1]


# --- encoding and scaling -----------------------------------------------------------------------------


def test_categories_that_training_does_not_have(prepared: Prepare, tmp_path: Path) -> None:
    train = [{"c": c, "y": place % 2} for place, c in enumerate(["b", "a", "b", "a", "c", "c"])]
    val = [{"c": "c", "y": 0}, {"c": "new", "y": 1}]
    path = by_part(tmp_path, train, val)
    assert prepared(source(path)).split("val").features.tolist() == [[0, 0, 1], [0, 0, 0]]
    ordinal = prepared(source(path), encode={"categories": "ordinal"}, standardise=False)
    assert ordinal.split("val").features.tolist() == [[2], [3]]
    assert ordinal.manifest.feature_names == ("c",)


def test_names_are_no_categories(prepared: Prepare, tmp_path: Path) -> None:
    path = by_part(tmp_path, mixed(1200), mixed(20))
    with pytest.raises(DataError, match=r"at most 1000 features of a column, but column 'id' has 1200"):
        prepared(source(path))
    assert prepared(source(path), encode={"categories": "ordinal"}).manifest.input_shape == (4,)


def test_robust_scaling(prepared: Prepare, tmp_path: Path) -> None:
    values = [*range(-50, 50), 10_000]
    rows = [{"x": value, "flat": value == 3, "one": 1, "y": value % 2} for value in values]
    store = prepared(source(by_part(tmp_path, rows, rows[:3])), standardise="robust")
    assert store.manifest.mean == pytest.approx([0, 0, 1])
    assert store.manifest.std == pytest.approx([50 / 1.349, np.sqrt(100) / 101, 1], rel=1e-3)


# --- what is fitted, and on which rows ----------------------------------------------------------------

CLEANS = [
    {"clean": {"missing": "mean", "outliers": {"method": "quantile", "limit": 0.05}}},
    {"clean": {"missing": "median"}, "standardise": "robust"},
    {"clean": {"missing": "most_frequent", "outliers": {"method": "zscore", "limit": 2.0}}},
    {"clean": {"missing": {"constant": 0}}, "encode": {"categories": "ordinal"}},
]


def gappy(num_rows: int = 60) -> list[dict[str, Any]]:
    rows = mixed(num_rows)
    for row in range(0, num_rows, 7):
        rows[row]["size"] = rows[row + 1]["colour"] = rows[row + 2]["old"] = None
    return rows


@pytest.mark.parametrize("fields", CLEANS)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_new_rows_are_prepared_as_in_training(
    prepared: Prepare, tmp_path: Path, fields: Any, suffix: str
) -> None:
    rows = gappy()
    path = by_part(tmp_path, rows[:40], rows[40:], rows)
    store = prepared(source(path, drop=["id"]), **fields)
    manifest = Manifest.from_json(store.manifest.to_json())
    new = write(tmp_path / f"new.{suffix}", [{k: v for k, v in row.items() if k != "y"} for row in rows])
    np.testing.assert_array_equal(
        preprocess(read_inputs(new, manifest), manifest), store.split("test").features
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    fields=st.sampled_from(CLEANS),
    sizes=st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=8, max_size=8),
    colours=st.lists(st.one_of(st.none(), st.text("abc\"',\n é", min_size=1)), min_size=8, max_size=8),
)
def test_nothing_is_fitted_outside_the_training_rows(
    tmp_path_factory: pytest.TempPathFactory, fields: Any, sizes: list[Any], colours: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    train, others = mixed(20), mixed(8)
    path = {"train": str(write(folder / "train.jsonl", train)), "val": str(folder / "val.jsonl")}
    spec = DataSpec.model_validate({"source": source(path, drop=["id"]), **fields})
    found = []
    for rows in (
        others,
        [{**row, "size": s, "colour": c} for row, s, c in zip(others, sizes, colours, strict=True)],
    ):
        write(folder / "val.jsonl", rows)
        store = prepare(spec, TABULAR, folder / "store")
        fitted = (store.manifest.columns, store.manifest.mean, store.manifest.std)
        found.append((fitted, store.split("train").features.tolist()))
        assert np.isfinite(store.split("val").features).all()
        raw = read_inputs(folder / "val.jsonl", store.manifest)
        np.testing.assert_array_equal(preprocess(raw, store.manifest), store.split("val").features)
    assert found[0] == found[1]


def test_new_rows_that_cannot_be_used(prepared: Prepare, tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", mixed())
    manifest = prepared(source(path, drop=["id"]), clean={"missing": "mean"}).manifest
    (tmp_path / "new.csv").write_text("size,colour,old\n1,red,True\nbig,red,True\n")
    with pytest.raises(DataError, match=r"column 'size' of .*new.csv has 'big' in row 2"):
        read_inputs(tmp_path / "new.csv", manifest)
    (tmp_path / "new.csv").write_text("size,colour,old\n1,red,True\ninf,red,True\n")
    with pytest.raises(DataError, match=r"feature 'size' is inf in row 2"):
        read_inputs(tmp_path / "new.csv", manifest)
    (tmp_path / "new.jsonl").write_text('{"size": 1, "color": "red", "old": true}\n')
    with pytest.raises(DataError, match=r"the column 'colour'.*did you mean 'color'"):
        read_inputs(tmp_path / "new.jsonl", manifest)
    np.save(tmp_path / "new.npy", np.ones((2, 5)))
    with pytest.raises(
        DataError,
        match=r"a model of tables with text takes a file ending in .csv, .tsv, .jsonl, .parquet, but",
    ):
        read_inputs(tmp_path / "new.npy", manifest)


def test_cleaning_that_leaves_nothing(prepared: Prepare, tmp_path: Path) -> None:
    path = by_part(tmp_path, numbers(range(10)), numbers([None, None]))
    with pytest.raises(DataError, match=r"of 12 rows cleaning leaves none in val; relax data.clean"):
        prepared(source(path), clean={"missing": "drop"})
    path = by_part(tmp_path, numbers(range(6), "a"), numbers(range(6), "ab"))
    with pytest.raises(DataError, match=r"two classes in the training rows, but all 6 have the label 'a'"):
        prepared(source(path), clean={"invalid": "drop"})


def test_a_manifest_of_the_first_version_still_reads(tmp_path: Path, prepared: Prepare) -> None:
    content = json.loads(prepared({"type": "sklearn", "name": "iris"}).manifest.to_json())
    for name in ("columns", "categories", "dropped"):
        del content[name]
    manifest = Manifest.from_json(json.dumps(content))
    names = manifest.feature_names or ()
    new = write(tmp_path / "new.csv", [dict.fromkeys(names, 1.0)])
    assert np.isfinite(preprocess(read_inputs(new, manifest), manifest)).all()


def test_sources_tell_where_rows_are(tmp_path: Path) -> None:
    path = by_part(tmp_path, numbers([1, 2]), numbers([3]))
    table = sources.read(DataSpec.model_validate({"source": source(path)}).source)
    assert table.origins is not None
    assert table.origins.name(2) == f"row 1 of {path['val']} (the first one is 1)"
    assert table.parts is not None
    assert table.parts.tolist() == ["train", "train", "val"]
