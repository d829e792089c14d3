"""Tokenizers of pretrained models: their special tokens, their padding, and where they come from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pretrained_models import SPECIAL, WORDS, save_tokenizer

from tuner.data import fingerprint, prepare, preprocess
from tuner.data.tokens import Tokenizer, encode_rows, fit, from_json
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, PretrainedTokens

IDS = {word: place for place, word in enumerate(SPECIAL + WORDS)}
TEXTS = ["a fine film", "the film was cold .", "weak"] * 10


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a model"
    path.mkdir()
    save_tokenizer(path)
    return path


def read(name: Path | str) -> Tokenizer:
    return fit(PretrainedTokens(name=str(name)), [])


def ids(text: str) -> list[int]:
    return [IDS[word] for word in text.split()]


def spec(folder: Path, source: dict[str, Any], max_length: int = 6) -> DataSpec:
    text = {"tokenizer": {"type": "pretrained", "name": str(folder)}, "max_length": max_length}
    return DataSpec.model_validate({"source": source, "text": text})


def labelled(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "rows.tsv"
    path.write_text("label\ttext\n" + "".join(f"{n % 2}\t{text}\n" for n, text in enumerate(TEXTS)))
    return {"type": "labelled_text", "path": str(path)}


def test_rows_have_special_tokens_and_keep_the_closing_one_when_they_are_cut(folder: Path) -> None:
    rows = encode_rows(read(folder), ["a film", "the film was cold"], 5)
    assert rows.tolist() == [ids("[CLS] a film [SEP] [PAD]"), ids("[CLS] the film was [SEP]")]


def test_running_text_has_none(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_text("the film was cold . " * 30)
    store = prepare(
        spec(folder, {"type": "text", "path": str(path)}), "language_modelling", tmp_path / "store"
    )
    x, y = store.split("train")
    assert x[0].tolist() == ids("the film was cold . the")
    assert y[0].tolist() == ids("film was cold . the film")
    assert store.manifest.padding is None


@pytest.mark.parametrize(
    ("settings", "padding", "expected"),
    [
        ({"pad_token": "[UNK]"}, None, "[UNK]"),
        ({"pad_token": {"content": "[SEP]", "lstrip": False}, "eos_token": "[UNK]"}, None, "[SEP]"),
        ({"eos_token": "[SEP]"}, None, "[SEP]"),
        ({"eos_token": "[SEP]"}, {"length": 9}, "[PAD]"),
        (None, {"length": 9}, "[PAD]"),
    ],
)
def test_which_token_fills_up(folder: Path, settings: Any, padding: Any, expected: str) -> None:
    from tokenizers import Tokenizer as Library

    (folder / "tokenizer_config.json").unlink()
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if padding is not None:
        library = Library.from_file(str(folder / "tokenizer.json"))
        library.enable_padding(**padding)
        library.enable_truncation(3)
        library.save(str(folder / "tokenizer.json"))
    tokenizer = read(folder)
    assert tokenizer.padding == IDS[expected]
    assert encode_rows(tokenizer, ["a film was"], 6).tolist() == [ids(f"[CLS] a film was [SEP] {expected}")]


def test_the_vocabulary_reaches_to_the_largest_token(folder: Path) -> None:
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["beyond"] = 500
    (folder / "tokenizer.json").write_text(json.dumps(content))
    assert read(folder).num_tokens == 501


def test_new_texts_are_read_without_the_folder(folder: Path, tmp_path: Path) -> None:
    manifest = prepare(spec(folder, labelled(tmp_path)), "text_classification", tmp_path / "store").manifest
    shutil.rmtree(folder)
    assert manifest.tokenizer is not None
    assert from_json(manifest.tokenizer).decode(ids("[CLS] a film [SEP]")) == "a film"
    row = preprocess(np.array(["the film was cold ."], dtype=object), manifest)
    assert row.tolist() == [ids("[CLS] the film was cold [SEP]")]
    assert (manifest.padding, manifest.num_tokens) == (0, len(IDS))


def test_the_store_is_named_by_the_content_of_the_tokenizer(folder: Path, tmp_path: Path) -> None:
    source = labelled(tmp_path)
    copy = Path(shutil.copytree(folder, tmp_path / "a copy"))
    first = fingerprint(spec(folder, source), "text_classification")
    assert fingerprint(spec(copy, source), "text_classification") == first
    (copy / "tokenizer_config.json").write_text('{"pad_token": "[SEP]"}')
    assert fingerprint(spec(copy, source), "text_classification") != first


class TestRefused:
    def test_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"must be the folder of a model, but .*/none is none"):
            read(tmp_path / "none")

    def test_a_folder_without_a_tokenizer(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"needs a tokenizer.json, but .* has none"):
            read(tmp_path)

    def test_a_name_on_the_hub_without_a_network(self) -> None:
        with pytest.raises(
            DataError, match=r"some/model cannot be had from there \(it is not in .*\); correct"
        ):
            read("some/model")

    @pytest.mark.parametrize("name", ["not a name!", "a/b/c", "data"])
    def test_no_name_of_the_hub(self, name: str) -> None:
        with pytest.raises(DataError, match="cannot be had from there"):
            read(name)

    def test_neither_padding_nor_end(self, folder: Path) -> None:
        (folder / "tokenizer_config.json").unlink()
        with pytest.raises(DataError, match=r"must have a padding or an end token, but .* has neither"):
            read(folder)

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"model": {"vocab": 3}}', "\x00"])
    def test_a_damaged_tokenizer(self, folder: Path, content: str) -> None:
        (folder / "tokenizer.json").write_text(content)
        with pytest.raises(DataError):
            read(folder)

    def test_no_utf_8(self, folder: Path) -> None:
        (folder / "tokenizer.json").write_bytes(b"\xff\xfe")
        with pytest.raises(DataError, match="a tokenizer must be UTF-8"):
            read(folder)

    def test_no_room_beside_the_special_tokens(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="room for the tokenizer's special tokens \\(2\\), but found 2"):
            prepare(spec(folder, labelled(tmp_path), 2), "text_classification", tmp_path / "store")
