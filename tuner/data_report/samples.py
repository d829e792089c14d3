"""Rows to look at: of tables values, of tokens text, of images pictures."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import numpy as np

from tuner.data import Manifest, Store, tokens
from tuner.data.table import AnyArray
from tuner.data.waves import without_end
from tuner.data_report import png, sound
from tuner.data_report.columns import raw_columns, rounded
from tuner.data_report.numbers import evenly, unscaled
from tuner.data_report.report import Kind, Sample
from tuner.spec.sections import AudioSpec
from tuner.tasks import RULES

MOST_CHARACTERS = 400
MOST_CLASSES = 10
IMAGES_A_CLASS = 4
OTHERS = 6
"""Rows of a table or texts, at least one of each class that is shown."""


class Sampler:
    """Makes samples of the rows of a store."""

    def __init__(self, store: Store, *, with_pictures: bool = True) -> None:
        """`with_pictures`: a sample of an image holds its picture."""
        manifest = store.manifest
        self.splits = {split: store.split(split) for split in manifest.sizes}
        self._files = {split: store.files(split) for split in manifest.sizes}
        self._manifest = manifest
        self._kind = kind_of(manifest)
        self._with_pictures = with_pictures
        self._tokenizer = None if manifest.tokenizer is None else tokens.from_json(manifest.tokenizer)

    def sample(self, split: str, row: int) -> Sample:
        """Of the row at place `row`."""
        features, targets = (part[row : row + 1][0] for part in self.splits[split])
        values = text = picture = None
        if self._kind == "table":
            values = tuple(column.shown(0) for column in raw_columns(features[None], self._manifest))
        elif self._kind == "tokens":
            assert self._tokenizer is not None
            text = self._tokenizer.decode(features.tolist())
            if RULES[self._manifest.task].data == "pairs":
                text = f"{text}\n{self._tokenizer.decode(targets.tolist())}".rstrip("\n")
            text = _cut(text)
        elif self._with_pictures:
            picture = base64.b64encode(self.picture(split, row)).decode()
        return Sample(
            split=split,
            row=row + 1,
            label=self._label(targets),
            file=self._file(split, row),
            values=values,
            text=text,
            png=picture,
        )

    @property
    def has_pictures(self) -> bool:
        return self._kind == "image"

    @property
    def has_sounds(self) -> bool:
        return self._manifest.audio is not None

    def picture(self, split: str, row: int) -> bytes:
        """PNG of an image, or of a recording's spectrogram."""
        assert self.has_pictures
        return png.picture(self._image(self._features(split, row)))

    def sound(self, split: str, row: int) -> bytes:
        """WAV of a recording: as its spectrogram has it, or as it is where rows are waves."""
        assert self.has_sounds
        spec, features = AudioSpec.model_validate(self._manifest.audio), self._features(split, row)
        if self._manifest.are_waves:
            return sound.wav_of_samples(without_end(features), spec.sample_rate)
        (log_mel,) = raw_image(features, self._manifest)
        return sound.wav_of(log_mel, spec)

    def _features(self, split: str, row: int) -> AnyArray:
        (features,) = self.splits[split].features[row : row + 1]
        return np.asarray(features)

    def _file(self, split: str, row: int) -> str | None:
        files = self._files[split]
        return None if files is None else bytes(files[row]).decode(errors="replace")

    def _image(self, features: AnyArray) -> AnyArray:
        raw = raw_image(features, self._manifest)
        return raw if self._manifest.audio is None else raw[:, ::-1]  # low tones stand below

    def samples(self, split: str) -> tuple[Sample, ...]:
        """A few rows: the first of each class, or where there are none evenly spaced ones."""
        return tuple(self.sample(split, int(row)) for row in self._rows(split))

    def _rows(self, split: str) -> Iterator[int]:
        targets = np.asarray(self.splits[split].targets)
        if self._manifest.num_classes is None:
            yield from evenly(len(targets), OTHERS)
            return
        num_classes = min(self._manifest.num_classes, MOST_CLASSES)
        each = IMAGES_A_CLASS if self._kind == "image" else -(-OTHERS // num_classes)
        for label in range(num_classes):
            yield from np.flatnonzero(targets == label)[:each]

    def _label(self, target: AnyArray) -> str | float | None:
        if self._manifest.class_names is not None:
            return self._manifest.class_names[int(target)]
        return rounded(float(target)) if np.ndim(target) == 0 else None


def kind_of(manifest: Manifest) -> Kind:
    if manifest.tokenizer is not None:
        return "tokens"
    return "image" if manifest.feature_names is None else "table"


def raw_image(image: AnyArray, manifest: Manifest) -> AnyArray:
    """[channels, height, width] in raw units, or [rows, ...] of such; of waves their spectrograms."""
    if manifest.are_waves:
        return sound.spectrograms_of(image, AudioSpec.model_validate(manifest.audio))
    if manifest.mean is None or manifest.std is None:
        return image
    # Spectrograms are standardised band by band, images channel by channel.
    axis = -3 if manifest.audio is None else -2
    parts = zip(np.moveaxis(image, axis, 0), manifest.mean, manifest.std, strict=True)
    return np.stack([unscaled(part, mean, std) for part, mean, std in parts], axis=axis)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " ..."
