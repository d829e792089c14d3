"""Texts and their translations: two files or two columns, one tokenizer, and the boundary at the end."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pretrained_models import save_tokenizer

from tuner.data import Store, fingerprint, prepare, preprocess, read_inputs
from tuner.data.tokens import from_json
from tuner.data_report.summary import summarise
from tuner.errors import DataError
from tuner.spec.sections import DataSpec

TASK = "translation"
PAIRS = [(f"the film {n}", f"der Film {n}") for n in range(20)]


def files(folder: Path, name: str = "all", pairs: Any = PAIRS) -> dict[str, str]:
    sides = {}
    for side, texts in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
        path = folder / f"{name}.{side}"
        path.write_text("\n".join(texts) + "\n")
        sides[side] = str(path)
    return sides


def table(folder: Path, header: str | None = "de\ten") -> str:
    lines = [*([header] if header else []), *(f"{target}\t{source}" for source, target in PAIRS)]
    (folder / "pairs.tsv").write_text("\n".join(lines) + "\n")
    return str(folder / "pairs.tsv")


def spec(source: dict[str, Any], tokenizer: Any = "character", max_length: int = 16) -> DataSpec:
    text = {"tokenizer": tokenizer, "max_length": max_length}
    return DataSpec.model_validate({"source": source, "text": text})


def of_files(path: Any, *options: Any) -> DataSpec:
    return spec({"type": "parallel_text", "path": path}, *options)


def decoded(store: Store, name: str) -> list[tuple[str, str]]:
    assert store.manifest.tokenizer is not None
    tokenizer = from_json(store.manifest.tokenizer)
    x, y = store.split(name)
    rows = zip(x, y, strict=True)
    return [(tokenizer.decode(a[a > 0].tolist()), tokenizer.decode(b[b > 0].tolist())) for a, b in rows]


@pytest.mark.parametrize("tokenizer", ["byte", "character", {"type": "bpe", "vocabulary": 300}], ids=str)
def test_each_line_stands_beside_its_translation(tmp_path: Path, tokenizer: Any) -> None:
    store = prepare(of_files(files(tmp_path), tokenizer), TASK, tmp_path / "store")
    found = [pair for name in ("train", "val", "test") for pair in decoded(store, name)]
    assert sorted(found) == sorted((source, f"{target}\n") for source, target in PAIRS)
    assert store.manifest.sizes == {"train": 14, "val": 3, "test": 3}
    assert store.manifest.padding == 0
    assert store.split("val").targets.dtype == np.int32


def test_two_files_a_split_and_the_tokenizer_of_both_training_sides(tmp_path: Path) -> None:
    path = {
        "train": files(tmp_path, "train", [("ab", "xy")] * 3),
        "val": files(tmp_path, "val", [("aZ", "xQ")]),
    }
    store = prepare(of_files(path), TASK, tmp_path / "store")
    assert store.manifest.sizes == {"train": 3, "val": 1, "test": 0}
    assert from_json(str(store.manifest.tokenizer)).characters == "abxy"
    assert store.manifest.target_tokens == 3.0
    assert decoded(store, "val") == [("a\ufffd", "x\ufffd\n")]


def test_a_table_has_the_same_rows(tmp_path: Path) -> None:
    of_lines = prepare(of_files(files(tmp_path)), TASK, tmp_path / "store").split("train")
    names = {"type": "parallel_table", "source": "en", "target": "de"}
    for number, extra in enumerate(({}, {"columns": ["de", "en"]})):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = table(folder, None if extra else "de\ten")
        found = prepare(spec(names | {"path": path} | extra), TASK, tmp_path / "store").split("train")
        assert (found.features == of_lines.features).all()
        assert (found.targets == of_lines.targets).all()


def test_a_table_a_split(tmp_path: Path) -> None:
    path = table(tmp_path)
    other = shutil.copy(path, tmp_path / "val.tsv")
    parts = {"train": path, "val": str(other)}
    source = {"type": "parallel_table", "source": "en", "target": "de", "path": parts}
    assert prepare(spec(source), TASK, tmp_path / "store").manifest.sizes["val"] == 20


def test_what_is_cut_has_no_end(tmp_path: Path) -> None:
    store = prepare(of_files(files(tmp_path), "character", 8), TASK, tmp_path / "store")
    assert set(decoded(store, "val")) == {("the film", "der Film")}


def test_the_content_of_both_files_names_the_store(tmp_path: Path) -> None:
    first = fingerprint(of_files(files(tmp_path)), TASK)
    other = tmp_path / "other"
    other.mkdir()
    assert fingerprint(of_files(files(other)), TASK) == first
    assert fingerprint(of_files(files(other, pairs=[*PAIRS[:-1], ("the film 19", "!")])), TASK) != first


def test_new_texts(tmp_path: Path) -> None:
    store = prepare(of_files(files(tmp_path)), TASK, tmp_path / "store")
    (tmp_path / "new.txt").write_text("the film 3\nthe film 4")
    texts = read_inputs(tmp_path / "new.txt", store.manifest)
    rows = {tuple(row) for name in ("train", "val", "test") for row in store.split(name).features}
    assert all(tuple(row) in rows for row in preprocess(texts, store.manifest))
    names = {"type": "parallel_table", "source": "en", "target": "de", "path": table(tmp_path)}
    manifest = prepare(spec(names), TASK, tmp_path / "store").manifest
    assert read_inputs(Path(table(tmp_path)), manifest).tolist() == [source for source, _ in PAIRS]


def test_a_pretrained_tokenizer_serves_too(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    save_tokenizer(tmp_path / "model")
    name = {"type": "pretrained", "name": str(tmp_path / "model")}
    store = prepare(of_files(files(tmp_path, pairs=[("a film", "the film")] * 9), name), TASK, tmp_path)
    tokenizer = from_json(str(store.manifest.tokenizer))
    x, y = store.split("train")
    assert tokenizer.decode(x[0].tolist()) == "a film"
    assert y[0, :4].tolist() == [*tokenizer.encode("the film"), tokenizer.num_tokens, 0]


def test_the_report_shows_both(tmp_path: Path) -> None:
    store = prepare(of_files(files(tmp_path)), TASK, tmp_path / "store")
    report = summarise(store, "small", {})
    assert report.samples[0].text in {f"{source}\n{target}" for source, target in PAIRS}
    assert report.samples[0].label is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pairs: [*pairs, ("more", " ")], "must have both texts, but row 21 .* lacks one"),
        (None, r"must have its translation, but .*all.source has 20 lines and .*all.target has 21"),
    ],
    ids=["empty", "one more"],
)
def test_lines_without_a_translation(tmp_path: Path, change: Any, message: str) -> None:
    path = files(tmp_path, pairs=change(PAIRS) if change else PAIRS)
    if change is None:
        Path(path["target"]).write_text("zu viel\n" * 21)
    with pytest.raises(DataError, match=message):
        prepare(of_files(path), TASK, tmp_path / "store")


def test_a_row_without_a_translation_is_named_by_its_own_file(tmp_path: Path) -> None:
    train, val = files(tmp_path, "train"), files(tmp_path, "val", [*PAIRS[:2], ("more", " ")])
    with pytest.raises(DataError, match=r"row 3 of .*val.source and .*val.target \(the first one is 1\)"):
        prepare(of_files({"train": train, "val": val}), TASK, tmp_path / "store")
    path = Path(table(tmp_path))
    (tmp_path / "val.tsv").write_text("de\ten\nein Film\ta film\n\tmore\n")
    parts = {"train": str(path), "val": str(tmp_path / "val.tsv")}
    source = {"type": "parallel_table", "source": "en", "target": "de", "path": parts}
    with pytest.raises(DataError, match=r"row 2 of .*val.tsv \(the first one is 1\) lacks one"):
        prepare(spec(source), TASK, tmp_path / "store")


@pytest.mark.parametrize("side", ["source", "target"])
def test_a_file_of_two_splits(tmp_path: Path, side: str) -> None:
    train, val = files(tmp_path, "train"), files(tmp_path, "val")
    path = {"train": train, "val": val | {side: train[side]}}
    with pytest.raises(DataError, match=rf"rows of its own, but .*train.{side} is given for train and val"):
        prepare(of_files(path), TASK, tmp_path / "store")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = files(tmp_path) | {"target": str(tmp_path / "none")}
    with pytest.raises(DataError, match="must be read from a file, but at .*none nothing is there"):
        prepare(of_files(path), TASK, tmp_path / "store")


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    source = {"type": "parallel_table", "path": table(tmp_path), "source": "en", "target": "fr"}
    with pytest.raises(DataError, match="must have the column 'fr'.*it has de, en"):
        prepare(spec(source), TASK, tmp_path / "store")
