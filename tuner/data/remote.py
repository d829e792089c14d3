"""Files that lie elsewhere: fetched once, before anything reads them.

    source = fetched(source, store_root.parent / ".fetched")

`.fetched/<sha256>/` holds the files of one address or pattern. Its name is the hash of the address and of
what the server says of each file (name, size, ETag or date), so a changed file is fetched again. It is
written to a temporary name under a lock and renamed, so it is whole or absent. Readers get local paths; a
store is named by what the files hold, wherever they came from.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from pydantic import ValidationError

from tuner.data.lock import locked
from tuner.data.sources.files import reason
from tuner.errors import DataError
from tuner.spec.addresses import is_address
from tuner.spec.sections import Source

PAUSES_S = (1.0, 4.0)
"""Between the tries of what fails because the network is away."""

_TEMPORARY = "tmp-"
_REFUSED = (401, 403)
_Files = Mapping[str, Mapping[str, Any]]
_T = TypeVar("_T")


def fetched(source: Source, folder: Path) -> Source:
    """`source` with local paths instead of addresses, fetched to `folder`; DataError where one cannot be."""
    path = getattr(source, "path", None)
    if path is None:
        return source
    plain = source.model_dump()
    local = _local(plain["path"], folder)
    try:
        return source if local == plain["path"] else type(source).model_validate({**plain, "path": local})
    except ValidationError as error:
        raise DataError(
            f"a source of type {source.type} takes one file or folder, but data.source.path has a pattern "
            f"at an address; give the file"
        ) from error


def _local(files: Any, folder: Path) -> Any:
    """A file or pattern, a list of such, or each split's; a pattern of addresses becomes a list."""
    if isinstance(files, dict):
        return {part: _local(each, folder) for part, each in files.items()}
    if isinstance(files, list):
        found = [_local(each, folder) for each in files]
        return [path for each in found for path in (each if isinstance(each, list) else [each])]
    return _fetch(files, folder) if isinstance(files, str) and is_address(files) else files


def _fetch(address: str, folder: Path) -> str | list[str]:
    system, base = _system(address)
    files = _patiently(address, lambda: _listed(system, base))
    if not files:
        raise DataError(f"a pattern must match files, but none matches {address}; correct data.source.path")
    places = {name: _place(name, address) for name in sorted(files)}
    target = folder / _key(address, files)
    if not target.exists():
        with locked(folder):
            for leftover in folder.glob(_TEMPORARY + "*"):
                shutil.rmtree(leftover)
            # Another process may have fetched it meanwhile.
            if not target.exists():
                _publish(system, places, address, target)
    if glob.has_magic(base):
        return [str(target / place) for place in places.values()]
    return str(target / _place(base, address))


def _system(address: str) -> tuple[Any, str]:
    try:
        system, base = fsspec.url_to_fs(address)
    except ImportError as error:
        raise DataError(
            f"an address needs the library of its protocol, but for {address} it is missing "
            f"({reason(error)}); install tuner[remote]"
        ) from error
    except Exception as error:
        raise _failed(address, error) from error
    # What was listed before may have changed.
    system.invalidate_cache()
    return system, base.rstrip("/")


def _listed(system: Any, base: str) -> _Files:
    """Name -> what the server says of it: of the file, of all in the folder, or of those that match."""
    if glob.has_magic(base):
        found = system.glob(base, detail=True)
    elif (info := system.info(base))["type"] == "directory":
        found = system.find(base, detail=True)
        if not found:
            raise FileNotFoundError(base)
    else:
        found = {base: info}
    files = {name: info for name, info in found.items() if info["type"] == "file"}
    # A list of links says nothing of their versions.
    return {name: system.info(name) if info.get("size") is None else info for name, info in files.items()}


def _place(name: str, address: str) -> str:
    """Where the file lies in the folder of its address."""
    parts = [part for part in name.replace("://", "/").split("/") if part not in ("", ".")]
    if ".." in parts:
        raise DataError(f"a file's name must hold no '..', but one at {address} does; rename it")
    return "/".join(parts)


def _key(address: str, files: _Files) -> str:
    text = json.dumps(
        [address, {name: dict(info) for name, info in files.items()}], sort_keys=True, default=str
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _publish(system: Any, places: Mapping[str, str], address: str, target: Path) -> None:
    temporary = target.with_name(_TEMPORARY + target.name)
    temporary.mkdir()
    try:
        for name, place in places.items():
            path = temporary / place
            path.parent.mkdir(parents=True, exist_ok=True)
            _patiently(address, lambda name=name, path=path: system.get_file(name, str(path)))  # type: ignore[misc]
            with path.open("rb") as file:
                os.fsync(file.fileno())
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _patiently(address: str, action: Callable[[], _T]) -> _T:
    """`action` again after each pause while the network is away; DataError when it stays so, or at once."""
    for pause_s in (*PAUSES_S, None):
        try:
            return action()
        except Exception as error:
            # What a protocol's library raises is its own.
            if pause_s is None or _is_absent(error) or _is_refused(error):
                raise _failed(address, error) from error
            time.sleep(pause_s)
    raise AssertionError


def _failed(address: str, error: Exception) -> DataError:
    if _is_refused(error):
        return DataError(
            f"data must be readable, but access to {address} is refused ({reason(error)}); give credentials "
            f"in the environment, as the library of its protocol reads them"
        )
    if _is_absent(error):
        return DataError(
            f"data must be read from a file, but at {address} nothing is there; correct the path"
        )
    return DataError(
        f"data must be within reach, but {address} is not after {len(PAUSES_S) + 1} tries ({reason(error)}); "
        f"look at the network and try again"
    )


def _is_refused(error: Exception) -> bool:
    origin = error.__cause__ or error
    refused = getattr(origin, "status", None) in _REFUSED or "Credentials" in type(error).__name__
    return refused or isinstance(error, PermissionError)


def _is_absent(error: Exception) -> bool:
    """Over HTTP whatever goes wrong is called a missing file, and what it was stands behind."""
    if not isinstance(error, FileNotFoundError):
        return False
    origin = error.__cause__
    if isinstance(origin, OSError) and not isinstance(origin, FileNotFoundError):
        return False
    return getattr(origin, "status", 404) == 404
