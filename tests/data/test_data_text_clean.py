"""Labelled texts that cannot be used, or stand twice: one error that names the row, or a counted drop."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data import Store, prepare
from tuner.data.tokens import from_json
from tuner.data_report.words import REASONS
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

Prepare = Callable[..., Store]
Row = tuple[str | None, str | None]
"""Label and text."""
TASK = "text_classification"
TEXT = {"tokenizer": "byte", "max_length": 12}
BOTH = {"invalid": "drop", "duplicates": "drop"}


def write(path: Path, rows: list[Row]) -> str:
    path.write_text("".join(json.dumps({"label": label, "text": text}) + "\n" for label, text in rows))
    return str(path)


def by_split(folder: Path, **rows: list[Row]) -> dict[str, Any]:
    path = {name: write(folder / f"{name}.jsonl", each) for name, each in rows.items()}
    return {"type": "labelled_text", "path": path}


def hub_set(folder: Path, **rows: list[Row]) -> dict[str, Any]:
    """The same as a data set of the Hub."""
    for name, each in rows.items():
        write(folder / f"{name}.jsonl", each)
    splits = {name: {"val": "validation"}.get(name, name) for name in rows}
    return {"type": "huggingface", "name": str(folder), "text": "text", "label": "label", "splits": splits}


def kept(store: Store) -> dict[str, list[tuple[str, str]]]:
    """Label and text of the rows of each split."""
    tokenizer, names = from_json(store.manifest.tokenizer or ""), store.manifest.class_names or ()
    return {
        name: [(names[y], tokenizer.decode(x[x > 0])) for x, y in zip(*store.split(name), strict=True)]
        for name in store.manifest.sizes
    }


def dropped(store: Store) -> dict[str, list[tuple[str, int | None]]]:
    """Reason to file and row of its examples."""
    for rows in store.manifest.dropped.values():
        assert rows.count >= len(rows.examples) > 0
    return {
        reason: [(Path(each.file or "").stem, each.row) for each in rows.examples]
        for reason, rows in store.manifest.dropped.items()
    }


TRAIN: list[Row] = [("a", "one"), ("b", "two"), ("a", "one"), ("a", "two"), ("b", "four"), ("b", "six")]
VAL: list[Row] = [("b", "two"), ("a", "new"), ("a", "new"), ("b", "four")]
TEST: list[Row] = [("b", "four"), ("b", "five"), ("b", "five")]


@pytest.mark.parametrize("source", [by_split, hub_set])
def test_of_equal_rows_test_keeps_one_then_val(prepared: Prepare, tmp_path: Path, source: Any) -> None:
    given = source(tmp_path, train=TRAIN, val=VAL, test=TEST)
    assert prepared(given, TASK, text=TEXT).manifest.sizes == {"train": 6, "val": 4, "test": 3}
    store = prepared(given, TASK, text=TEXT, clean={"duplicates": "drop"})
    assert kept(store) == {
        "train": [("a", "one"), ("a", "two"), ("b", "six")],
        "val": [("b", "two"), ("a", "new")],
        "test": [("b", "four"), ("b", "five")],
    }
    assert dropped(store) == {
        "duplicate": [("train", 3), ("val", 3), ("test", 3)],
        "in_another_split": [("train", 2), ("train", 5), ("val", 4)],
    }


def test_rows_that_are_equal_once_they_are_cut_are_duplicates_too(prepared: Prepare, tmp_path: Path) -> None:
    train: list[Row] = [
        ("a", "the same beginning"),
        ("a", "the same beginner"),
        ("a", "a third"),
        ("b", "another one"),
    ]
    source = by_split(tmp_path, train=train, val=[("a", "the same begin"), ("b", "other")])
    store = prepared(source, TASK, text={**TEXT, "max_length": 14}, clean=BOTH)
    assert kept(store)["train"] == [("a", "a third"), ("b", "another one")]
    assert dropped(store) == {"duplicate": [("train", 2)], "in_another_split": [("train", 1)]}


def test_what_is_dropped_weighs_nothing_in_the_tokenizer(prepared: Prepare, tmp_path: Path) -> None:
    source = by_split(tmp_path, train=[*TRAIN, ("a", "Zebra"), ("a", None)], val=[*VAL, ("a", "Zebra")])
    text = {**TEXT, "tokenizer": "character"}
    characters = [
        from_json(prepared(source, TASK, text=text, clean=clean).manifest.tokenizer or "").characters
        for clean in ({"invalid": "drop"}, BOTH)
    ]
    assert ["Z" in each for each in characters] == [True, False]


@pytest.mark.parametrize("source", [by_split, hub_set])
def test_rows_that_cannot_be_used_are_counted(prepared: Prepare, tmp_path: Path, source: Any) -> None:
    train: list[Row] = [*TRAIN, (None, "seven"), ("a", ""), ("b", None), (None, " ")]
    given = source(tmp_path, train=train, val=[*VAL, ("c", "odd"), ("b", " \t ")], test=[*TEST, ("d", "odd")])
    store = prepared(given, TASK, text=TEXT, clean={"invalid": "drop"})
    assert store.manifest.sizes == {"train": 6, "val": 4, "test": 3}
    assert store.manifest.class_names == ("a", "b")
    assert store.manifest.dropped.keys() < REASONS.keys()
    assert dropped(store) == {
        "label_missing": [("train", 7), ("train", 10)],
        "label_unseen": [("val", 5), ("test", 4)],
        "text_missing": [("train", 8), ("train", 9), ("val", 6)],
    }
    assert kept(store) == kept(prepared(source(tmp_path, train=TRAIN, val=VAL, test=TEST), TASK, text=TEXT))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, "odd"), r"must have a label, but row 5 of .*val.jsonl \(the first one is 1\) has none; corr"),
        (("a", None), r"must have a text, but row 5 of .*val.jsonl \(the first one is 1\) has none; fill it"),
        (
            ("c", "odd"),
            r"must stand in the training rows, but row 5 of .*val.jsonl .* of val has 'c'; correct",
        ),
    ],
)
def test_each_error_names_the_row_and_a_fix_that_works(
    prepared: Prepare, tmp_path: Path, row: Row, message: str
) -> None:
    source = by_split(tmp_path, train=TRAIN, val=[*VAL, row])
    with pytest.raises(DataError, match=rf"{message}.*, or drop such rows with data\.clean\.invalid$"):
        prepared(source, TASK, text=TEXT)
    assert prepared(source, TASK, text=TEXT, clean={"invalid": "drop"}).manifest.sizes["val"] == len(VAL)


def test_pairs(prepared: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    rows = [("ab"[row % 2], f"one {row}", f"two {row}") for row in range(40)]
    rows += [rows[0], ("a", "one 2", "two 0"), ("b", "", "two"), ("b", "one", "")]
    path.write_text("label,one,two\n" + "".join(",".join(row) + "\n" for row in rows))
    source = {"type": "labelled_text", "path": str(path), "text": ["one", "two"]}
    store = prepared(source, TASK, text={**TEXT, "max_length": 20}, clean=BOTH)
    assert sum(store.manifest.sizes.values()) == 41
    assert sum(len(each) for each in dropped(store).values()) == 3
    assert dropped(store)["text_missing"] == [("pairs", 43), ("pairs", 44)]


@pytest.mark.parametrize(
    ("train", "val", "clean", "message"),
    [
        ([("a", None), ("b", "")], [("a", None)], {"invalid": "drop"}, "rows that can be used, but none can"),
        (
            [(None, "a"), (None, "b")],
            VAL,
            {"invalid": "drop"},
            "training split must have rows, but cleaning l",
        ),
        (
            VAL,
            VAL,
            {"duplicates": "drop"},
            "training must have rows of its own, but all 4 stand in val or te",
        ),
        (
            TRAIN,
            [("a", None)],
            {"invalid": "drop"},
            "of 7 rows cleaning leaves none in val; relax data.clean",
        ),
        ([*VAL[:1], ("a", "x")], [*VAL[:1], ("a", "y")], BOTH, "at least two classes in the training rows"),
    ],
)
def test_too_little_is_left(
    prepared: Prepare, tmp_path: Path, train: list[Row], val: list[Row], clean: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        prepared(by_split(tmp_path, train=train, val=val), TASK, text=TEXT, clean=clean)


Rows = st.lists(
    st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, " ", "x", "y", "xyz", "xyzz"]))
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(train=Rows, val=Rows, test=Rows)
def test_every_row_is_kept_once_or_counted(
    tmp_path_factory: pytest.TempPathFactory, train: list[Row], val: list[Row], test: list[Row]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    splits = {
        "train": [("a", "p"), ("b", "q"), *train],
        "val": [("a", "v"), *val],
        "test": [("b", "t"), *test],
    }
    data = {"source": by_split(folder, **splits), "text": {**TEXT, "max_length": 3}, "clean": BOTH}
    store = prepare(DataSpec.model_validate(data), TASK, folder / "store")
    found = kept(store)
    known = {label for label, _ in found["train"]}
    # The model sees three bytes; test keeps a row before val, and val before train.
    expected: dict[str, list[tuple[str, str]]] = {}
    for name in ("test", "val", "train"):
        before = {row for rows in expected.values() for row in rows}
        usable = [(label, text[:3]) for label, text in splits[name] if label and text and text.strip()]
        expected[name] = [row for row in dict.fromkeys(usable) if row not in before]
    for name, rows in expected.items():
        assert Counter(found[name]) == Counter(row for row in rows if row[0] in known)
    assert known == {label for label, _ in expected["train"]}
    num_dropped = sum(each.count for each in store.manifest.dropped.values())
    assert sum(map(len, found.values())) + num_dropped == sum(map(len, splits.values()))
