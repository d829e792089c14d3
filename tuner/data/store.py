"""The prepared store: data is read, checked, split and standardised once, and memory-mapped by every trial.

    store = prepare(experiment.data, "image_classification", store_root)
    x, y = store.split("train")

`<store_root>/<sha256>/` holds manifest.json, {train,val,test}_{features,targets}.npy and sha256sums; of image
files and recordings also {train,val,test}_files.npy, their names. The folder's name is the hash of everything
that decides the rows: the source (a file by its content), the recipe, the task and the code version. It is
written to a temporary name under a lock, fsynced and renamed, so a store is whole or absent. Image files are
stored as bytes, which become standardised float32 rows when they are read (`Pixels`): a quarter of the disk
and of the page cache; waves of recordings as 16 bits (`Waves`): half of both. `prepare` holds the files
against their checksums, and makes a damaged store anew. Files of tables, image files and running text are
prepared in chunks, of which a few are in memory at a time. Training reads rows through the page cache,
shared by all processes of a node.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuner.data import audio, pixels, sources, standardise, tokens, waves
from tuner.data.clean import clean
from tuner.data.columns import columns_of
from tuner.data.converted import Converted
from tuner.data.image_rows import prepare_images
from tuner.data.kept_table import TABLE
from tuner.data.lock import locked
from tuner.data.manifest import Manifest
from tuner.data.pixels import Pixels
from tuner.data.pool import MapChunks, in_order
from tuner.data.remote import fetched
from tuner.data.rows import apply, prepare_rows
from tuner.data.running_text import (
    TOKENS,
    RunningTokens,
    cut_into_rows,
    encode_running,
    join_files,
    write_files,
)
from tuner.data.scratch import Rows, Scratch, scratch_in
from tuner.data.sealed import is_sealed, make_sealed, remove, remove_leftovers, write_array, write_bytes
from tuner.data.shard_cache import ShardCache
from tuner.data.sharded import ShardedArray
from tuner.data.sources.files import reason
from tuner.data.split import rows_of_parts, split_rows
from tuner.data.stages import Stages, stages_folder
from tuner.data.table import AnyArray, Table
from tuner.data.text import TextRows, prepare_texts
from tuner.data.translations import prepare_translations
from tuner.data.waves import Waves
from tuner.errors import DataError
from tuner.spec.sections import (
    DataSpec,
    HuggingFaceSource,
    ImageFolderSource,
    PretrainedTokens,
    TableSource,
    TextSource,
)
from tuner.tasks import RULES

CODE_VERSION = 3
"""Raise it when the same source and recipe give other bytes than before."""

_MANIFEST = "manifest.json"


class Arrays(NamedTuple):
    """One split as it is stored."""

    features: AnyArray
    """Float32, bytes of image files or int16 of waves, [rows, *input_shape]; int32 tokens [rows, length]."""
    targets: AnyArray
    files: AnyArray | None = None
    """[rows]: the names of the files that they were, as bytes; None: files are no rows."""


class RowsAndTargets(NamedTuple):
    """One split on its way to disk, whose features come in blocks."""

    features: Rows
    targets: AnyArray
    files: AnyArray | None = None
    """As in `Arrays`."""


Features = AnyArray | Converted | ShardedArray


class Split(NamedTuple):
    """One split's rows; memory-mapped and read-only when they come from a store."""

    features: Features
    """Float32 [rows, *input_shape]; int32 tokens [rows, length]."""
    targets: AnyArray | ShardedArray
    """[rows]: int64 class indices, or float32 values; [rows, length]: int32 tokens."""

    @property
    def stored_features(self) -> AnyArray | ShardedArray:
        return self.features.stored if isinstance(self.features, Converted) else self.features

    @property
    def sharded(self) -> list[ShardedArray]:
        """Of the two arrays those that are read through a cache."""
        parts = (self.stored_features, self.targets)
        return [part for part in parts if isinstance(part, ShardedArray)]

    def release(self) -> None:
        """The shards that were read up to here are not needed for now."""
        for part in self.sharded:
            part.release()


@dataclass(frozen=True)
class StandardisedRows(Rows):
    """Rows of a table, standardised when they are written."""

    raw: Rows
    moments: standardise.Moments

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.raw.shape

    def blocks(self) -> Iterator[AnyArray]:
        return (standardise.apply(block, *self.moments) for block in self.raw.blocks())


Prepared = Arrays | RowsAndTargets
_Built = tuple[Manifest, Mapping[str, Prepared]]


@dataclass(frozen=True)
class Store:
    """A prepared folder."""

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Store:
        """Open the prepared folder `path`; DataError when it is none."""
        try:
            return cls(path, Manifest.from_json((path / _MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise DataError(
                f"a prepared store must have a readable {_MANIFEST}, but {path} has none "
                f"({reason(error)}); remove that folder and prepare the data again"
            ) from error

    @property
    def is_sound(self) -> bool:
        """Whether every file is there, as it was written; reads them all."""
        return is_sealed(self.path)

    def split(self, name: str, cache: ShardCache | None = None) -> Split:
        """The rows of "train", "val" or "test", memory-mapped; DataError when they are not there.

        Args:
            cache: through which their arrays are read.
        """
        try:
            arrays = [self._load(name, part) for part in ("features", "targets")]
        except Exception as error:
            # What numpy raises for a damaged file depends on the place of the damage.
            raise self._damaged(name, reason(error)) from error
        features, targets = (self._through(cache, array) for array in arrays)
        if len(targets) != self.manifest.sizes[name] or len(features) != len(targets):
            raise self._damaged(name, f"it has {len(features)} rows and {len(targets)} targets")
        if features.dtype == np.uint8:
            return Split(Pixels(features, _moments_of(self.manifest)), targets)
        if self.manifest.are_waves:
            return Split(Waves(features), targets)
        return Split(features, targets)

    def files(self, name: str) -> AnyArray | None:
        """[rows], as bytes: the name of the file that each row of a split was; None where that is not known.

        Raises:
            DataError: they are not there as they were written.
        """
        if not (self.path / _array_name(name, "files")).exists():  # Version 0.1 wrote none.
            return None
        try:
            files = self._load(name, "files")
        except Exception as error:
            # As above.
            raise self._damaged(name, reason(error)) from error
        if len(files) != self.manifest.sizes[name]:
            raise self._damaged(name, f"it has {len(files)} names of files")
        return files

    def _load(self, name: str, part: str) -> AnyArray:
        array: AnyArray = np.load(self.path / _array_name(name, part), mmap_mode="r", allow_pickle=False)
        return array

    def _through(self, cache: ShardCache | None, array: AnyArray) -> AnyArray | ShardedArray:
        if cache is None or not array.nbytes or not array.flags.c_contiguous:
            return array
        assert isinstance(array, np.memmap)
        return ShardedArray(array, self.manifest.sha256, cache)

    def _damaged(self, name: str, found: str) -> DataError:
        return DataError(
            f"a prepared store must hold its {name} split as it was written, but {self.path} does not "
            f"({found}); remove that folder and prepare the data again"
        )


def prepare(
    spec: DataSpec,
    task: str,
    store_root: Path,
    versions: MutableMapping[str, str] | None = None,
    map_chunks: MapChunks = in_order,
    searched: Collection[str] = (),
) -> Store:
    """Prepare the data of `spec` for `task`, or find it prepared (then files are only read for their hashes).

    Args:
        versions: as in `localised`; None: servers are asked for the newest.
        map_chunks: where the work on the chunks of a source is done; it changes no byte.
        searched: names of a search's parameters, where more stores of it follow: what they have in common is
            kept for them until `remove_stages`. It changes no byte either.

    Raises:
        DataError: data cannot be used; nothing is left behind then, but files that were fetched.
    """
    local = localised(spec, store_root, {} if versions is None else versions)
    recipe = _identity(local, task)
    sha256 = _sha256_of(recipe)
    path = store_root / sha256
    store = _find(path)
    if store is None:
        with locked(store_root):
            stages = Stages(stages_folder(store_root), searched, recipe)
            remove_leftovers(store_root)
            remove_leftovers(stages.folder)
            # Another process may have prepared it meanwhile.
            if _find(path) is None:
                remove(path)
                source = spec.source.model_dump(mode="json")

                def build(scratch: Scratch) -> _Built:
                    manifest, splits = _build(local, task, sha256, scratch, map_chunks, stages)
                    return replace(manifest, source=source), splits

                _make(path, build)
        store = Store.open(path)
    return store


def localised(
    spec: DataSpec, store_root: Path, versions: MutableMapping[str, str], *, may_fetch: bool = True
) -> DataSpec:
    """`spec` with the files of its addresses fetched to a folder beside the stores.

    Args:
        versions: address to what was there when it was fetched; what is in it is not asked for again, the
            others are added.
        may_fetch: as in `fetched`.
    """
    source = fetched(spec.source, store_root.with_name(".fetched"), versions, may_fetch=may_fetch)
    return spec.model_copy(update={"source": source})


def _find(path: Path) -> Store | None:
    """The store at `path`; None when there is none, or a damaged one."""
    try:
        store = Store.open(path)
    except DataError:
        return None
    return store if store.is_sound else None


def fingerprint(spec: DataSpec, task: str) -> str:
    """The sha256 that names the store of `spec` and `task`; DataError when a file is missing or empty."""
    return _sha256_of(_identity(spec, task))


def _identity(spec: DataSpec, task: str) -> dict[str, Any]:
    return {
        "source": sources.identity(spec.source),
        "recipe": _recipe(spec),
        "task": task,
        "code": CODE_VERSION,
    }


def _sha256_of(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _recipe(spec: DataSpec) -> dict[str, Any]:
    """What is not given is not named, so that a store keeps its name when there is more to give."""
    recipe = spec.model_dump(mode="json", exclude={"source"})
    for holder, name in ((recipe, "text"), (recipe, "image"), (recipe, "audio"), (recipe["split"], "group")):
        if holder[name] is None:
            del holder[name]
    if "audio" in recipe and recipe["audio"]["features"] == "mel":
        del recipe["audio"]["features"]
    if spec.clean.duplicates == "drop":
        # Up to version 0.1 rows that only cleaning made equal stayed.
        recipe["clean"]["duplicates"] = "drop as the model sees them"
    if spec.text and isinstance(spec.text.tokenizer, PretrainedTokens):
        # By its content: it may lie elsewhere, or change where it lies.
        recipe["text"]["tokenizer"] = tokens.fit(spec.text.tokenizer, []).to_json()
    return recipe


def _build(
    spec: DataSpec, task: str, sha256: str, scratch: Scratch, map_chunks: MapChunks, stages: Stages
) -> _Built:
    kind = RULES[task].data
    if kind == "running_text":
        return _build_running_text(spec, task, sha256, scratch, map_chunks, stages)
    if kind in ("texts", "pairs"):
        return _build_texts(spec, task, sha256, stages)
    if kind == "recordings":
        return _build_audio(spec, task, sha256, stages)
    if isinstance(spec.source, ImageFolderSource):
        return _build_image_files(spec, task, sha256, scratch, map_chunks, stages)
    if kind == "images":
        return _build_images(spec, task, sha256)
    return _build_table(spec, task, sha256, scratch, map_chunks, stages)


def _build_running_text(
    spec: DataSpec, task: str, sha256: str, scratch: Scratch, map_chunks: MapChunks, stages: Stages
) -> _Built:
    def encode() -> RunningTokens:
        files_of = join_files if isinstance(spec.source, TextSource) else write_files
        files = files_of(sources.read(spec.source), scratch)
        return encode_running(files, spec, scratch, map_chunks)

    return _of_tokens(cut_into_rows(stages.get(TOKENS, encode), spec), spec, task, sha256)


def _build_texts(spec: DataSpec, task: str, sha256: str, stages: Stages) -> _Built:
    table = sources.read(spec.source)
    prepare_texts_of = prepare_translations if RULES[task].data == "pairs" else prepare_texts
    return _of_tokens(prepare_texts_of(table, spec, stages), spec, task, sha256)


def _of_tokens(rows: TextRows, spec: DataSpec, task: str, sha256: str) -> _Built:
    splits = {name: Arrays(*arrays) for name, arrays in rows.splits.items()}
    manifest = _manifest(
        spec,
        task,
        sha256,
        splits,
        class_names=rows.class_names,
        tokenizer=rows.tokenizer.to_json(),
        num_tokens=rows.num_tokens,
        padding=rows.padding,
        separator=rows.separator,
        target_tokens=rows.target_tokens,
        dropped=rows.dropped,
    )
    return manifest, splits


def _build_audio(spec: DataSpec, task: str, sha256: str, stages: Stages) -> _Built:
    rows = audio.prepare_audio(sources.read(spec.source), spec, stages)
    splits = {name: Arrays(*arrays) for name, arrays in rows.splits.items()}
    mean, std = None, None
    if spec.standardise and rows.audio.features == "mel":
        mean, std = audio.fit(splits["train"].features, robust=spec.standardise == "robust")
        for split in splits.values():
            audio.standardise_in_place(split.features, mean, std)
    manifest = _manifest(
        spec,
        task,
        sha256,
        splits,
        class_names=rows.class_names,
        mean=mean,
        std=std,
        audio=rows.audio.model_dump(),
        dropped=rows.dropped,
    )
    return manifest, splits


def _build_images(spec: DataSpec, task: str, sha256: str) -> _Built:
    table = sources.read(spec.source)
    cleaned = clean(table, task)
    rows = split_rows(cleaned, spec.split) if table.parts is None else rows_of_parts(table, cleaned)
    splits = {name: Arrays(cleaned.features[index], cleaned.targets[index]) for name, index in rows.items()}
    mean, std = _moments(splits["train"].features, spec)
    manifest = _manifest(spec, task, sha256, splits, class_names=cleaned.class_names, mean=mean, std=std)
    return manifest, _standardised(splits, manifest)


def _build_image_files(
    spec: DataSpec, task: str, sha256: str, scratch: Scratch, map_chunks: MapChunks, stages: Stages
) -> _Built:
    rows = prepare_images(sources.read(spec.source), spec, scratch, map_chunks, stages)
    train, *_ = rows.splits["train"]
    moments = pixels.fit(train.blocks(), robust=spec.standardise == "robust") if spec.standardise else None
    mean, std = moments or (None, None)
    splits = {name: RowsAndTargets(*arrays) for name, arrays in rows.splits.items()}
    manifest = _manifest(
        spec, task, sha256, splits, class_names=rows.class_names, mean=mean, std=std, dropped=rows.dropped
    )
    return manifest, splits


def _build_table(
    spec: DataSpec, task: str, sha256: str, scratch: Scratch, map_chunks: MapChunks, stages: Stages
) -> _Built:
    rows = prepare_rows(_read_table(spec, scratch, map_chunks, stages), spec, task)
    splits = {name: RowsAndTargets(*arrays) for name, arrays in rows.splits.items()}
    mean, std = _moments_of_rows(splits["train"].features, spec, rows.is_scaled, scratch)
    target_mean, target_std = (None, None) if rows.class_names else _target_moments(splits["train"].targets)
    manifest = _manifest(
        spec,
        task,
        sha256,
        splits,
        feature_names=rows.feature_names,
        class_names=rows.class_names,
        mean=mean,
        std=std,
        target_mean=target_mean,
        target_std=target_std,
        columns=rows.columns,
        categories=spec.encode.categories,
        dropped=rows.dropped,
        missing=rows.missing,
    )
    moments = _moments_of(manifest)
    if moments is None:
        return manifest, splits
    return manifest, {
        name: split._replace(features=StandardisedRows(split.features, moments))
        for name, split in splits.items()
    }


def _read_table(spec: DataSpec, scratch: Scratch, map_chunks: MapChunks, stages: Stages) -> Table:
    if not isinstance(spec.source, TableSource | HuggingFaceSource):
        return sources.read(spec.source)

    def read() -> Table:
        return sources.read(spec.source, zeros=scratch.zeros, map_chunks=map_chunks)

    return stages.get(TABLE, read)


def _manifest(
    spec: DataSpec, task: str, sha256: str, splits: Mapping[str, Prepared], **fields: Any
) -> Manifest:
    """With `fields`; what is left out a store of this kind does not have."""
    common: dict[str, Any] = {
        "source": spec.source.model_dump(mode="json"),
        "input_shape": splits["train"].features.shape[1:],
        "sizes": {name: len(split.targets) for name, split in splits.items()},
    }
    absent = dict.fromkeys(("feature_names", "mean", "std", "target_mean", "target_std"))
    return Manifest(sha256=sha256, task=task, **(common | absent | fields))


def preprocess(features: AnyArray, manifest: Manifest, tokenizer: tokens.Tokenizer | None = None) -> AnyArray:
    """Raw rows as the model saw them in training: [rows, *input_shape], of recordings as spectrograms or
    waves of 16 bits; texts [rows], pairs of texts [rows, 2]; or of a table [rows, columns] in the order of
    `manifest.columns`, objects where a column is text.

    `tokenizer`: that of the manifest, where it is read already.
    """
    if manifest.tokenizer is not None:
        (max_length,) = manifest.input_shape
        return tokens.encode_rows(
            tokenizer or tokens.from_json(manifest.tokenizer), features.tolist(), max_length
        )
    if features.dtype == np.uint8:
        return pixels.to_rows(features, _moments_of(manifest))
    if manifest.are_waves:
        return waves.to_rows(features)
    if manifest.columns is not None:
        features = apply(columns_of(features, manifest.columns), manifest.columns, manifest.categories)
    return _standardise(features, manifest)


def _standardise(features: AnyArray, manifest: Manifest) -> AnyArray:
    moments = _moments_of(manifest)
    if moments is None:
        return features
    apply_moments = standardise.apply if manifest.audio is None else audio.standardised
    return apply_moments(features, *moments)


def _moments_of(manifest: Manifest) -> standardise.Moments | None:
    if manifest.mean is None or manifest.std is None:
        return None
    return manifest.mean, manifest.std


def _standardised(splits: Mapping[str, Arrays], manifest: Manifest) -> dict[str, Arrays]:
    return {
        name: split._replace(features=_standardise(split.features, manifest))
        for name, split in splits.items()
    }


def _moments(train: AnyArray, spec: DataSpec) -> standardise.Moments | tuple[None, None]:
    return standardise.fit(train, robust=spec.standardise == "robust") if spec.standardise else (None, None)


def _moments_of_rows(
    train: Rows, spec: DataSpec, is_scaled: NDArray[np.bool_], scratch: Scratch
) -> standardise.Moments | tuple[None, None]:
    """Zero and one for features that are not to be scaled."""
    if not spec.standardise:
        return None, None
    robust = spec.standardise == "robust"
    mean, std = standardise.fit_rows(train, robust, lambda: scratch.columns_of(train))
    return (
        tuple(value if scaled else 0.0 for value, scaled in zip(mean, is_scaled, strict=True)),
        tuple(value if scaled else 1.0 for value, scaled in zip(std, is_scaled, strict=True)),
    )


def _target_moments(targets: AnyArray) -> tuple[float, float]:
    (mean,), (std,) = standardise.fit(targets[:, None])
    return mean, std


def _make(path: Path, build: Callable[[Scratch], _Built]) -> None:
    def fill(folder: Path) -> None:
        with scratch_in(folder / "scratch") as scratch:
            _write(folder, *build(scratch))

    make_sealed(path, fill)


def _write(folder: Path, manifest: Manifest, splits: Mapping[str, Prepared]) -> None:
    for name, split in splits.items():
        for part, values in split._asdict().items():
            if values is not None:
                write_array(folder / _array_name(name, part), values)
    write_bytes(folder / _MANIFEST, manifest.to_json().encode())


def _array_name(split: str, part: str) -> str:
    return f"{split}_{part}.npy"
