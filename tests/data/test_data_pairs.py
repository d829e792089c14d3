"""Pairs of texts: both columns, what stands between them, and how the longer one is cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pretrained_models import SPECIAL, WORDS, save_tokenizer

from tuner.data import Manifest, fingerprint, prepare, preprocess, read_inputs
from tuner.data.tokens import ByteTokenizer, PretrainedTokenizer, fit, from_json
from tuner.errors import DataError
from tuner.spec.sections import ByteTokens, DataSpec, PretrainedTokens

IDS = {word: place for place, word in enumerate(SPECIAL + WORDS)}
TASK = "text_classification"
ROWS = [("yes", "a fine film", "fine"), ("no", "the film was cold .", "a warm film")] * 10
PAIR: dict[str, Any] = {"text": ["premise", "hypothesis"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    path.mkdir()
    save_tokenizer(path)
    return path


def table(path: Path, header: str | None = "label\tpremise\thypothesis", rows: Any = ROWS) -> Path:
    path.write_text("\n".join([*([header] if header else []), *("\t".join(row) for row in rows)]) + "\n")
    return path


def spec(path: Path, tokenizer: Any = "byte", max_length: int = 32, **source: Any) -> DataSpec:
    section = {"type": "labelled_text", "path": str(path)} | PAIR | source
    text = {"tokenizer": tokenizer, "max_length": max_length}
    return DataSpec.model_validate({"source": section, "text": text})


def pretrained(folder: Path) -> dict[str, str]:
    return {"type": "pretrained", "name": str(folder)}


def ids(text: str) -> list[int]:
    return [IDS[word] for word in text.split()]


@pytest.mark.parametrize("tokenizer", ["byte", "character", {"type": "bpe", "vocabulary": 300}], ids=str)
def test_a_separator_beyond_the_vocabulary_stands_between(tmp_path: Path, tokenizer: Any) -> None:
    manifest = prepare(spec(table(tmp_path / "rows.tsv"), tokenizer), TASK, tmp_path / "store").manifest
    assert manifest.tokenizer is not None
    own = from_json(manifest.tokenizer)
    assert manifest.separator == own.num_tokens == own.boundary
    assert manifest.num_tokens == own.num_tokens + 1
    pairs = np.array([row[1:] for row in ROWS[:2]], dtype=object)
    rows = preprocess(pairs, manifest)
    assert [own.decode(row[row > 0].tolist()) for row in rows] == ["\n".join(row[1:]) for row in ROWS[:2]]


def test_a_list_of_one_column_is_that_column(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.tsv")
    one, listed = (prepare(spec(path, text=name), TASK, tmp_path / "s") for name in ("premise", ["premise"]))
    assert (one.split("train").features == listed.split("train").features).all()
    assert read_inputs(path, listed.manifest).ndim == 1


def test_files_without_a_header(tmp_path: Path) -> None:
    with_header, without = table(tmp_path / "a.tsv"), table(tmp_path / "b.tsv", header=None)
    first = prepare(spec(with_header), TASK, tmp_path / "store")
    second = prepare(spec(without, columns=["label", "premise", "hypothesis"]), TASK, tmp_path / "store")
    assert (first.split("train").features == second.split("train").features).all()
    assert first.manifest.class_names == ("no", "yes")


def test_new_pairs_are_read_and_prepared_as_in_training(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.tsv")
    store = prepare(spec(path), TASK, tmp_path / "store")
    new = table(tmp_path / "new.tsv", "hypothesis\tpremise", [row[:0:-1] for row in ROWS[:2]])
    pairs = read_inputs(new, store.manifest)
    assert pairs.tolist() == [list(row[1:]) for row in ROWS[:2]]
    known = {tuple(row) for row in store.split("train").features}
    assert all(tuple(row) in known for row in preprocess(pairs, store.manifest))


@pytest.mark.parametrize("room", range(2, 9))
def test_the_longer_text_is_cut_first_as_in_the_library(folder: Path, room: int) -> None:
    library = fit(PretrainedTokens(name=str(folder)), [])
    for first in range(1, 8):
        for second in range(1, 8):
            own = ByteTokenizer().encode_pair("a" * first, "b" * second, room + 1).tolist()
            found = library.encode_pair("a " * first, "film " * second, room + 3).tolist()
            assert own.count(98) == found.count(IDS["a"])
            assert own.count(99) == found.count(IDS["film"])
            assert own.count(98) + own.count(99) == min(room, first + second)


def test_a_pretrained_tokenizer_has_its_own_template(folder: Path, tmp_path: Path) -> None:
    data = spec(table(tmp_path / "rows.tsv"), pretrained(folder), 10)
    manifest = prepare(data, TASK, tmp_path / "store").manifest
    assert (manifest.separator, manifest.num_tokens) == (IDS["[SEP]"], len(IDS))
    rows = preprocess(np.array([["a fine film", "fine"], ["the film was cold .", "a warm"]]), manifest)
    assert rows.tolist() == [
        ids("[CLS] a fine film [SEP] fine [SEP] [PAD] [PAD] [PAD]"),
        ids("[CLS] the film was cold . [SEP] a warm [SEP]"),
    ]


def test_a_text_that_spells_the_separator_does_not_end_there(folder: Path) -> None:
    tokenizer = fit(PretrainedTokens(name=str(folder)), [])
    found = tokenizer.encode_pair("a [SEP] film", "fine", 12).tolist()
    assert found.index(IDS["[SEP]"]) > found.index(IDS["film"])
    assert tokenizer.encode_row("a [SEP] film", 12).tolist() == ids("[CLS] a [SEP] film [SEP]")


@pytest.mark.parametrize(
    ("pair", "separator"),
    [
        ("[CLS] $A [SEP] [SEP] $B [SEP]", None),
        ("[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", IDS["[SEP]"]),
        ("[SEP]:0 $A:0 [SEP]:0 $B:1", "error"),
        ("$A:0 [SEP]:0 $B:1 [CLS]:2", "error"),
        ("$A:0 $B:1", "error"),
        ("$A:1 [SEP]:1 $B:1", "error"),
    ],
)
def test_what_tells_the_second_text(folder: Path, pair: str, separator: Any) -> None:
    from tokenizers import Tokenizer, processors

    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    special = [(token, IDS[token]) for token in ("[CLS]", "[SEP]")]
    library.post_processor = processors.TemplateProcessing(single="$A", pair=pair, special_tokens=special)
    tokenizer = PretrainedTokenizer(library.to_str(), 0)
    if separator == "error":
        with pytest.raises(DataError, match="must put a special token between two texts"):
            tokenizer.separator  # noqa: B018
    else:
        assert tokenizer.separator == separator


@pytest.mark.parametrize("is_pretrained", [False, True])
def test_no_room_for_both(folder: Path, is_pretrained: bool) -> None:
    kind = PretrainedTokens(name=str(folder)) if is_pretrained else ByteTokens()
    num_special = 3 if is_pretrained else 1
    rule = rf"special tokens \({num_special}\) and a token of each text, but found {num_special + 1}"
    assert len(fit(kind, []).encode_pair("a film", "fine", num_special + 2)) == num_special + 2
    with pytest.raises(DataError, match=rule):
        fit(kind, []).encode_pair("a film", "fine", num_special + 1)


def test_a_pair_that_lacks_a_text(tmp_path: Path) -> None:
    rows = [*ROWS, ("yes", "a film", "")]
    with pytest.raises(
        DataError, match=r"must have both texts, but row 21 of .*rows.tsv \(the first one is 1\) lacks one"
    ):
        prepare(spec(table(tmp_path / "rows.tsv", rows=rows)), TASK, tmp_path / "store")


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.tsv")
    with pytest.raises(DataError, match="must have the column 'hypotheses'.*did you mean 'hypothesis'"):
        prepare(spec(path, text=["premise", "hypotheses"]), TASK, tmp_path / "store")


def test_new_pairs_in_lines(tmp_path: Path) -> None:
    manifest = prepare(spec(table(tmp_path / "rows.tsv")), TASK, tmp_path / "store").manifest
    (tmp_path / "new.txt").write_text("a film\n")
    with pytest.raises(
        DataError, match="a model of pairs of texts takes a file ending in .csv, .tsv, .jsonl, .pa"
    ):
        read_inputs(tmp_path / "new.txt", manifest)


def test_single_texts_keep_the_name_of_their_store(tmp_path: Path) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text("label\ttext\nx\ta film\ny\tno film\n")
    data = spec(path, max_length=16, text="text")
    known = "049e7c38e53b91f6f9a487bd2f9597bfc246bad9ce165750965adb336f933e59"
    assert fingerprint(data, TASK) == known


def test_a_manifest_of_an_earlier_version_has_no_separator(tmp_path: Path) -> None:
    manifest = prepare(spec(table(tmp_path / "rows.tsv")), TASK, tmp_path / "store").manifest
    lines = [line for line in manifest.to_json().split("\n") if "separator" not in line]
    assert Manifest.from_json("\n".join(lines)).separator is None
