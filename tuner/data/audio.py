"""Recordings as log-mel spectrograms [1, mels, frames] or waves [samples], for the task that hears.

Files are decoded when it is known which split they are in, on all CPUs, straight into the rows of the store:
in memory are these, and one recording a thread. BLAS has one thread meanwhile: more would contend with those.
Mean and standard deviation are those of each band; waves are not standardised.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tuner.data import standardise
from tuner.data.clean import Cleaned, to_classes
from tuner.data.manifest import Dropped
from tuner.data.origins import Indices, Ledger
from tuner.data.pool import in_order
from tuner.data.rows import check_sizes, known_classes
from tuner.data.sources.audio_files import wav_files
from tuner.data.spectrogram import LogMel
from tuner.data.split import SPLITS, groups_of, split_rows
from tuner.data.stages import Packed, Stage, Stages
from tuner.data.table import AnyArray, FloatArray, Table
from tuner.data.wav import RecordingError, ignore_unknown_chunks, read_wav
from tuner.data.waves import ToWave
from tuner.errors import DataError
from tuner.spec.sections import AudioSpec, DataSpec

_ROWS = 256
"""That are standardised at a time."""

Recordings = tuple[AnyArray, list[RecordingError | None]]
"""Float32 [files, 1, mels, frames] or int16 [files, samples], and for each file what is wrong with it."""


def _pack(recordings: Recordings) -> Packed:
    features, errors = recordings
    about = [error and [error.reason, error.message] for error in errors]
    return Packed({"features": features}, about)


def _unpack(packed: Packed) -> Recordings:
    return packed.arrays["features"], [error and RecordingError(*error) for error in packed.about]


RECORDINGS: Stage[Recordings] = Stage("spectrograms", ("audio",), _pack, _unpack)


@dataclass(frozen=True)
class AudioRows:
    """Prepared splits: (float32 [rows, 1, mels, frames] or int16 [rows, samples], class indices [rows], names
    of files [rows]); not standardised yet."""

    splits: Mapping[str, tuple[AnyArray, AnyArray, AnyArray]]
    audio: AudioSpec
    class_names: tuple[str, ...]
    dropped: Mapping[str, Dropped]


def prepare_audio(table: Table, spec: DataSpec, stages: Stages) -> AudioRows:
    """DataError for recordings that the task cannot use; it names the file."""
    audio = spec.audio or AudioSpec()
    work = _Work(table, spec, *_labelled(table, spec))
    recordings_of = _reader(work, audio, stages)
    rows = _split(work)
    train, rows["train"] = _read(work, rows["train"], recordings_of)
    rows = _with_known_labels(work, rows)
    features = {"train": train}
    for name in ("val", "test"):
        features[name], rows[name] = _read(work, rows[name], recordings_of)
    check_sizes(rows, len(table.targets), spec, is_cut=table.parts is None)
    targets, class_names = known_classes(work.cleaned, rows["train"])
    assert class_names is not None
    files = work.ledger.origins.short_names()[work.kept]
    splits = {name: (features[name], targets[rows[name]], files[rows[name]]) for name in SPLITS}
    return AudioRows(splits, audio, class_names, work.ledger.dropped())


def read_new(path: Path, audio: AudioSpec) -> AnyArray:
    """Rows [files, *audio.row_shape] of a file, or of a folder in the order of names; RecordingError."""
    features, errors = _recordings([str(file) for file in wav_files(path)], audio)
    for error in errors:
        if error is not None:
            raise error
    return features


def fit(features: FloatArray, *, robust: bool) -> standardise.Moments:
    """Of each band; one at a time, for that needs a copy."""
    moments = [standardise.fit(features[:, :, band], robust) for band in range(features.shape[2])]
    mean, std = zip(*moments, strict=True)
    return tuple(value for (value,) in mean), tuple(value for (value,) in std)


def standardised(features: FloatArray, mean: Sequence[float], std: Sequence[float]) -> FloatArray:
    """As new rows."""
    return standardise.apply(features[:, 0], mean, std)[:, None]


def standardise_in_place(features: FloatArray, mean: Sequence[float], std: Sequence[float]) -> None:
    for start in range(0, len(features), _ROWS):
        part = features[start : start + _ROWS]
        part[:] = standardised(part, mean, std)


@dataclass(frozen=True)
class _Work:
    """What the steps look at; their rows are places in `cleaned`."""

    table: Table
    spec: DataSpec
    cleaned: Cleaned
    kept: Indices
    """Of each row its place in the table."""
    ledger: Ledger

    def name(self, row: int) -> str:
        return self.ledger.origins.name(int(self.kept[row]))

    def drop(self, reason: str, row: int, error: DataError) -> None:
        if self.spec.clean.invalid == "error":
            raise DataError(f"{error}, or drop such files with data.clean.invalid") from error
        self.ledger.add(reason, [int(self.kept[row])])


def _labelled(table: Table, spec: DataSpec) -> tuple[Cleaned, Indices, Ledger]:
    """The recordings of which the class is known."""
    assert table.origins is not None
    ledger = Ledger(table.origins)
    is_usable = np.ones(len(table.targets), dtype=bool)
    for fault in table.faults:
        if spec.clean.invalid == "error":
            raise DataError(fault.message)
        ledger.add(fault.reason, fault.rows)
        is_usable[fault.rows] = False
    kept = np.flatnonzero(is_usable)
    if not len(kept):
        raise DataError("data must have recordings with a label, but none has one; correct data.source")
    targets, names = to_classes(replace(table, targets=table.targets[kept].astype(str)))
    return Cleaned(table.features[kept], targets, None, names), kept, ledger


def _split(work: _Work) -> dict[str, Indices]:
    parts, groups = work.table.parts, groups_of(work.table, work.spec.split)
    if parts is not None:
        return {name: np.flatnonzero(parts[work.kept] == name) for name in SPLITS}
    groups = None if groups is None else groups[work.kept]
    return split_rows(work.cleaned, work.spec.split, groups, name_of=work.name)


def _with_known_labels(work: _Work, rows: Mapping[str, Indices]) -> dict[str, Indices]:
    """Without recordings of classes that training does not have."""
    names, targets = work.cleaned.class_names, work.cleaned.targets
    assert names is not None
    is_known = np.isin(targets, targets[rows["train"]])
    for name in SPLITS:
        for row in rows[name][~is_known[rows[name]]]:
            message = (
                f"every label must stand in the training recordings, but {work.cleaned.features[row]} of "
                f"{name} has '{names[targets[row]]}'; correct it"
            )
            work.drop("label_unseen", row, DataError(message))
    return {name: rows[name][is_known[rows[name]]] for name in SPLITS}


def _reader(work: _Work, audio: AudioSpec, stages: Stages) -> Callable[[Indices], Recordings]:
    """Of rows; where they are kept for other stores, all recordings are read at once."""
    if not stages.keeps(RECORDINGS):
        return lambda rows: _recordings(list(work.cleaned.features[rows]), audio)
    features, errors = stages.get(RECORDINGS, lambda: _recordings(list(work.table.features), audio))

    def of_rows(rows: Indices) -> Recordings:
        places = work.kept[rows]
        return features[places], [errors[place] for place in places]

    return of_rows


def _read(
    work: _Work, rows: Indices, recordings_of: Callable[[Indices], Recordings]
) -> tuple[AnyArray, Indices]:
    """Features of those of `rows` that can be read, and these rows."""
    features, errors = recordings_of(rows)
    for row, error in zip(rows, errors, strict=True):
        if error is not None:
            work.drop(error.reason, row, error)
    is_read = np.array([error is None for error in errors], dtype=bool)
    return (features, rows) if is_read.all() else (features[is_read], rows[is_read])


def _recordings(files: Sequence[str], audio: AudioSpec) -> Recordings:
    to_row: ToWave | LogMel = ToWave(audio) if audio.features == "waves" else LogMel(audio)
    features = np.zeros((len(files), *audio.row_shape), dtype=to_row.dtype)

    def fill(place: int) -> RecordingError | None:
        try:
            samples = read_wav(Path(files[place]), audio.sample_rate, audio.max_seconds)
        except RecordingError as error:
            return error
        features[place] = to_row(samples)
        return None

    with warnings.catch_warnings(), threadpool_limits(1, user_api="blas"):
        ignore_unknown_chunks()
        return features, list(in_order(fill, range(len(files))))
