"""Texts to tokens: tokenizers, labelled texts with one file or one a split, running text."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from damage import damaged
from hypothesis import example, given
from hypothesis import strategies as st

from tuner.data import fingerprint, prepare, preprocess, read_inputs
from tuner.data.tokens import PADDING, encode_rows, fit, from_json
from tuner.errors import DataError
from tuner.spec.sections import BpeTokens, ByteTokens, CharacterTokens, DataSpec

TEXTS = ["a film to see twice", "no film , no fun", "what a film", "never again"] * 10
TOKENIZERS = [ByteTokens(), CharacterTokens(), BpeTokens(vocabulary=300)]


@pytest.fixture
def tsv(tmp_path):
    def write(name: str, texts=TEXTS, header: bool = False) -> Path:
        lines = [f"{'bad' if text.startswith(('no', 'never')) else 'good'}\t{text}" for text in texts]
        path = tmp_path / name
        path.write_text("\n".join((["label\ttext"] if header else []) + lines) + "\n", encoding="utf-8")
        return path

    return write


def spec(path, **fields) -> DataSpec:
    source = {"type": "labelled_text", "path": path, "columns": ["label", "text"]} | fields.pop("source", {})
    return DataSpec.model_validate({"source": source, "text": {"max_length": 16}} | fields)


@pytest.mark.parametrize("kind", TOKENIZERS, ids=lambda kind: kind.type)
class TestTokenizers:
    @example(text="<padding>")
    @given(text=st.text(st.characters(exclude_categories=["Cs"])))
    def test_what_was_seen_comes_back_as_it_was(self, kind, text):
        tokenizer = fit(kind, [text, "more"])
        tokens = tokenizer.encode(text)
        assert tokenizer.decode(tokens) == text
        assert tokens.dtype == np.int32
        assert PADDING not in tokens
        assert all(0 < token < tokenizer.num_tokens for token in tokens)

    @given(text=st.text())
    def test_its_json_makes_the_same_tokenizer(self, kind, text):
        tokenizer = fit(kind, TEXTS)
        again = from_json(tokenizer.to_json())
        assert again.num_tokens == tokenizer.num_tokens
        assert list(again.encode(text)) == list(tokenizer.encode(text))

    def test_rows_are_cut_and_filled_up(self, kind):
        tokenizer = fit(kind, TEXTS)
        rows = encode_rows(tokenizer, ["a", "a film " * 50, ""], 9)
        assert rows.shape == (3, 9)
        assert [np.count_nonzero(row) for row in rows] == [1, 9, 0]


def test_an_unseen_character_has_a_token_of_its_own():
    tokenizer = fit(CharacterTokens(), ["ab"])
    assert list(tokenizer.encode("aZb")) == [2, 1, 3]
    assert tokenizer.unknown == 1
    assert tokenizer.decode([2, 1, 3]) == "a\ufffdb"


def test_one_file_is_split_and_stratified(tsv, tmp_path):
    store = prepare(spec(str(tsv("all.tsv"))), "text_classification", tmp_path / "store")
    assert store.manifest.sizes == {"train": 28, "val": 6, "test": 6}
    assert store.manifest.class_names == ("bad", "good")
    assert (store.manifest.input_shape, store.manifest.padding) == ((16,), PADDING)
    x, y = store.split("train")
    assert (x.dtype, x.shape, y.dtype) == (np.int32, (28, 16), np.int64)


def test_a_file_a_split(tsv, tmp_path):
    path = {"train": str(tsv("train.tsv")), "val": str(tsv("dev.tsv", TEXTS[:4]))}
    store = prepare(spec(path), "text_classification", tmp_path / "store")
    assert store.manifest.sizes == {"train": 40, "val": 4, "test": 0}
    tokenizer = from_json(store.manifest.tokenizer)
    assert [tokenizer.decode(row[row > 0]) for row in store.split("val").features] == TEXTS[:4]


def test_the_tokenizer_knows_the_training_texts_only(tsv, tmp_path):
    path = {"train": str(tsv("train.tsv")), "val": str(tsv("dev.tsv", ["a Zebra", "no Zebra"]))}
    text = {"tokenizer": "character", "max_length": 16}
    store = prepare(spec(path, text=text), "text_classification", tmp_path / "store")
    assert "Z" not in from_json(store.manifest.tokenizer).characters


def test_a_label_that_training_has_not_seen(tsv, tmp_path):
    path = {"train": str(tsv("train.tsv", ["no", "never"])), "val": str(tsv("dev.tsv", ["no", "yes"]))}
    with pytest.raises(DataError, match=r"row 2 of .*dev.tsv \(the first one is 1\) of val has 'good'"):
        prepare(spec(path), "text_classification", tmp_path / "store")


def test_new_texts_are_read_and_prepared_as_in_training(tsv, tmp_path):
    store = prepare(spec(str(tsv("all.tsv"))), "text_classification", tmp_path / "store")
    (tmp_path / "new.txt").write_text("what a film\nnever again\n")
    as_table = tsv("new.tsv", ["what a film", "never again"], header=True)
    for path in (tmp_path / "new.txt", as_table):
        texts = read_inputs(path, store.manifest)
        assert list(texts) == ["what a film", "never again"]
    x, y = store.split("train")
    rows = {tuple(row) for row in x}
    assert all(tuple(row) in rows for row in preprocess(texts, store.manifest))


def test_new_texts_in_a_table_are_read_with_the_delimiter_of_training(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("label;text\n" + "".join(f"{'ab'[row % 2]};film, {row}\n" for row in range(40)))
    source = {"type": "labelled_text", "path": str(path), "delimiter": ";"}
    store = prepare(DataSpec.model_validate({"source": source}), "text_classification", tmp_path / "store")
    assert list(read_inputs(path, store.manifest)) == [f"film, {row}" for row in range(40)]


ROWS = pd.DataFrame(
    {
        "label": [("no", "yes", "007")[row % 3] for row in range(42)],
        "text": [("NA", 'say "so", twice', "null", "1e5", "\u00fcber")[row % 5] for row in range(42)],
        "other": [row * 1.5 for row in range(42)],
    }
)


def write_as(path: Path, rows: pd.DataFrame = ROWS) -> str:
    """In the format of its ending."""
    if path.suffix == ".parquet":
        rows.to_parquet(path)
    elif path.suffix == ".jsonl":
        rows.to_json(path, orient="records", lines=True, force_ascii=False)
    elif path.suffix == ".csv":
        rows.to_csv(path, index=False)
    else:
        rows.to_csv(path, index=False, sep="\t", quoting=csv.QUOTE_NONE)
    return str(path)


def rows_of(path: Any, folder: Path, **source: Any) -> dict[str, tuple[list, list]]:
    data = spec(path, source={"columns": None} | source, text={"tokenizer": "byte", "max_length": 16})
    store = prepare(data, "text_classification", folder / "store")
    return {
        name: (np.asarray(x).tolist(), [store.manifest.class_names[place] for place in y])
        for name in store.manifest.sizes
        for x, y in [store.split(name)]
    }


@pytest.mark.parametrize("ending", ["csv", "TSV", "tab", "jsonl", "parquet"])
def test_the_ending_says_how_a_file_is_read(tmp_path, ending):
    path = write_as(tmp_path / f"rows.{ending}")
    assert rows_of(path, tmp_path) == rows_of(write_as(tmp_path / "known.tsv"), tmp_path)


def test_new_texts_of_every_ending(tmp_path):
    data = spec(write_as(tmp_path / "rows.parquet"), source={"columns": None})
    manifest = prepare(data, "text_classification", tmp_path / "store").manifest
    for ending in ("csv", "tsv", "jsonl", "parquet"):
        path = Path(write_as(tmp_path / f"new.{ending}"))
        assert list(read_inputs(path, manifest)) == list(ROWS["text"])


def test_files_of_several_endings(tmp_path):
    parts = {"a.csv": ROWS[:14], "b.jsonl": ROWS[14:28], "c.tsv": ROWS[28:]}
    paths = [write_as(tmp_path / name, part) for name, part in parts.items()]
    whole = write_as(tmp_path / "all.tsv")
    assert rows_of(paths, tmp_path) == rows_of(whole, tmp_path)
    in_splits = rows_of({"train": paths[:2], "val": str(tmp_path / "c.*")}, tmp_path)
    assert [len(labels) for _, labels in in_splits.values()] == [28, 14, 0]


def test_how_a_file_is_read_names_the_store(tmp_path):
    """The same bytes are other rows with another delimiter, and the same with the one that is usual."""
    content = "label\ttext,label\ttext\n" + "a\tb,c\td\n" * 3
    names = {}
    for name, delimiter in (("x.tsv", None), ("x.csv", None), ("y.tsv", ","), ("y.csv", "\t")):
        (tmp_path / name).write_text(content)
        source = {"columns": None, "delimiter": delimiter}
        names[name] = fingerprint(spec(str(tmp_path / name), source=source), "text_classification")
    assert names["x.tsv"] == names["y.csv"] != names["x.csv"] == names["y.tsv"]


@pytest.mark.parametrize("given", [{"columns": ["label", "text"]}, {"columns": None, "delimiter": ","}])
def test_what_is_only_for_text_with_a_delimiter(tmp_path, given):
    path = write_as(tmp_path / "rows.jsonl")
    with pytest.raises(
        DataError, match=r"must be left out where the ending of a file says .*rows.jsonl; leav"
    ):
        prepare(spec(path, source=given), "text_classification", tmp_path / "store")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_bad_rows_are_named_with_their_file(tmp_path, ending):
    """Of several files, in every format."""
    first = write_as(tmp_path / "first.tsv")
    for column, empty, message in (("label", None, "label"), ("label", "", "label"), ("text", None, "text")):
        rows = ROWS.astype(object)
        rows.loc[4, column] = empty
        path = write_as(tmp_path / f"bad.{ending}", rows)
        with pytest.raises(DataError, match=rf"must have a {message}, but .*bad\.{ending}.*"):
            rows_of([first, path], tmp_path)
    for content in damaged(Path(path).read_bytes(), count=20):
        Path(path).write_bytes(content)
        with suppress(DataError):
            rows_of([first, path], tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [("new.txt", "a film\n\nno film\n"), ("new.tsv", "label\ttext\ngood\ta film\nbad\t\n")],
)
def test_a_new_text_that_is_empty(tsv, tmp_path, name, content):
    store = prepare(spec(str(tsv("all.tsv"))), "text_classification", tmp_path / "store")
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=r"row 2 \(the first one is 1\) has none"):
        read_inputs(tmp_path / name, store.manifest)


def test_running_text_is_cut_in_its_order(tmp_path):
    text = "".join(chr(97 + index % 26) for index in range(1000))
    (tmp_path / "book.txt").write_text(text)
    data = DataSpec.model_validate(
        {
            "source": {"type": "text", "path": str(tmp_path / "book.txt")},
            "split": {"train": 0.8, "val": 0.1, "test": 0.1},
            "text": {"tokenizer": "character", "max_length": 10},
        }
    )
    store = prepare(data, "language_modelling", tmp_path / "store")
    tokenizer = from_json(store.manifest.tokenizer)
    assert store.manifest.sizes == {"train": 79, "val": 9, "test": 9}
    assert store.manifest.padding is None
    for name, start in (("train", 0), ("val", 800), ("test", 900)):
        x, y = store.split(name)
        assert tokenizer.decode(x.ravel()) == text[start : start + x.size]
        assert tokenizer.decode(y.ravel()) == text[start + 1 : start + 1 + x.size]


def running(path: Any, **data: Any) -> DataSpec:
    text = {"tokenizer": "character", "max_length": 4}
    return DataSpec.model_validate({"source": {"type": "text", "path": path}, "text": text} | data)


def test_running_text_of_splits_and_of_several_files(tmp_path):
    contents = {"a.txt": "abcdefgh", "b.txt": "ijklmnop\n", "val.txt": "hgfedcba\n", "test.txt": "aceg\n"}
    for name, content in contents.items():
        (tmp_path / name).write_text(content)
    path = {"train": str(tmp_path / "[ab].txt"), "val": str(tmp_path / "val.txt")}
    for test in ({}, {"test": str(tmp_path / "test.txt")}):
        store = prepare(running(path | test), "language_modelling", tmp_path / "store")
        tokenizer = from_json(store.manifest.tokenizer)
        assert store.manifest.sizes == {"train": 4, "val": 2, "test": len(test)}
        assert tokenizer.decode(store.split("train").features.ravel()) == "abcdefgh\nijklmno"
        assert tokenizer.decode(store.split("val").features.ravel()) == "hgfedcba"


def test_a_file_of_running_text_that_is_no_utf8_is_named(tmp_path):
    for name in ("a.txt", "b.txt", "val.txt"):
        (tmp_path / name).write_text("abcdefgh\n" * 4)
    (tmp_path / "b.txt").write_bytes(b"abc\nd\xffe\n" * 9)
    files = [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]
    for path in (
        files,
        {"train": files, "val": str(tmp_path / "val.txt")},
        {"train": files[1], "val": files[0]},
    ):
        with pytest.raises(DataError, match=r"must be UTF-8, but .*b\.txt is not: line 2 is no UTF-8"):
            prepare(running(path), "language_modelling", tmp_path / "store")


def test_a_text_too_short_for_a_row(tmp_path):
    (tmp_path / "note.txt").write_text("too short")
    data = DataSpec.model_validate({"source": {"type": "text", "path": str(tmp_path / "note.txt")}})
    with pytest.raises(
        DataError, match=r"must fill a row of data.text.max_length = 128 tokens and .* train has"
    ):
        prepare(data, "language_modelling", tmp_path / "store")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"good\ta\n\tb\n",
            r"have a label, but row 2 of .*bad.tsv \(the first one is 1\) has none; correct it, or dr",
        ),
        (b"good\ta\nbad\t\n", r"row 2 of .*bad.tsv \(the first one is 1\) has none"),
        (b"good\ta\nbad\t\xff\xfe\n", "must be readable as a table of texts"),
        (b"good\ta\tmore\tand more\nbad\n", "must be readable|must have a text|row 2"),
    ],
    ids=["no label", "no text", "no UTF-8", "torn"],
)
def test_bad_rows(tmp_path, content, message):
    path = tmp_path / "bad.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        prepare(spec(str(path)), "text_classification", tmp_path / "store")
    assert not list((tmp_path / "store").glob("*/manifest.json"))


def test_a_column_that_is_not_there(tsv, tmp_path):
    path = str(tsv("rows.tsv", header=True))
    with pytest.raises(
        DataError, match=r"must have the column 'sentence'.*it has label, text; without a header row data.sou"
    ):
        prepare(spec(path, source={"columns": None, "text": "sentence"}), "text_classification", tmp_path)


@pytest.mark.parametrize("columns", [["label", "text"], ["text", "label"]])
def test_a_header_row_is_no_text(tsv, tmp_path, columns):
    path = str(tsv("rows.tsv", header=True))
    with pytest.raises(DataError, match=r"first row of .*rows.tsv is one: label, text; leave columns out"):
        prepare(spec(path, source={"columns": columns}), "text_classification", tmp_path)


def test_a_label_with_one_row_is_found_by_its_place(tsv, tmp_path):
    path = tsv("rows.tsv")
    with path.open("a") as file:
        file.write("godo\ta film\n")
    row = len(TEXTS) + 1
    with pytest.raises(DataError, match=rf"'godo' has only 1 row, which is row {row} of .*rows.tsv \("):
        prepare(spec(str(path)), "text_classification", tmp_path)


def test_a_file_is_of_one_split(tsv, tmp_path):
    path = {"train": str(tsv("train.tsv")), "val": str(tmp_path / "." / ".." / tmp_path.name / "train.tsv")}
    with pytest.raises(DataError, match=r"rows of its own, but .*train.tsv is given for train and val; name"):
        prepare(spec(path), "text_classification", tmp_path / "store")
