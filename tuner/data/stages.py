"""Results of single stages of preparing, kept for the stores of one search that have them in common.

    stages = Stages(folder, {"data.standardise"}, recipe)
    table = stages.get(TABLE, lambda: sources.read(spec.source))    # read once for all values of standardise

A stage is kept where the search varies an option of `data` that it does not depend on, and nowhere else.
It lies in `.stages/<sha256>/` beside the stores, whole or absent like these, under the hash of the source,
of the options that it depends on, and of the code version; a damaged one is made anew. `remove_stages`
removes all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np

from tuner.data.lock import locked
from tuner.data.sealed import is_sealed, make_sealed, remove, write_array, write_bytes
from tuner.data.table import AnyArray

_ABOUT = "about.json"
_Result = TypeVar("_Result")


class Packed(NamedTuple):
    """A result as files."""

    arrays: Mapping[str, AnyArray]
    """None of objects; they come back mapped and read-only."""
    about: Any
    """What JSON holds."""


@dataclass(frozen=True)
class Stage(Generic[_Result]):
    """A step of preparing, and how its result becomes files and comes back."""

    name: str
    options: tuple[str, ...]
    """Of `data`, beside its source, those that the result depends on."""
    pack: Callable[[_Result], Packed]
    unpack: Callable[[Packed], _Result]


@dataclass(frozen=True)
class Stages:
    """Those of one store, which is prepared under the lock of the stores."""

    folder: Path
    searched: Collection[str] = ()
    """The parameters of the search."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """All that decides the rows of the store."""

    def get(self, stage: Stage[_Result], make: Callable[[], _Result]) -> _Result:
        """What `make` makes, or an earlier one has made."""
        if not self.keeps(stage):
            return make()
        path = self.folder / self._sha256(stage)
        if is_sealed(path):
            return stage.unpack(_load(path))
        result = make()
        # A disk that has no room for both may have room for the store, which does not need this.
        with suppress(OSError):
            remove(path)
            self.folder.mkdir(parents=True, exist_ok=True)
            make_sealed(path, lambda folder: _write(folder, stage.pack(result)))
        return result

    def keeps(self, stage: Stage[_Result]) -> bool:
        """Whether the search varies something in `data` that the stage does not depend on."""
        fixed = tuple(f"data.{option}" for option in ("source", *stage.options))
        return any(
            _is_within(name, "data") and not any(_is_within(name, each) for each in fixed)
            for name in self.searched
        )

    def _sha256(self, stage: Stage[_Result]) -> str:
        identity = {name: value for name, value in self.recipe.items() if name != "recipe"}
        options = {option: _at(self.recipe["recipe"], option) for option in stage.options}
        content = json.dumps({**identity, "stage": stage.name, "options": options}, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def stages_folder(store_root: Path) -> Path:
    return store_root.with_name(".stages")


def remove_stages(store_root: Path) -> None:
    """Removes those beside the stores, when nobody prepares any."""
    folder = stages_folder(store_root)
    if folder.exists():
        with locked(store_root):
            remove(folder)


def _is_within(name: str, option: str) -> bool:
    return name == option or name.startswith(f"{option}.")


def _at(recipe: Mapping[str, Any], option: str) -> Any:
    """None where it is not given."""
    value: Any = recipe
    for key in option.split("."):
        value = None if value is None else value.get(key)
    return value


def _write(folder: Path, packed: Packed) -> None:
    for name, values in packed.arrays.items():
        write_array(folder / f"{name}.npy", values)
    write_bytes(folder / _ABOUT, json.dumps(packed.about).encode())


def _load(folder: Path) -> Packed:
    arrays = {
        path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in sorted(folder.glob("*.npy"))
    }
    return Packed(arrays, json.loads((folder / _ABOUT).read_bytes()))
