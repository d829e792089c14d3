"""Where data comes from: one file a source, each with `read(spec) -> Table`.

A source knows nothing of tasks, splits or standardisation. A new one is a module here, an entry in
`_READERS`, and a section with the same `type` in `tuner/spec/sections.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuner.data.sources import (
    audio_files,
    huggingface,
    image_folder,
    npz_file,
    parallel,
    sklearn_sets,
    table_files,
    text_files,
    two_class,
)
from tuner.data.sources.files import check_file, check_splits_differ, content_sha256, listed, split_files
from tuner.data.table import Table
from tuner.spec.sections import (
    AudioSource,
    HuggingFaceSource,
    ImageFolderSource,
    LabelledTextSource,
    ParallelTableSource,
    Source,
    TableSource,
    TextSource,
)

_READERS: dict[str, Callable[[Any], Table]] = {
    "audio": audio_files.read,
    "csv": table_files.read,
    "huggingface": huggingface.read,
    "image_folder": image_folder.read,
    "jsonl": table_files.read,
    "parallel_table": parallel.read_table,
    "parallel_text": parallel.read_files,
    "parquet": table_files.read,
    "npz": npz_file.read,
    "labelled_text": text_files.read_labelled,
    "sklearn": sklearn_sets.read,
    "text": text_files.read_running,
    "two_class": two_class.read,
}


def read(source: Source, **options: Any) -> Table:
    """Read all rows of `source`; DataError where it cannot be read. Tables in files take options."""
    check_splits_differ(source)
    return _READERS[source.type](source, **options)


def num_bytes(source: Source) -> int:
    """Size of the files of `source` that other nodes may prepare; DataError where they are missing.

    Data sets of the Hub lie in the cache of this node.
    """
    if isinstance(source, ImageFolderSource):
        files = image_folder.read(source).features.tolist()
    elif isinstance(source, TableSource | TextSource):
        files = [path for _, path in split_files(source.path)]
    else:
        return 0
    return sum(path.stat().st_size for path in files)


def identity(source: Source) -> dict[str, Any]:
    """What decides the rows of `source`: its fields, a file by its content and not by its path.

    DataError where a file is missing or empty.
    """
    fields = source.model_dump(mode="json")
    path = fields.pop("path", None)
    if isinstance(source, ImageFolderSource):
        fields["content_sha256"] = image_folder.identity(source)
    elif isinstance(source, HuggingFaceSource):
        for place in ("name", "subset", "revision", "splits"):
            del fields[place]
        fields["content_sha256"] = huggingface.identity(source)
    elif isinstance(source, TableSource):
        fields["content_sha256"] = [[part, _hash(file)] for part, file in split_files(source.path)]
    elif isinstance(source, AudioSource):
        fields["content_sha256"] = audio_files.identity(source)
    elif path is not None:
        fields["content_sha256"] = _content(path)
    if isinstance(source, LabelledTextSource | ParallelTableSource):
        formats = [text_files.format_of(file, source.delimiter) for _, file in split_files(source.path)]
        fields["delimiter"] = formats[0] if len(set(formats)) == 1 else formats
    return fields


def _content(path: str | list[str] | dict[str, Any]) -> Any:
    """The hash of a file, of several in their order, or of each split's."""
    if isinstance(path, dict):
        return {name: _content(each) for name, each in path.items() if each is not None}
    hashes = [_hash(file) for file in listed(path)]
    return hashes[0] if len(hashes) == 1 else hashes


def _hash(file: Path) -> str:
    check_file(file)
    return content_sha256(file)
