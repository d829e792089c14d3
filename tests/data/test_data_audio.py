"""Recordings: which files, what their names and tables say, splits by speaker, and what cannot be used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from audio_recordings import PATTERN, PITCHES, RATE, SPEAKERS, tone, write_tones, write_wav
from threadpoolctl import threadpool_info, threadpool_limits

from tuner.data import Manifest, Store, fingerprint, input_names, preprocess, read_inputs, sources
from tuner.data import audio as audio_module
from tuner.data.spectrogram import LogMel
from tuner.data.wav import read_wav
from tuner.errors import DataError
from tuner.spec.sections import AudioSpec, DataSpec

TASK = "audio_classification"
AUDIO = {"sample_rate": RATE, "mels": 20, "max_seconds": 0.5}
Prepared = Callable[..., Store]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 tones in a folder whose name quoting would break."""
    folder = tmp_path / "a folder with 'quotes'"
    write_tones(folder)
    return folder


@pytest.fixture
def store_of(prepared: Any) -> Prepared:
    def call(path: Any, pattern: str | None = PATTERN, source: Any = None, **fields: Any) -> Store:
        source = {"type": "audio", "path": path, "pattern": pattern} | (source or {})
        return prepared(source, TASK, **({"audio": AUDIO} | fields))

    return call


def table_of(path: Any, **fields: Any) -> Any:
    return sources.read(source_of(path, **fields))


def source_of(path: Any, **fields: Any) -> Any:
    return DataSpec.model_validate({"source": {"type": "audio", "path": path, **fields}}).source


def all_rows(store: Store) -> tuple[np.ndarray, np.ndarray]:
    splits = [store.split(name) for name in ("train", "val", "test")]
    return tuple(np.concatenate(part) for part in zip(*splits, strict=True))


def test_names_say_label_and_speaker_in_sorted_order(folder: Path) -> None:
    table = table_of(str(folder), pattern=PATTERN)
    names = [Path(path).name for path in table.features]
    assert names == sorted(names)
    assert names[:2] == ["high_ann_0.wav", "high_ann_1.wav"]
    assert table.targets.tolist() == [name.split("_")[0] for name in names]
    assert table.attributes["speaker"].tolist() == [name.split("_")[1] for name in names]
    assert set(table.attributes) == {"speaker", "index"}


@pytest.mark.parametrize(
    ("pattern", "label", "speaker"),
    [
        ("{label}-{speaker}", "a", "b-c_d"),
        ("{speaker}-{label}", "b-c_d", "a"),
        ("{speaker}-{take}_{label}", "d", "a"),
        ("a-{label}-{speaker}_d", "b", "c"),
    ],
)
def test_a_part_ends_where_the_text_after_it_begins(
    tmp_path: Path, pattern: str, label: str, speaker: str
) -> None:
    write_wav(tmp_path / "a-b-c_d.wav", tone(440))
    table = table_of(str(tmp_path), pattern=pattern)
    assert (table.targets[0], table.attributes["speaker"][0]) == (label, speaker)


def test_folders_are_classes(tmp_path: Path) -> None:
    for label in PITCHES:
        write_wav(tmp_path / label / "deep" / label / "1.WAV", tone(440))
        write_wav(tmp_path / label / "2.wav", tone(440))
        (tmp_path / label / ".hidden.wav").touch()
        (tmp_path / label / "notes.txt").touch()
    table = table_of(str(tmp_path))
    assert table.targets.tolist() == ["high", "high", "low", "low"]


def test_a_table_names_files_and_labels(folder: Path, store_of: Prepared) -> None:
    lines = [f"{path.name},{path.stem.split('_')[0]},{path.stem.split('_')[1]}" for path in folder.iterdir()]
    (folder / "rows.csv").write_text("\n".join(["clip,class,who", *lines]) + "\n")
    fields = {"file": "clip", "label": "class"}
    table = table_of(str(folder / "rows.csv"), **fields)
    assert [Path(path).name for path in table.features] == [line.split(",")[0] for line in lines]
    assert table.targets.tolist() == [line.split(",")[1] for line in lines]
    split = {"train": 0.5, "val": 0.25, "test": 0.25, "group": "who"}
    store = store_of(str(folder / "rows.csv"), None, fields, split=split)
    assert store.manifest.sizes == {"train": 20, "val": 10, "test": 10}


def test_a_store_knows_the_file_of_each_row(folder: Path, store_of: Prepared) -> None:
    (folder / "high_ann_0.wav").write_bytes(b"no recording")
    store = store_of(str(folder), clean={"invalid": "drop"})
    found = []
    for split in store.manifest.sizes:
        files = [file.decode() for file in store.files(split)]
        labels = [store.manifest.class_names[label] for label in store.split(split).targets]
        assert [file.split("_")[0] for file in files] == labels
        found += files
    assert sorted(found) == sorted(path.name for path in folder.iterdir() if path.name != "high_ann_0.wav")


def test_rows_are_spectrograms_standardised_by_the_bands_of_training(
    folder: Path, store_of: Prepared
) -> None:
    store = store_of(str(folder))
    manifest, train = store.manifest, store.split("train").features
    assert manifest.input_shape == (1, 20, AudioSpec(**AUDIO).num_frames)
    assert manifest.class_names == ("high", "low")
    assert train.dtype == np.float32
    assert isinstance(train, np.memmap)
    assert Manifest.from_json(manifest.to_json()) == manifest
    np.testing.assert_allclose(train.mean(axis=(0, 1, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(train.std(axis=(0, 1, 3)), 1, atol=1e-4)
    assert abs(store.split("val").features.mean(axis=(0, 1, 3))).max() > 1e-4

    raw = store_of(str(folder), standardise=False)
    assert raw.manifest.mean is None
    spec = AudioSpec(**AUDIO)
    by_hand = [LogMel(spec)(read_wav(path, RATE, 0.5)) for path in sorted(folder.iterdir())]
    rows = {row.tobytes(): target for row, target in zip(*all_rows(raw), strict=True)}
    assert [rows[row.tobytes()] for row in by_hand] == [0] * 20 + [1] * 20
    np.testing.assert_array_equal(
        preprocess(raw.split("test").features, manifest), store.split("test").features
    )


def test_robust_standardisation(folder: Path, store_of: Prepared) -> None:
    raw = store_of(str(folder), standardise=False).split("train").features
    manifest = store_of(str(folder), standardise="robust").manifest
    np.testing.assert_allclose(manifest.mean, np.median(raw, axis=(0, 1, 3)), rtol=1e-5)


def test_speakers_are_in_one_split_each(folder: Path, store_of: Prepared) -> None:
    found = set()
    for seed in range(6):
        split = {"train": 0.5, "val": 0.25, "test": 0.25, "group": "speaker", "seed": seed}
        store = store_of(str(folder), standardise=False, split=split)
        assert store.manifest.sizes == {"train": 20, "val": 10, "test": 10}
        val = {row.tobytes() for row in store.split("val").features}
        spec = AudioSpec(**AUDIO)
        speakers = {
            path.stem.split("_")[1]
            for path in folder.iterdir()
            if LogMel(spec)(read_wav(path, RATE, 0.5)).tobytes() in val
        }
        assert len(speakers) == 1
        found |= speakers
    assert len(found) > 1


def test_files_of_each_split(folder: Path, store_of: Prepared) -> None:
    store = store_of(
        {
            "train": str(folder / "*_[0-2].wav"),
            "val": [str(folder / "*_3.wav")],
            "test": str(folder / "*_4.wav"),
        }
    )
    assert store.manifest.sizes == {"train": 24, "val": 8, "test": 8}


def test_identity_is_names_labels_and_content(folder: Path, tmp_path: Path) -> None:
    def identity(path: Path, **fields: Any) -> str:
        source = {"type": "audio", "path": str(path), **fields}
        return fingerprint(DataSpec.model_validate({"source": source}), TASK)

    shutil.copytree(folder, tmp_path / "moved")
    first = identity(folder, pattern=PATTERN)
    assert identity(tmp_path / "moved", pattern=PATTERN) == first
    assert identity(folder, pattern="{speaker}_{label}_{index}") != first
    assert identity(folder) != identity(tmp_path / "moved")
    moved = tmp_path / "moved" / "low_ann_0.wav"
    moved.rename(moved.with_name("high_ann_9.wav"))
    assert identity(tmp_path / "moved", pattern=PATTERN) != first
    moved.with_name("high_ann_9.wav").rename(moved)
    write_wav(moved, tone(301))
    assert identity(tmp_path / "moved", pattern=PATTERN) != first


def test_each_recipe_is_another_store(folder: Path, store_of: Prepared) -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"mels": 21},
        {"sample_rate": 4000},
        {"window_ms": 30.0},
        {"hop_ms": 9.0},
        {"max_seconds": 0.4},
        {"loudness": "keep"},
    ]
    paths = [store_of(str(folder), audio=AUDIO | change).path for change in changes]
    paths.append(store_of(str(folder), split={"group": "speaker"}).path)
    assert len(set(paths)) == len(paths)


def test_stores_without_recordings_keep_their_names() -> None:
    """Guards `store.CODE_VERSION`: what other sources do not have does not count for them."""
    spec = DataSpec.model_validate({"source": {"type": "two_class"}, "split": {"seed": 3}})
    expected = "8a11e83effd8b485f5ff30d58c25dfdfde9532abaeb3139ba1af625bb87f9da9"
    assert fingerprint(spec, "tabular_classification") == expected


def test_the_second_time_only_hashes_are_read(
    folder: Path, store_of: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store_of(str(folder))
    monkeypatch.setattr(audio_module, "read_wav", None)
    monkeypatch.setattr(sources, "read", None)
    assert store_of(str(folder)) == first


@pytest.mark.parametrize("num_cpus", [1, 3])
def test_the_number_of_cpus_does_not_matter(
    folder: Path, store_of: Prepared, monkeypatch: pytest.MonkeyPatch, num_cpus: int
) -> None:
    first = {file.name: file.read_bytes() for file in store_of(str(folder)).path.iterdir()}
    shutil.rmtree(store_of(str(folder)).path)
    monkeypatch.setattr("os.cpu_count", lambda: num_cpus)
    assert {file.name: file.read_bytes() for file in store_of(str(folder)).path.iterdir()} == first


def test_blas_has_one_thread_beside_those_that_read(
    folder: Path, store_of: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def num_threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    seen = set()

    def read(*arguments: Any) -> Any:
        seen.update(num_threads())
        return read_wav(*arguments)

    monkeypatch.setattr(audio_module, "read_wav", read)
    with threadpool_limits(2, user_api="blas"):
        store_of(str(folder))
        assert num_threads() == {2}
    assert seen == {1}


# --- new recordings ---


def test_new_recordings_are_prepared_as_in_training(folder: Path, store_of: Prepared) -> None:
    store = store_of(str(folder))
    rows = preprocess(read_inputs(folder, store.manifest), store.manifest)
    assert sorted(row.tobytes() for row in rows) == sorted(row.tobytes() for row in all_rows(store)[0])
    names = input_names(folder, store.manifest)
    assert names == sorted(path.name for path in folder.iterdir())
    one = folder / names[3]
    assert input_names(one, store.manifest) == [names[3]]
    np.testing.assert_array_equal(read_inputs(one, store.manifest), read_inputs(folder, store.manifest)[3:4])


def test_new_recordings_that_cannot_be_used(folder: Path, store_of: Prepared, tmp_path: Path) -> None:
    manifest = store_of(str(folder)).manifest
    (tmp_path / "new.mp3").touch()
    with pytest.raises(
        DataError, match=r"a file ending in .wav, or a folder of such, but found .*new.mp3; conv"
    ):
        read_inputs(tmp_path / "new.mp3", manifest)
    with pytest.raises(DataError, match=r"new.wav nothing is there; correct the path"):
        read_inputs(tmp_path / "new.wav", manifest)
    (tmp_path / "new").mkdir()
    with pytest.raises(DataError, match=r"a folder of recordings must hold .wav files, but .*new has none"):
        read_inputs(tmp_path / "new", manifest)
    (tmp_path / "new" / "a.wav").write_text("no sound")
    with pytest.raises(DataError, match=r"must be a WAV file, but .*new/a.wav is not"):
        read_inputs(tmp_path / "new", manifest)


# --- what cannot be used ---


def test_paths_that_lead_nowhere(folder: Path, tmp_path: Path, store_of: Prepared) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "rows.csv").write_text("path,label\nabsent.wav,low\n")
    for path, match in [
        ("absent", r"a recording must be a file, but at .*absent nothing is there; correct the path"),
        ("bare", r"a folder of recordings must hold .wav files, but .*bare has none; correct the path"),
        ("bare/*.wav", r"a pattern must match files, but none matches .*; correct data.source.path"),
        ("rows.csv", r"a recording must be a file, but at .*absent.wav nothing is there; correct the path"),
    ]:
        with pytest.raises(DataError, match=match):
            store_of(str(tmp_path / path), None)


def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    from tuner.data.sources.audio_files import _refuse

    with pytest.raises(
        DataError, match=r"a folder of recordings must be readable, but deep is not: Permission"
    ):
        _refuse(PermissionError(13, "Permission denied", "deep"))


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("path,kind\na.wav,low\n", r"must have the column 'label', but .*rows.csv has none of that name"),
        ("file,label\na.wav,low\n", r"must have the column 'path', but .*rows.csv has none of that name"),
        (
            "path,label\na.wav,low\n,high\n",
            r"must name a file in each row, but .* has none in row 2 \(the first",
        ),
        ("path,label\n", r"has only a header"),
    ],
)
def test_bad_tables(tmp_path: Path, content: str, match: str) -> None:
    (tmp_path / "rows.csv").write_text(content)
    with pytest.raises(DataError, match=match):
        table_of(str(tmp_path / "rows.csv"))


def test_a_group_that_no_column_has(folder: Path, store_of: Prepared) -> None:
    (folder / "rows.csv").write_text("path,label,who\nlow_ann_0.wav,low,ann\nhigh_ann_0.wav,high,\n")
    with pytest.raises(DataError, match="must be a column of the table, but found 'speaker'; .* it has: who"):
        store_of(str(folder / "rows.csv"), None, split={"group": "speaker"})
    with pytest.raises(
        DataError, match="every row must have a value of data.split.group = 'who', but row 2 of 2"
    ):
        store_of(str(folder / "rows.csv"), None, split={"group": "who"})


def test_too_few_speakers(folder: Path, store_of: Prepared) -> None:
    with pytest.raises(
        DataError, match="data.split.group = 'speaker' has only 2 for 3 splits; give more groups"
    ):
        store_of([str(folder / "*_ann_*.wav"), str(folder / "*_bob_*.wav")], split={"group": "speaker"})


def test_one_class(folder: Path, store_of: Prepared) -> None:
    with pytest.raises(DataError, match="at least two classes, but all 20 rows have the label 'low'"):
        store_of(str(folder / "low_*.wav"))


def test_a_class_with_one_file(folder: Path, store_of: Prepared) -> None:
    write_wav(folder / "odd_ann_0.wav", tone(700))
    with pytest.raises(DataError, match=r"'odd' has only 1 row, which is .*/odd_ann_0.wav, and none fall"):
        store_of(str(folder))


FAULTS = {
    "file_empty": (
        "low_ann_7.wav",
        b"",
        "a recording must have samples, but the file .*low_ann_7.wav is empty",
    ),
    "file_unreadable": ("low_ann_7.wav", b"RIFF....WAVE", "must be a WAV file, but .*low_ann_7.wav is not: "),
    "label_missing": ("lowann.wav", b"", r"must match data.source.pattern = .*, but .*lowann.wav does not; "),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_a_fault_is_named_or_counted(folder: Path, store_of: Prepared, reason: str) -> None:
    name, content, match = FAULTS[reason]
    (folder / name).write_bytes(content)
    with pytest.raises(DataError, match=match):
        store_of(str(folder))
    manifest = store_of(str(folder), clean={"invalid": "drop"}).manifest
    assert sum(manifest.sizes.values()) == 40
    (found,) = manifest.dropped.items()
    assert (found[0], found[1].count) == (reason, 1)
    assert found[1].examples[0].file == str(folder / name)


def test_a_table_without_a_label(folder: Path, store_of: Prepared) -> None:
    lines = [f"{path.name},{path.stem.split('_')[0]}" for path in sorted(folder.iterdir())]
    (folder / "rows.csv").write_text("\n".join(["path,label", *lines, "low_ann_0.wav,"]) + "\n")
    with pytest.raises(
        DataError, match="a table must have a label for each recording, but .*low_ann_0.wav has"
    ):
        store_of(str(folder / "rows.csv"), None)
    manifest = store_of(str(folder / "rows.csv"), None, clean={"invalid": "drop"}).manifest
    assert manifest.dropped["label_missing"].count == 1


def test_no_name_matches(folder: Path, store_of: Prepared) -> None:
    with pytest.raises(
        DataError, match="data must have recordings with a label, but none has one; correct data"
    ):
        store_of(str(folder), "{label}-{speaker}", clean={"invalid": "drop"})


def test_a_label_that_training_does_not_have(folder: Path, store_of: Prepared) -> None:
    write_wav(folder / "odd_ann_3.wav", tone(700))
    path = {"train": str(folder / "*_[0-2].wav"), "val": str(folder / "*_3.wav")}
    with pytest.raises(
        DataError, match=r"every label must stand in the training recordings, but .*odd_ann_3.wav"
    ):
        store_of(path)
    manifest = store_of(path, clean={"invalid": "drop"}).manifest
    assert manifest.class_names == ("high", "low")
    assert manifest.sizes == {"train": 24, "val": 8, "test": 0}
    assert manifest.dropped["label_unseen"].count == 1


def test_a_split_of_which_nothing_can_be_read(folder: Path, store_of: Prepared) -> None:
    for label in PITCHES:
        (folder / f"{label}_ann_3.wav").write_bytes(b"")
    path = {"train": str(folder / "*_[0-2].wav"), "val": str(folder / "*_ann_3.wav")}
    with pytest.raises(
        DataError, match="of 26 rows cleaning leaves none in val; relax data.clean or give more"
    ):
        store_of(path, clean={"invalid": "drop"})


def test_the_first_broken_file_is_named(folder: Path, store_of: Prepared) -> None:
    path = {"train": str(folder / "*_[0-2].wav"), "val": str(folder / "*_3.wav")}
    for speaker in SPEAKERS:
        (folder / f"low_{speaker}_2.wav").write_bytes(b"no sound")
        (folder / f"high_{speaker}_3.wav").write_bytes(b"no sound")
    for _ in range(3):
        with pytest.raises(DataError, match=r"low_ann_2.wav is not"):
            store_of(path)
