"""Bad data is one error that names file and row, or a counted drop; a killed preparation leaves no store."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.data import Store, prepare
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

Prepare = Callable[..., Store]
TEXTS = "text_classification"


def lines(count: int) -> list[str]:
    return [f"{'ab'[row % 2]}\tgood film {row}" for row in range(count)]


def labelled(path: Path, **fields: Any) -> dict[str, Any]:
    return {"type": "labelled_text", "path": str(path), "columns": ["label", "text"], **fields}


# --- encodings and torn rows ---


@pytest.mark.parametrize("where", [0, 150, 299])
def test_a_line_in_another_encoding_is_named(prepared: Prepare, tmp_path: Path, where: int) -> None:
    content = [line.encode() for line in lines(300)]
    content[where] += " caf\u00e9".encode("latin-1")
    path = tmp_path / "mixed.tsv"
    path.write_bytes(b"\n".join(content))
    with pytest.raises(DataError, match=rf"mixed.tsv is not: line {where + 1} is no UTF-8"):
        prepared(labelled(path), TEXTS)
    with pytest.raises(DataError, match=rf"mixed.tsv is not: line {where + 1} is no UTF-8"):
        prepared({"type": "text", "path": str(path)}, "language_modelling")
    path.write_bytes(b"y\tx\n" + b"\n".join(content))
    with pytest.raises(DataError, match=rf"mixed.tsv is not: line {where + 2} is no UTF-8"):
        prepared({"type": "csv", "path": str(path), "label": "y", "delimiter": "\t"})


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp037"])
def test_a_file_in_another_encoding(prepared: Prepare, tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "other.tsv"
    path.write_bytes("\n".join(["label\ttext", *lines(60)]).encode(encoding))
    with pytest.raises(DataError, match=r"other.tsv is not"):
        prepared({**labelled(path), "columns": None}, TEXTS)
    with pytest.raises(DataError, match=r"other.tsv"):
        prepared({"type": "csv", "path": str(path), "label": "label", "delimiter": "\t"})


def test_the_mark_of_utf8_is_no_part_of_the_first_name(prepared: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "marked.csv"
    path.write_text("\n".join(["x,y", *(f"{row},{row % 2}" for row in range(40))]), encoding="utf-8-sig")
    assert prepared({"type": "csv", "path": str(path), "label": "y"}).manifest.feature_names == ("x",)
    path = tmp_path / "marked.tsv"
    path.write_text("\n".join(["label\ttext", *lines(40)]), encoding="utf-8-sig")
    assert prepared({**labelled(path), "columns": None}, TEXTS).manifest.class_names == ("a", "b")


@pytest.mark.parametrize("header", [True, False])
def test_texts_with_a_value_too_many_do_not_move(prepared: Prepare, tmp_path: Path, header: bool) -> None:
    path = tmp_path / "torn.tsv"
    rows = [f"{line}\tmore" for line in lines(60)]
    path.write_text("\n".join((["label\ttext"] if header else []) + rows))
    source = labelled(path, **({"columns": None} if header else {}))
    with pytest.raises(DataError, match=r"torn.tsv is not: its rows have more values than"):
        prepared(source, TEXTS)


def test_a_name_that_stands_twice(prepared: Prepare, tmp_path: Path) -> None:
    """pandas would make `y.1` of the second, a feature that is the label."""
    path = tmp_path / "twice.csv"
    path.write_text("\n".join(["x,y,y", *(f"{row},{row % 2},{row % 2}" for row in range(40))]))
    with pytest.raises(DataError, match=r"twice.csv is not: its header has the name 'y' twice"):
        prepared({"type": "csv", "path": str(path), "label": "y"})


def test_columns_without_a_name_have_one_each(prepared: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "unnamed.csv"
    path.write_text("\n".join([",,y", *(f"{row},{row + 1},{row % 2}" for row in range(40))]))
    manifest = prepared({"type": "csv", "path": str(path), "label": "y"}).manifest
    assert manifest.feature_names == ("Unnamed: 0", "Unnamed: 1")


# --- values ---


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
@pytest.mark.parametrize(("value", "found"), [("many", "'many'"), ("1,5", "'1,5'"), ("0x1F", "'0x1F'")])
def test_a_column_that_changes_its_type_in_row_10000(
    prepared: Prepare, tmp_path: Path, suffix: str, value: str, found: str
) -> None:
    rows: list[dict[str, Any]] = [{"x": row / 2, "y": "ab"[row % 2]} for row in range(12_000)]
    rows[9_999]["x"] = value
    path = tmp_path / f"rows.{suffix}"
    if suffix == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text("\n".join(["x,y", *(f'"{row["x"]}",{row["y"]}' for row in rows)]))
    source = {"type": suffix, "path": str(path), "label": "y"}
    with pytest.raises(DataError, match=rf"column 'x' of .*rows.{suffix} has {found} in row 10000 "):
        prepared(source)
    manifest = prepared(source, clean={"invalid": "drop"}).manifest
    dropped = manifest.dropped["value_invalid"]
    assert (dropped.count, [example.row for example in dropped.examples]) == (1, [10_000])
    assert sum(manifest.sizes.values()) == 11_999


def test_a_label_that_training_has_not_seen_is_named_or_counted(prepared: Prepare, tmp_path: Path) -> None:
    parts = {"train": "aabb" * 5, "val": "abca", "test": "ab"}
    for name, labels in parts.items():
        text = "\n".join(["x,y", *(f"{row},{label}" for row, label in enumerate(labels))])
        (tmp_path / f"{name}.csv").write_text(text)
    source = {"type": "csv", "path": {name: str(tmp_path / f"{name}.csv") for name in parts}, "label": "y"}
    with pytest.raises(DataError, match=r"row 3 of .*val.csv \(the first one is 1\) of val has 'c'"):
        prepared(source)
    manifest = prepared(source, clean={"invalid": "drop"}).manifest
    assert manifest.dropped["label_unseen"].examples[0].row == 3
    assert manifest.sizes == {"train": 20, "val": 3, "test": 2}


# --- stores ---


def test_tokens_that_are_a_byte_short(prepared: Prepare, tmp_path: Path) -> None:
    (tmp_path / "texts.tsv").write_text("\n".join(lines(60)))
    fields = {"text": {"tokenizer": "byte", "max_length": 16}}
    whole = prepared(labelled(tmp_path / "texts.tsv"), TEXTS, **fields)
    file = whole.path / "train_features.npy"
    content = file.read_bytes()
    file.write_bytes(content[:-1])
    with pytest.raises(DataError, match="must hold its train split as it was written"):
        Store.open(whole.path).split("train")
    prepared(labelled(tmp_path / "texts.tsv"), TEXTS, **fields)
    assert file.read_bytes() == content


def prepare_and_die(spec: DataSpec, root: Path, moment: int) -> None:
    """Killed for good in front of the fsync of this number."""
    fsync, calls = os.fsync, 0

    def dying(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    os.fsync = dying
    prepare(spec, "tabular_classification", root)


def test_whenever_it_is_killed_a_preparation_leaves_no_store_or_a_whole_one(tmp_path: Path) -> None:
    spec = DataSpec.model_validate({"source": {"type": "two_class", "samples": 60}})
    context, root = multiprocessing.get_context("fork"), tmp_path / "store"
    whole = prepare(spec, "tabular_classification", tmp_path / "whole").path
    expected = {file.name: file.read_bytes() for file in whole.iterdir()}
    num_left = 0
    for moment in range(1, 20):
        process = context.Process(target=prepare_and_die, args=(spec, root, moment))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        for found in root.iterdir():
            if found.name.startswith("tmp-"):
                num_left += 1
            elif found.is_dir():
                assert {file.name: file.read_bytes() for file in found.iterdir()} == expected, moment
        again = prepare(spec, "tabular_classification", root)
        assert {file.name: file.read_bytes() for file in again.path.iterdir()} == expected
        assert {path.name for path in root.iterdir()} - {".lock"} == {again.path.name}
        for file in again.path.iterdir():
            file.unlink()
        again.path.rmdir()
    assert moment == 11  # six arrays, manifest, checksums, the folder, and after the renaming its parent
    assert num_left == 9
