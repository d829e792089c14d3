"""Folders of images: a folder a class, `path/<class>/<file>`, or such a folder for each split.

Only the names are read here; `tuner.data.images` decodes the files. Hidden files are left out; every other
one in the folder of a class is a row, so that one that is no image is noticed. Names decide the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tuner.data.origins import Origins
from tuner.data.sources.files import content_sha256, split_paths
from tuner.data.table import Table
from tuner.errors import DataError
from tuner.spec.sections import ImageFolderSource


def read(source: ImageFolderSource) -> Table:
    """The files [rows], objects of `Path`, with the names of their folders as labels."""
    found = list(_files(source))
    paths = np.empty(len(found), dtype=object)
    paths[:] = [path for _, path in found]
    return Table(
        paths,
        np.array([path.parent.name for _, path in found], dtype=np.str_),
        parts=None if isinstance(source.path, str) else np.array([part for part, _ in found]),
        origins=Origins.of_whole_files([str(path) for _, path in found]),
    )


def identity(source: ImageFolderSource) -> list[list[str | None]]:
    """Split, class, name and content of each file; not where the folder is."""
    return [[part, path.parent.name, path.name, content_sha256(path)] for part, path in _files(source)]


def files_below(folder: Path) -> list[Path]:
    """All files in `folder` and its folders but hidden ones, in the order of their names."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in files if not _is_hidden(path.relative_to(folder)))


def _files(source: ImageFolderSource) -> Iterator[tuple[str | None, Path]]:
    """Each file with its split, or None where `data.split` decides."""
    for part, folder in split_paths(source.path):
        yield from ((part, path) for path in _of_folder(folder))


def _of_folder(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        found = "a file is there" if folder.exists() else "nothing is there"
        raise DataError(f"images must be read from a folder, but at {folder} {found}; correct the path")
    classes = [path for path in _visible(folder) if path.is_dir()]
    if not classes:
        raise DataError(
            f"a folder of images must hold a folder for each class, but {folder} has none; make them, or "
            "correct the path"
        )
    for each in classes:
        yield from _of_class(each)


def _of_class(folder: Path) -> list[Path]:
    paths = _visible(folder)
    if not paths:
        raise DataError(
            f"the folder of a class must hold images, but {folder} is empty; remove it or add images"
        )
    for path in paths:
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "is none"
            raise DataError(f"the folder of a class must hold files only, but {path} {found}; move it away")
    return paths


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not _is_hidden(Path(path.name)))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
