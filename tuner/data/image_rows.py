"""Image files as rows of splits: decoded, without those that cannot be used, over the classes of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tuner.data.clean import Cleaned, to_classes
from tuner.data.columns import Columns, StoredColumns, no_texts
from tuner.data.images import decode_files
from tuner.data.manifest import Dropped
from tuner.data.origins import Indices, Ledger
from tuner.data.pixels import Bytes
from tuner.data.pool import MapChunks
from tuner.data.rows import Work, check_sizes, known_classes, split, with_known_labels
from tuner.data.scratch import Picked, Scratch
from tuner.data.split import SPLITS
from tuner.data.stages import Packed, Stage, Stages
from tuner.data.table import AnyArray, Table
from tuner.errors import DataError
from tuner.spec.sections import DataSpec, ImageSpec

Decoded = tuple[Bytes, dict[int, str]]
"""As `decode_files` returns them."""


def _pack(decoded: Decoded) -> Packed:
    images, wrong = decoded
    return Packed({"images": images}, list(wrong.items()))


def _unpack(packed: Packed) -> Decoded:
    return packed.arrays["images"], dict(packed.about)


DECODED: Stage[Decoded] = Stage("images", ("image",), _pack, _unpack)


@dataclass(frozen=True)
class ImageRows:
    """Prepared splits: (bytes [rows, channels, height, width], class indices [rows], file names [rows])."""

    splits: Mapping[str, tuple[Picked, AnyArray, AnyArray]]
    class_names: tuple[str, ...]
    dropped: Mapping[str, Dropped]


def prepare_images(
    table: Table, spec: DataSpec, scratch: Scratch, map_chunks: MapChunks, stages: Stages
) -> ImageRows:
    """Of a table of files; DataError where they cannot be trained on. The images lie in `scratch`."""
    assert table.origins is not None
    image = spec.image or ImageSpec()

    def decode() -> Decoded:
        files = list(table.features)
        return decode_files(files, image.mode, image.size, zeros=scratch.zeros, map_chunks=map_chunks)

    images, wrong = stages.get(DECODED, decode)
    ledger = Ledger(table.origins)
    kept = _usable(wrong, len(images), spec.clean.invalid, ledger)
    targets, class_names = to_classes(Table(kept, table.targets[kept]))
    cleaned = Cleaned(kept, targets, None, class_names)
    no_columns = Columns((), (), np.empty((len(kept), 0), dtype=np.float32), no_texts(len(kept)))
    work = Work(StoredColumns(no_columns, np.arange(len(kept))), cleaned, kept, ledger)
    rows = split(work, table.parts, spec)
    rows = with_known_labels(work, rows, spec.clean)
    check_sizes(rows, len(table.targets), spec, is_cut=table.parts is None)
    indices, known_names = known_classes(cleaned, rows["train"])
    assert known_names is not None
    files = table.origins.short_names()[kept]
    splits = {
        name: (Picked(images, kept[rows[name]]), indices[rows[name]], files[rows[name]]) for name in SPLITS
    }
    return ImageRows(splits, known_names, ledger.dropped())


def _usable(wrong: Mapping[int, str], num_rows: int, invalid: str, ledger: Ledger) -> Indices:
    if wrong and invalid == "error":
        raise DataError(f"{wrong[min(wrong)]}, or drop such files with data.clean.invalid")
    ledger.add("image_invalid", sorted(wrong))
    kept = np.setdiff1d(np.arange(num_rows), list(wrong))
    if not len(kept):
        raise DataError(f"data must have images that can be used, but none of {num_rows} can: {wrong[0]}")
    return kept
