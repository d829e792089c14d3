"""What is said of the data: of tables, targets, images and tokens, in raw units, and which rows are equal."""

from __future__ import annotations

import base64
import io
import json
import struct
import wave
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_recordings import PATTERN, write_tones, write_wav
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data import Split, Store, equal_rows, prepare
from tuner.data.spectrogram import LogMel
from tuner.data_report import DataReport, as_html, leakage, png, sound, summarise, words
from tuner.data_report.association import association
from tuner.data_report.columns import raw_columns
from tuner.data_report.numbers import distribution, evenly, unscaled
from tuner.data_report.samples import Sampler
from tuner.data_report.words import number
from tuner.spec.sections import AudioSpec, DataSpec

Report = Callable[..., DataReport]
TABULAR = "tabular_classification"


@pytest.fixture
def store_of(tmp_path: Path) -> Callable[..., Store]:
    def call(source: dict[str, Any], task: str = TABULAR, **fields: Any) -> Store:
        return prepare(DataSpec.model_validate({"source": source, **fields}), task, tmp_path / "store")

    return call


@pytest.fixture
def report(store_of: Callable[..., Store]) -> Report:
    """report(source mapping, task, **other data fields) -> DataReport."""
    return lambda *arguments, **fields: summarise(store_of(*arguments, **fields), "name", {})


def table(path: Path, lines: list[str], header: str = "size,colour,y") -> dict[str, Any]:
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return {"type": "csv", "path": str(path), "label": "y"}


def by_split(folder: Path, train: list[str], val: list[str], test: list[str]) -> dict[str, Any]:
    parts = {"train": train, "val": val, "test": test}
    sources = {name: table(folder / f"{name}.csv", lines)["path"] for name, lines in parts.items()}
    return {"type": "csv", "path": sources, "label": "y"}


def found(report: DataReport, words: str) -> bool:
    return any(words in sentence for sentence in report.findings)


# --- tables ---


def test_rows_classes_and_gaps_of_each_split(report: Report, tmp_path: Path) -> None:
    train = [f"{place},red,{'ab'[place % 3 == 0]}" for place in range(28)] + [",blue,a", ",,b"]
    source = by_split(tmp_path, train, ["1,red,a", "2,,b"], ["3,red,a", "oops,red,a"])
    shown = report(source, clean={"missing": "median", "invalid": "drop"})

    assert [(split.name, split.rows, split.classes) for split in shown.splits] == [
        ("train", 30, (19, 11)),
        ("val", 2, (1, 1)),
        ("test", 1, (1, 0)),
    ]
    assert shown.class_names == ("a", "b")
    size, colour = shown.columns or ()
    assert (size.missing, size.fill) == ({"train": 2, "val": 0, "test": 0}, 13.5)
    assert (colour.missing, colour.fill) == ({"train": 1, "val": 1, "test": 0}, "red")
    assert [(share.name, share.count) for share in colour.categories or ()] == [("red", 29), ("blue", 1)]
    assert colour.num_categories == 2
    assert shown.dropped["value_invalid"].examples[0].row == 2
    assert found(shown, "test has no row of class 'b'")


def test_gaps_whose_rows_are_dropped_are_counted_too(report: Report, tmp_path: Path) -> None:
    lines = [f"{place},red,{'ab'[place % 2]}" for place in range(40)]
    lines[5] = ",red,b"
    shown = report(table(tmp_path / "rows.csv", lines), clean={"missing": "drop"})
    size = (shown.columns or ())[0]
    assert sum((size.missing or {}).values()) == shown.dropped["value_missing"].count == 1
    assert size.fill is None


@pytest.mark.parametrize("standardise", [True, "robust", False])
@pytest.mark.parametrize("categories", ["onehot", "ordinal"])
def test_columns_are_in_raw_units(report: Report, tmp_path: Path, standardise: Any, categories: str) -> None:
    train = [f"{place * 1000},{('red', 'blue', 'green')[place % 3]},{'ab'[place % 2]}" for place in range(30)]
    source = by_split(tmp_path, train, ["1,red,a"], ["7,pink,b"])
    shown = report(source, standardise=standardise, encode={"categories": categories})

    size, colour = shown.columns or ()
    assert size.numbers is not None
    assert (size.numbers.quantiles[0], size.numbers.quantiles[-1]) == (0, 29_000)
    assert size.numbers.mean == pytest.approx(14_500)
    assert {share.name: share.count for share in colour.categories or ()} == dict.fromkeys(
        ("red", "blue", "green"), 10
    )
    assert shown.samples[0].values == (0.0, "red")
    assert {sample.label for sample in shown.samples} == {"a", "b"}
    store = Store.open(Path(shown.store))
    unknown = list(raw_columns(np.asarray(store.split("test").features), store.manifest))[1]
    assert unknown.shown(0) == "(another)"


def test_a_store_that_counted_no_gaps(store_of: Callable[..., Store]) -> None:
    """Stores of earlier versions have no such line in their manifest, or no columns."""
    store = store_of({"type": "sklearn", "name": "iris"})
    old = replace(store, manifest=replace(store.manifest, missing=None, columns=None))
    shown = summarise(old, "name", {})
    assert [column.name for column in shown.columns or ()] == list(store.manifest.feature_names or ())
    assert {column.missing for column in shown.columns or ()} == {None}


def test_targets_of_a_regression(report: Report) -> None:
    shown = report({"type": "sklearn", "name": "diabetes"}, "regression")
    train = shown.splits[0]
    assert train.classes is None
    assert train.targets is not None
    assert sum(train.targets.counts) == train.rows == shown.looked_at
    assert 25 <= train.targets.quantiles[0] < train.targets.mean < train.targets.quantiles[-1] <= 346
    tells = {column.name: column.association for column in shown.columns or ()}
    assert max(tells, key=tells.__getitem__) == "bmi"
    assert len(shown.samples) == 6


def test_what_tells_the_target_alone_and_what_tells_nothing(report: Report, tmp_path: Path) -> None:
    lines = [f"{place % 2 * 5},same,{'ab'[place % 2]}" for place in range(60)]
    shown = report(table(tmp_path / "rows.csv", lines))
    assert [column.association for column in shown.columns or ()] == [pytest.approx(1), 0]
    assert found(shown, "the target can be told from column 'size' alone")
    assert found(shown, "nothing can be learned from column 'colour'")


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("is_classes", [True, False])
def test_associations(is_text: bool, is_classes: bool) -> None:
    """1 where one follows from the other, near 0 by chance, also for a text of its own in every row."""
    draw = np.random.default_rng(0)
    classes = draw.integers(4, size=2000)
    target = classes if is_classes else classes.astype(float)
    same = 3 - classes

    def tells(values: Any) -> float:
        return association(values, target, is_text=is_text, is_classes=is_classes)

    expected = (
        1.0 if is_text or not is_classes else association(same, classes, is_text=False, is_classes=True)
    )
    assert tells(same) == pytest.approx(expected)
    assert expected > 0.99
    assert tells(draw.integers(4, size=2000)) < 0.01
    assert tells(np.zeros(2000, dtype=int)) == 0
    if is_text:
        assert tells(np.arange(2000)) == 0


def test_dates_and_numbers_that_are_text(report: Report, tmp_path: Path) -> None:
    header = "day,at,price,sum,word,y"
    cells = '{}.3.2024,2024-03-01 1{}:30,"{},5","1,{}00",{},{}'
    lines = [cells.format(1 + n % 28, n % 9, n % 7, n % 9, n % 3, n % 2) for n in range(60)]
    source = table(tmp_path / "rows.csv", lines, header)
    shown = report(source)
    assert found(shown, "dates stand in columns 'day', 'at' as text, each a category of its own; give what")
    assert found(shown, "numbers with commas stand in columns 'price', 'sum' as text, each a category")


OTHERS = [("red", "3,5"), ("1.2.3", "1.2.4"), ("1-2", "3-4"), ("a,1", "b,1"), ("1,2,3", "4,5,6")]


@pytest.mark.parametrize("cells", OTHERS)
def test_other_texts_are_no_dates_and_no_numbers(
    report: Report, tmp_path: Path, cells: tuple[str, str]
) -> None:
    lines = [f'{place},"{cells[place % 2]}",{"ab"[place % 3 // 2]}' for place in range(60)]
    shown = report(table(tmp_path / "rows.csv", lines))
    assert not found(shown, "as text")


def test_values_far_from_the_others(report: Report, tmp_path: Path) -> None:
    lines = [f"{place},{place % 7},{100 + place if place else 1e7}" for place in range(60)]
    source = table(tmp_path / "rows.csv", [*lines, "1e6,3,100"] * 5, "id,size,y")
    shown = report(source, "regression")
    assert found(
        shown,
        "values are far from the others in column 'id': it goes up to 1,000,000, and half of the values lie",
    )
    assert found(shown, "values of the target are far from the others: it goes up to 10,000,000, and half")
    assert not found(shown, "'size'")
    clipped = {"method": "quantile", "limit": 0.05}
    assert not found(report(source, "regression", clean={"outliers": clipped}), "'id'")


def test_cleaning_that_drops_much_and_classes_that_are_rare(report: Report, tmp_path: Path) -> None:
    lines = [f"{place},red,{'b' if place % 33 == 3 else 'a'}" for place in range(200)]
    lines += ["none,red,a"] * 20
    shown = report(table(tmp_path / "rows.csv", lines), clean={"invalid": "drop"})
    assert found(shown, "cleaning dropped 20 of 220 rows (9.1%)")
    assert found(shown, "train has fewer than 10 rows of class 'b'")
    assert found(shown, "classes are far from balanced: 136 training rows of 'a', 4 of 'b'")
    assert found(shown, "compare with val/f1, which is that of 'b' alone")
    shown = report(table(tmp_path / "three.csv", [*lines[:200], *["1,red,c"] * 6]))
    assert found(shown, "val/f1, which counts each class the same")


# --- equal rows ---


def test_rows_that_leak_and_rows_that_contradict(report: Report, tmp_path: Path) -> None:
    train = [f"{place},red,{'ab'[place % 2]}" for place in range(20)] + ["0,red,a", "-0.0,red,b"]
    source = by_split(tmp_path, train, ["1,red,b", "1,red,b", "99,red,a"], ["99,red,b", "5,red,b", "1,red,b"])
    shown = report(source)

    leaks = {(shared.also_in, shared.split): shared.pairs for shared in shown.leakage.shared}
    assert {pair: found.count for pair, found in leaks.items()} == {
        ("train", "val"): 2,
        ("train", "test"): 2,
        ("val", "test"): 1,
    }
    one, other = leaks["train", "test"].examples[0]
    assert ((one.split, one.row), (other.split, other.row)) == (("train", 6), ("test", 2))
    assert one.values == other.values == (5.0, "red")
    assert shown.leakage.repeated == {"train": 1, "val": 1, "test": 0}
    contradictions = shown.leakage.contradictions
    assert contradictions is not None
    assert contradictions.count == 5  # 0 with a twice and with b, 99 with both
    assert {one.label for pair in contradictions.examples for one in pair} == {"a", "b"}
    assert found(shown, "rows of val that stand in train too: 2 (66.7%)")
    assert shown.leakage.compared == 28


def test_no_equal_rows_are_found_where_they_are_dropped(report: Report, tmp_path: Path) -> None:
    """Also of rows that only cleaning makes equal; other labels stay."""
    train = ["1,red,a", "2,red,b", "3,red,a", "4,red,b", "5,red,a", ",red,a"]
    source = by_split(tmp_path, train, ["100,red,a"], ["2,blue,b", "2,green,b", "3,red,b"])
    clean = {"missing": "median", "outliers": {"method": "quantile", "limit": 0.1}}
    for duplicates, shared, again in (("keep", [1, 0, 0], [1, 0, 1]), ("drop", [0, 0, 0], [0, 0, 0])):
        leakage = report(source, clean={**clean, "duplicates": duplicates}).leakage
        assert [each.pairs.count for each in leakage.shared] == shared
        assert list(leakage.repeated.values()) == again
        assert leakage.contradictions is not None
        assert leakage.contradictions.count == (3 if duplicates == "keep" else 2)


class NoSamples:
    """Stands for a sampler where examples do not matter."""

    def sample(self, split: str, row: int) -> tuple[str, int]:
        return split, row


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.sampled_from(["train", "val", "test"]), st.integers(0, 5), st.integers(0, 1))))
def test_equal_rows_are_those_of_a_plain_count(drawn: list[tuple[str, int, int]]) -> None:
    parts = {name: [row[1:] for row in drawn if row[0] == name] for name in ("train", "val", "test")}
    splits = {
        name: Split(
            np.array([[x, -x, 1] for x, _ in rows], dtype=np.float32).reshape(-1, 3),
            np.array([y for _, y in rows], dtype=np.int64),
        )
        for name, rows in parts.items()
    }
    shown = leakage.find(splits, NoSamples(), has_labels=True)
    for shared in shown.shared:
        assert shared.pairs.count == sum(row in parts[shared.also_in] for row in parts[shared.split])
    assert shown.repeated == {name: len(rows) - len(set(rows)) for name, rows in parts.items()}
    labels: dict[int, set[int]] = {}
    for _, x, y in drawn:
        labels.setdefault(x, set()).add(y)
    assert shown.contradictions is not None
    assert shown.contradictions.count == sum(len(labels[x]) > 1 for _, x, _ in drawn)


def test_equal_hashes_alone_are_no_equal_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equal_rows, "_hashes", lambda *_: np.zeros(3, dtype=np.uint64))
    rows = Split(np.array([[1], [2], [1]], np.float32), np.arange(3))
    shown = leakage.find({"train": rows}, NoSamples(), has_labels=False)
    assert shown.repeated == {"train": 1}


def test_of_very_many_rows_evenly_spaced_ones_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leakage, "MOST_VALUES", 50)
    rows = Split(np.zeros((100, 1), np.float32), np.zeros(100))
    shown = leakage.find({"train": rows}, NoSamples(), has_labels=True)
    assert (shown.compared, shown.repeated["train"]) == (50, 49)


# --- images and texts ---


def pixels_of(content: bytes) -> np.ndarray:
    """[height, width, channels] of a PNG as we write it."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
    assert depth == 8
    start = content.index(b"IDAT") + 4
    length = struct.unpack(">I", content[start - 8 : start - 4])[0]
    lines = np.frombuffer(zlib.decompress(content[start : start + length]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, 3 if colour == 2 else 1)


def test_images_are_shown_as_they_were(report: Report, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 6)).astype(np.uint8)
    x[:, :, 0, 0], x[:, :, 0, 1] = 0, 255
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(40) % 2)
    shown = report({"type": "npz", "path": str(tmp_path / "images.npz")}, "image_classification")

    assert (shown.kind, shown.input_shape) == ("image", (3, 4, 6))
    assert shown.images is not None
    assert [(c.quantiles[0], c.quantiles[-1]) for c in shown.images.channels] == [(0, 255)] * 3
    assert [sample.label for sample in shown.samples] == ["0"] * 4 + ["1"] * 4
    originals = [image.transpose(1, 2, 0).tobytes() for image in x]
    for sample in shown.samples:
        assert sample.png is not None
        pixels = pixels_of(base64.b64decode(sample.png))
        assert originals.index(pixels.tobytes()) % 2 == int(str(sample.label))


def test_files_are_named(report: Report, tmp_path: Path) -> None:
    values = {
        "tr/cat/1": 10,
        "tr/cat/2": 90,
        "tr/dog/1": 180,
        "tr/dog/2": 220,
        "va/cat/x": 90,
        "va/dog/y": 30,
    }
    for name, value in values.items():
        file = tmp_path / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png.encode(np.full((4, 4, 1), value, np.uint8)))
    paths = {"train": str(tmp_path / "tr"), "val": str(tmp_path / "va")}
    shown = report({"type": "image_folder", "path": paths}, "image_classification")
    assert [sample.file for sample in shown.samples] == [f"{name}.png" for name in values][:4]
    ((one, other),) = shown.leakage.shared[0].pairs.examples
    assert (words.where(one), words.where(other)) == ("train 2 (tr/cat/2.png)", "val 1 (va/cat/x.png)")
    assert "<figcaption>dog, train 4 (tr/dog/2.png)</figcaption>" in as_html(shown)
    assert {sample.file for sample in report({"type": "sklearn", "name": "iris"}).samples} == {None}


def test_recordings_are_pictures_with_low_tones_below(report: Report, tmp_path: Path) -> None:
    write_tones(tmp_path / "tones", per_speaker=6)
    source = {"type": "audio", "path": str(tmp_path / "tones"), "pattern": PATTERN}
    audio = {"sample_rate": 8000, "mels": 16, "max_seconds": 0.4}
    raw, scaled = (
        report(source, "audio_classification", audio=audio, standardise=standardise)
        for standardise in (False, True)
    )
    assert raw.images is not None
    assert scaled.images is not None
    assert (raw.kind, raw.class_names, raw.images.are_spectrograms) == ("image", ("high", "low"), True)
    assert scaled.images.channels[0].quantiles == pytest.approx(raw.images.channels[0].quantiles, abs=1e-4)
    loudest = {}
    for sample in raw.samples:
        pixels = pixels_of(base64.b64decode(str(sample.png)))
        assert pixels.shape[0] == 16
        loudest[sample.label] = int(pixels.mean(axis=(1, 2)).argmax())
    assert loudest["low"] > loudest["high"]  # a line further down


@pytest.mark.parametrize("standardise", [False, True, "robust"])
def test_silence_is_found_and_no_black_picture(report: Report, tmp_path: Path, standardise: Any) -> None:
    for place, path in enumerate(write_tones(tmp_path / "tones", per_speaker=6)):
        if place % 3 == 0:
            write_wav(path, np.zeros(3200))
    source = {"type": "audio", "path": str(tmp_path / "tones"), "pattern": PATTERN}
    audio = {"sample_rate": 8000, "mels": 16, "max_seconds": 0.4}
    shown = report(source, "audio_classification", audio=audio, standardise=standardise)
    assert shown.images is not None
    assert 5 <= shown.images.num_plain <= 16
    assert found(shown, f"{shown.images.num_plain} training recordings are silent (")
    pictures = [pixels_of(base64.b64decode(str(sample.png))) for sample in shown.samples]
    assert {int(each.max()) for each in pictures} == {128, 255}
    page, text = as_html(shown), words.headline(shown)
    assert "48 recordings of 38 frames in 16 bands" in text
    assert "Training recordings" in page
    assert "images" not in page.partition("</style>")[2]
    assert "ixels" not in page.partition("</style>")[2]


@pytest.mark.parametrize("rate", [8000, 4000])
def test_waves_are_shown_as_spectrograms_and_heard_as_they_are(
    report: Report, tmp_path: Path, rate: int
) -> None:
    for place, path in enumerate(write_tones(tmp_path / "tones", per_speaker=6)):
        if place % 3 == 0:
            write_wav(path, np.zeros(3200))
    source = {"type": "audio", "path": str(tmp_path / "tones"), "pattern": PATTERN}
    audio = {"features": "waves", "sample_rate": rate, "max_seconds": 0.5}
    shown = report(source, "audio_classification", audio=audio)
    assert shown.images is not None
    assert shown.images.are_spectrograms
    assert 5 <= shown.images.num_plain <= 16
    assert found(shown, f"{shown.images.num_plain} training recordings are silent (")
    pictures = [pixels_of(base64.b64decode(str(sample.png))) for sample in shown.samples]
    assert {int(each.max()) for each in pictures} == {128, 255}
    assert f"48 recordings of {rate // 2} samples" in words.headline(shown)
    assert "Training recordings" in as_html(shown)
    store = Store.open(Path(shown.store))
    with wave.open(io.BytesIO(Sampler(store).sound("train", 0))) as file:
        assert (file.getframerate(), file.getnframes()) == (rate, rate * 2 // 5)


def test_images_of_one_colour_are_found(report: Report, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 4, 6)).astype(np.uint8)
    x[:10] = np.array([255, 0, 7])[:, None, None]
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(40) % 2)
    shown = report({"type": "npz", "path": str(tmp_path / "images.npz")}, "image_classification")
    assert shown.images is not None
    assert shown.images.num_plain > 0
    assert found(shown, f"{shown.images.num_plain} training images have one colour only (")


def test_pictures_of_large_and_of_odd_images() -> None:
    assert pixels_of(png.picture(np.arange(300 * 200.0).reshape(1, 300, 200))).shape == (100, 67, 1)
    assert pixels_of(png.picture(np.full((2, 4, 5), 7.0))).tolist() == [[[128]] * 5] * 4


def test_labelled_texts(report: Report, tmp_path: Path) -> None:
    lines = [
        f"{'ab'[place % 2]}\t{'long ' * 9 if place % 4 == 0 else 'short'} {place}" for place in range(80)
    ]
    (tmp_path / "texts.tsv").write_text("\n".join(["label\ttext", *lines]) + "\n")
    shown = report(
        {"type": "labelled_text", "path": str(tmp_path / "texts.tsv")},
        "text_classification",
        text={"tokenizer": "byte", "max_length": 20},
    )
    assert (shown.kind, shown.class_names) == ("tokens", ("a", "b"))
    tokens = shown.tokens
    assert tokens is not None
    assert tokens.lengths["train"].quantiles[-1] == 20
    assert tokens.lengths["train"].quantiles[0] == len("short 1")
    assert sum(tokens.full.values()) == 20
    assert tokens.vocabulary == 257
    assert "long long long long " in {sample.text for sample in shown.samples}
    assert sum(shared.pairs.count for shared in shown.leakage.shared) > 0
    assert found(shown, "of the training rows fill all 20 tokens, so longer texts were cut")


def test_the_fix_for_texts_in_two_splits_works(report: Report, tmp_path: Path) -> None:
    """Those that are equal once they are cut too."""
    lines = [
        f"{'ab'[place % 2]}\t{'long ' * 9 if place % 4 == 0 else 'short'} {place}" for place in range(80)
    ]
    (tmp_path / "texts.tsv").write_text("\n".join(["label\ttext", *lines, *lines[:30]]) + "\n")
    source = {"type": "labelled_text", "path": str(tmp_path / "texts.tsv")}
    text = {"tokenizer": "byte", "max_length": 20}
    before = report(source, "text_classification", text=text)
    assert found(before, "is too good; data.clean.duplicates: drop leaves them out")
    after = report(source, "text_classification", text=text, clean={"duplicates": "drop"})
    assert sum(shared.pairs.count for shared in after.leakage.shared) == 0
    assert sum(after.leakage.repeated.values()) == 0
    assert sum(split.rows for split in after.splits) == 61


def test_running_text(report: Report, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(chr(97 + place * place % 23) for place in range(900)))
    shown = report(
        {"type": "text", "path": str(tmp_path / "text.txt")},
        "language_modelling",
        text={"tokenizer": "character", "max_length": 8},
    )
    assert shown.class_names is None
    assert shown.leakage.contradictions is None
    assert {sample.label for sample in shown.samples} == {None}
    assert shown.tokens is not None
    assert shown.tokens.lengths["val"].quantiles == (8,) * 7
    assert not found(shown, "were cut")
    assert all(split.targets is None and split.classes is None for split in shown.splits)


# --- numbers ---


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=200))
def test_distributions(values: list[float]) -> None:
    found = distribution(np.array(values, dtype=np.float32))
    assert sum(found.counts) == len(values)
    assert list(found.quantiles) == sorted(found.quantiles)
    assert (found.quantiles[0], found.quantiles[-1]) == (min(values), max(values))


def test_numbers_in_words() -> None:
    assert [number(value) for value in (3758.0, 99_999.4, 99_999.6, -1e6, 1e15, 0.123456)] == [
        "3758", "99999", "100,000", "-1,000,000", "1e+15", "0.12346"
    ]  # fmt: skip


def test_rows_that_are_looked_at_are_evenly_spaced() -> None:
    assert evenly(10, 4).tolist() == [0, 2, 5, 7]
    assert evenly(3, 4).tolist() == [0, 1, 2]
    assert evenly(0, 4).tolist() == []


@pytest.mark.parametrize("scale", [1e-9, 1.0, 255.0, 1e9])
def test_standardised_numbers_come_back(scale: float) -> None:
    raw = np.array([0, 1, 7, 255], np.float32) / 255 * np.float32(scale)
    mean, std = float(raw.mean()), float(raw.std())
    back = unscaled((raw - np.float32(mean)) / np.float32(std), mean, std)
    assert back[0] == 0
    np.testing.assert_allclose(back, raw, rtol=0, atol=1e-6 * scale)


def test_a_column_of_zeros_is_zero_and_teaches_nothing(report: Report, tmp_path: Path) -> None:
    lines = [f"0,{place},{'ab'[place % 2]}" for place in range(40)]
    shown = report(table(tmp_path / "rows.csv", lines))
    assert shown.columns is not None
    assert shown.columns[0].numbers is not None
    assert set(shown.columns[0].numbers.quantiles) == {0.0}
    assert found(shown, "nothing can be learned from column 'size': all training rows have one value")


def test_a_value_far_from_the_others_takes_no_digits_from_them() -> None:
    raw = np.array([*range(30_000, 30_200), 3758, 1e9], np.float32)
    mean, std = float(np.float32(raw.mean())), float(np.float32(raw.std()))
    assert unscaled((raw - np.float32(mean)) / np.float32(std), mean, std).tolist() == raw.tolist()


def test_the_report_is_plain(report: Report) -> None:
    shown = report({"type": "sklearn", "name": "iris"})
    plain = json.loads(json.dumps(shown.as_json(), allow_nan=False))
    assert plain["class_names"] == ["setosa", "versicolor", "virginica"]
    assert [split["rows"] for split in plain["splits"]] == [105, 23, 22]
    assert plain["columns"][0]["numbers"]["counts"]
    assert plain["samples"][0]["values"]


# --- sound ---


def test_a_recording_can_be_heard_from_its_spectrogram() -> None:
    spec = AudioSpec(sample_rate=8000, mels=48, max_seconds=0.5)
    seconds = np.arange(4000) / 8000
    for pitch in (440.0, 1800.0):
        log_mel = LogMel(spec)(np.sin(2 * np.pi * pitch * seconds))
        samples = sound.samples_of(log_mel, spec)
        assert samples.shape == (4000,)
        loudest = np.abs(np.fft.rfft(samples)).argmax() * 8000 / 4000
        assert abs(loudest - pitch) < 0.1 * pitch
        again = LogMel(spec)(samples)
        assert np.abs(again.argmax(axis=0) - log_mel.argmax(axis=0)).max() <= 1


def test_silence_stays_silent() -> None:
    spec = AudioSpec(sample_rate=8000, mels=8, max_seconds=0.1)
    content = sound.wav_of(np.full((8, spec.num_frames), -np.inf), spec)
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getframerate(), file.getnframes(), file.getsampwidth()) == (8000, 800, 2)
        assert set(file.readframes(800)) == {0}
