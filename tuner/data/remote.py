"""Files that lie elsewhere: fetched once, before anything reads them.

    versions: dict[str, str] = {}
    source = fetched(source, store_root.with_name(".fetched"), versions)

`.fetched/<version>/` holds the files of one address or pattern. A version is the hash of the address and of
what the server says of each file (name, size, ETag, dates), so a changed file is fetched again, and one that
has not changed is not. The folder is written to a temporary name under a lock and renamed, so it is whole or
absent.
An address whose version is known is not asked for: a search goes on without the network, and on the data with
which it began. Readers get local paths; a store is named by what the files hold, wherever they came from.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from pydantic import ValidationError

from tuner.data.lock import locked
from tuner.data.sources import huggingface
from tuner.data.sources.files import reason
from tuner.errors import DataError
from tuner.spec.addresses import is_address
from tuner.spec.sections import HuggingFaceSource, Source

PAUSES_S = (0.5, 2.0)
"""Between the tries of what fails because the network is away."""

_CONNECT_S, _SILENCE_S = 5, 60
_TEMPORARY = "tmp-"
_REFUSED = (401, 403)
_Files = Mapping[str, Mapping[str, Any]]
_T = TypeVar("_T")


def fetched(
    source: Source, folder: Path, versions: MutableMapping[str, str], *, may_fetch: bool = True
) -> Source:
    """`source` with local paths instead of addresses and names on the Hub.

    Args:
        folder: where the files are fetched to; those of the Hub go to its own cache.
        versions: of addresses. What is in it is not asked for again; the others are added.
        may_fetch: whether servers are asked for what is not in `folder`; the Hub is not told by it.

    Raises:
        DataError: a file is not there, or cannot be had.
    """
    if isinstance(source, HuggingFaceSource):
        return huggingface.located(source, versions)
    path = getattr(source, "path", None)
    if path is None:
        return source
    plain = source.model_dump()
    local = _local(plain["path"], folder, versions, may_fetch)
    try:
        return source if local == plain["path"] else type(source).model_validate({**plain, "path": local})
    except ValidationError as error:
        raise DataError(
            f"a source of type {source.type} takes one file or folder, but data.source.path has a pattern "
            f"at an address; give the file"
        ) from error


def _local(files: Any, folder: Path, versions: MutableMapping[str, str], may_fetch: bool) -> Any:
    """A file or pattern, a list of such, or each split's; a pattern of addresses becomes a list."""
    if isinstance(files, dict):
        return {part: _local(each, folder, versions, may_fetch) for part, each in files.items()}
    if isinstance(files, list):
        found = [_local(each, folder, versions, may_fetch) for each in files]
        return [path for each in found for path in (each if isinstance(each, list) else [each])]
    if not (isinstance(files, str) and is_address(files)):
        return files
    known = versions.get(files)
    if known is None or not (folder / known).is_dir():
        if not may_fetch:
            raise DataError(
                f"the files of an address must have been fetched, but those of {files} are not in {folder}"
            )
        versions[files] = _fetch(files, folder, known)
    return _paths(files, folder / versions[files])


def _paths(address: str, fetched: Path) -> str | list[str]:
    """What was fetched of `address`: its file or folder; of a pattern the files, in alphabetical order."""
    if not glob.has_magic(address):
        return str(fetched / _place(address, address))
    return [str(path) for path in sorted(fetched.rglob("*")) if path.is_file()]


def _fetch(address: str, folder: Path, known: str | None) -> str:
    """The version of what is there now, fetched to `folder`; DataError where it is not the `known` one."""
    system, base = _system(address)
    files = _patiently(address, lambda: _listed(system, base))
    if not files:
        raise DataError(f"a pattern must match files, but none matches {address}; correct data.source.path")
    version = _version(address, files)
    if known is not None and version != known:
        raise DataError(
            f"a search must go on with the data of its beginning, but what is at {address} has changed, and "
            f"what was fetched then is gone from {folder}; put that back, or begin a new search"
        )
    if not (folder / version).exists():
        with locked(folder):
            for leftover in folder.glob(_TEMPORARY + "*"):
                shutil.rmtree(leftover)
            # Another process may have fetched it meanwhile.
            if not (folder / version).exists():
                _publish(system, sorted(files), address, folder / version)
    return version


def _system(address: str) -> tuple[Any, str]:
    try:
        system, base = fsspec.url_to_fs(address, **_options(address.partition("://")[0]))
    except ImportError as error:
        raise DataError(
            f"an address needs the library of its protocol, but for {address} it is missing "
            f"({reason(error)}); install tuner[remote]"
        ) from error
    except Exception as error:
        # What a protocol's library raises is its own.
        raise _failed(address, error) from error
    # What was listed before may have changed.
    system.invalidate_cache()
    return system, base.rstrip("/")


def _options(protocol: str) -> dict[str, Any]:
    """Bounds of waiting: by themselves the libraries wait for minutes, and give up a file after five."""
    if protocol == "s3":
        return {"config_kwargs": {"connect_timeout": _CONNECT_S, "retries": {"max_attempts": 1}}}
    if protocol in ("http", "https"):
        from aiohttp import ClientTimeout  # here: half a second that only such addresses need

        timeout = ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
        return {"client_kwargs": {"timeout": timeout}}
    return {}


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
    parts = [part for part in re.sub(r"^\w+://", "", name).split("/") if part not in ("", ".")]
    if ".." in parts:
        raise DataError(f"a file's name must hold no '..', but one at {address} does; rename it")
    return "/".join(parts)


def _version(address: str, files: _Files) -> str:
    # Where a server sends on to, may be another place each time.
    known = {name: {key: info[key] for key in info if key != "url"} for name, info in files.items()}
    return hashlib.sha256(json.dumps([address, known], sort_keys=True, default=str).encode()).hexdigest()


def _publish(system: Any, names: list[str], address: str, target: Path) -> None:
    temporary = target.with_name(_TEMPORARY + target.name)
    paths = [temporary / _place(name, address) for name in names]
    temporary.mkdir()
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        _patiently(address, lambda: system.get(names, [str(path) for path in paths]))
        for path in paths:
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
            f"data must be readable, but access to {address} is refused ({_reason(error)}); give credentials "
            f"in the environment, as the library of its protocol reads them"
        )
    if _is_absent(error):
        return DataError(
            f"data must be read from a file, but at {address} nothing is there; correct the path"
        )
    return DataError(
        f"data must be within reach, but {address} is not after {len(PAUSES_S) + 1} tries "
        f"({_reason(error)}); look at the network and try again"
    )


def _reason(error: Exception) -> str:
    """What is behind the error, without what follows '?' in an address sent on to: that may be a key."""
    cause = error.__cause__
    return re.sub(r"\?[^\s'\"]+", "?...", reason(cause if isinstance(cause, Exception) else error))


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
