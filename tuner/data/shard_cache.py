"""A size-limited cache of shards on a disk of this node, which all processes of the node share.

    cache = ShardCache(Path("/scratch"), limit_bytes=10**12, shard_bytes=64 * 10**6)
    cache.shard("1f0c/train_features.0-4096", num_bytes, blocks)    # bytes, memory-mapped; None: no room

A shard is copied by one process, under a temporary name, while others that want it wait. Its lock is held
shared for as long as its bytes are mapped, by the mapping itself. When the limit is reached or the disk is
full, the shards that nobody has mapped go, least recently mapped first; when that is not enough there is no
room. What a killed process was copying is not locked: it is copied anew or goes.

Names change under the lock of the whole folder; copying and reading are outside of it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from tuner.data.lock import is_at
from tuner.data.sources.files import reason
from tuner.errors import DataError
from tuner.spec.sections import ShardCacheSpec

_FOLDER = "tuner_shards"
"""In the folder that was named, whose other files are left alone."""
_COPYING = ".copying"
_IS_FULL = (errno.ENOSPC, errno.EDQUOT)

Bytes = NDArray[np.uint8]


class _NoRoom(Exception):
    """All other shards are in use."""


@dataclass(frozen=True)
class ShardCache:
    """Of all files together at most `limit_bytes`; arrays are cut into shards of at most `shard_bytes`."""

    path: Path
    limit_bytes: int
    shard_bytes: int

    @classmethod
    def of(cls, spec: ShardCacheSpec) -> ShardCache:
        return cls(Path(spec.path), int(spec.limit_mb * 1_000_000), int(spec.shard_mb * 1_000_000))

    def shard(self, name: str, num_bytes: int, blocks: Callable[[], Iterable[bytes]]) -> Bytes | None:
        """The bytes of a shard, which stays as long as they are referenced; None: there is no room for it.

        Args:
            name: the name of a folder and that of a file.
            blocks: reads the shard where it comes from; called only where it must be copied.

        Raises:
            DataError: the folder cannot be used.
        """
        path = self._folder / name
        try:
            while (found := _mapped(path, num_bytes)) is None:
                file = self._begin(path, num_bytes)
                if file is not None:
                    with file:
                        return self._copy(file, path, blocks)
        except _NoRoom:
            return None
        except OSError as error:
            if error.errno in _IS_FULL:
                return None
            raise DataError(
                "resources.shard_cache.path must be a folder in which every node can write, but "
                f"{self.path} is not ({reason(error)}); name another one"
            ) from error
        return found

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No file is begun, renamed or removed meanwhile by another process."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                # Closing alone would leave it to processes that were forked meanwhile.
                fcntl.flock(file, fcntl.LOCK_UN)

    @property
    def _folder(self) -> Path:
        return self.path / _FOLDER

    def _begin(self, path: Path, num_bytes: int) -> BinaryIO | None:
        """The file that this process is to fill; None when another one has filled it, or has given up."""
        with self.locked():
            if _size(path) == num_bytes:
                return None
            path.unlink(missing_ok=True)
            path.parent.mkdir(exist_ok=True)
            copying = _copying(path)
            copying.touch()
            file = copying.open("r+b")
            if _is_locked(file):
                try:
                    file.truncate(0)
                    self._reserve(file, num_bytes)
                except BaseException:
                    copying.unlink()
                    file.close()
                    raise
                return file
        with file:
            fcntl.flock(file, fcntl.LOCK_SH)
        return None

    def _reserve(self, file: BinaryIO, num_bytes: int) -> None:
        missing = num_bytes + sum(stat.st_size for _, stat in self._files()) - self.limit_bytes
        if num_bytes > self.limit_bytes or self._evict(missing) < missing:
            raise _NoRoom
        try:
            os.posix_fallocate(file.fileno(), 0, num_bytes)
        except OSError as error:
            if error.errno not in _IS_FULL:
                raise
            # Others fill the disk before the limit is reached.
            self._evict(num_bytes)
            os.posix_fallocate(file.fileno(), 0, num_bytes)

    def _evict(self, num_bytes: int) -> int:
        """Removes so many bytes of shards that nobody uses, where there are as many; how many they were."""
        freed = 0
        for path, stat in sorted(self._files(), key=lambda file: file[1].st_mtime_ns):
            if freed >= num_bytes:
                break
            freed += _evicted(path) * stat.st_size
        return freed

    def _files(self) -> list[tuple[Path, os.stat_result]]:
        return [(path, path.stat()) for path in self._folder.glob("*/*")]

    def _copy(self, file: BinaryIO, path: Path, blocks: Callable[[], Iterable[bytes]]) -> Bytes:
        try:
            for block in blocks():
                file.write(block)
            file.flush()
            # A node that lost its power would have a file of this size without its content.
            os.fsync(file.fileno())
        except BaseException:
            with self.locked():
                _copying(path).unlink()
            raise
        with self.locked():
            _copying(path).rename(path)
            fcntl.flock(file, fcntl.LOCK_SH)
            return _bytes_of(file)


def _mapped(path: Path, num_bytes: int) -> Bytes | None:
    """None when it is not there as a whole."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            if not is_at(file.fileno(), path) or os.fstat(file.fileno()).st_size != num_bytes:
                return None
            return _bytes_of(file)
    except FileNotFoundError:
        return None


def _bytes_of(file: BinaryIO) -> Bytes:
    """The mapping has the file open, and so holds its lock, when `file` is closed."""
    now = time.time_ns()
    os.utime(file.fileno(), ns=(now, now))
    return np.asarray(np.memmap(file, np.uint8, mode="r"))


def _evicted(path: Path) -> bool:
    with path.open("r+b") as file:  # NFS locks for one process alone only what is open for writing.
        if not _is_locked(file):
            return False
        path.unlink()
        return True


def _is_locked(file: BinaryIO) -> bool:
    """Whether it could be locked for this process alone."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _copying(path: Path) -> Path:
    return path.with_name(path.name + _COPYING)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
