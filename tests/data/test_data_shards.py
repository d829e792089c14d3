"""Rows that are read through a cache of shards are those of the store, whatever its limit, whatever dies."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuner.data import Batches, Manifest, ShardCache, Split, Store, shards
from tuner.data.pixels import Pixels
from tuner.data.read_ahead import ReadAhead
from tuner.data.sharded import ShardedArray
from tuner.errors import DataError
from tuner.spec.sections import BlockShuffle

NUM_ROWS = 200
SPAWN = multiprocessing.get_context("spawn")
BLOCKS = BlockShuffle(block_mb=120e-6, window=3)
"""Blocks of 10 rows, each a shard."""


def make_store(path: Path, num_rows: int = NUM_ROWS, dtype: str = "float32", scaled: bool = False) -> Store:
    path.mkdir(parents=True)
    draw = np.random.default_rng(0)
    sizes = {"train": num_rows, "val": 37, "test": 0}
    for name, size in sizes.items():
        np.save(path / f"{name}_features.npy", draw.integers(0, 255, (size, 1, 1, 3)).astype(dtype))
        np.save(path / f"{name}_targets.npy", np.arange(size))
    manifest = Manifest(
        sha256=path.name,
        task="image_classification",
        source={},
        input_shape=(1, 1, 3),
        feature_names=None,
        class_names=None,
        sizes=sizes,
        mean=(100.0,) if scaled else None,
        std=(50.0,) if scaled else None,
        target_mean=None,
        target_std=None,
    )
    (path / "manifest.json").write_text(manifest.to_json())
    return Store.open(path)


def cache_in(path: Path, limit_bytes: int = 10**9, shard_bytes: int = 120) -> ShardCache:
    return ShardCache(path, limit_bytes, shard_bytes)


def files_of(cache: ShardCache) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in cache.path.glob("tuner_shards/*/*")}


def used_bytes(cache: ShardCache) -> int:
    return sum(files_of(cache).values())


def training(split: Split, **options: Any) -> Batches:
    return Batches(split, batch_size=16, micro_batch=8, rank=0, num_ranks=1, seed=1, **options)


def assert_same_rows(found: Iterator[Any], expected: Iterator[Any]) -> None:
    for (x, y), (x_there, y_there) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(x, x_there)
        np.testing.assert_array_equal(y, y_there)


def of_an_epoch(split: Split, epoch: int = 0, **options: Any) -> Iterator[Any]:
    return (one for batch in training(split, **options).epoch(epoch) for one in batch)


@settings(max_examples=25, deadline=None)
@given(
    limit=st.integers(0, 5_000),
    shard_bytes=st.integers(100, 3_000),
    block_rows=st.integers(1, 80),
    window=st.integers(1, 5),
    dtype=st.sampled_from(["float32", "uint8", "int32"]),
)
def test_rows_through_a_cache_of_any_limit_are_those_of_the_store(
    limit: int, shard_bytes: int, block_rows: int, window: int, dtype: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        store = make_store(Path(name) / "a store", dtype=dtype)
        cache = cache_in(Path(name) / "cache", limit, shard_bytes)
        plain, cached = store.split("train"), store.split("train", cache)
        in_blocks = BlockShuffle(block_mb=block_rows * 3e-6 * np.dtype(dtype).itemsize, window=window)
        for options in ({}, {"shuffle": in_blocks}):
            found = []
            for (x, y), (x_there, y_there) in zip(
                of_an_epoch(cached, **options), of_an_epoch(plain, **options), strict=True
            ):
                np.testing.assert_array_equal(x, x_there)
                np.testing.assert_array_equal(y, y_there)
                with cache.locked():
                    assert used_bytes(cache) <= limit
                found += y.tolist()
            assert len(set(found)) == NUM_ROWS // 16 * 16, "every row is taken once"
        both = (store.split("val", cache), store.split("val"))
        assert_same_rows(*(shards(split, micro_batch=5, rank=0, num_ranks=1) for split in both))
        assert used_bytes(cache) <= limit


def test_stored_bytes_are_standardised_as_without_a_cache(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", dtype="uint8", scaled=True)
    cached = store.split("train", cache_in(tmp_path / "cache"))
    assert isinstance(cached.features, Pixels)
    assert isinstance(cached.features.stored, ShardedArray)
    assert_same_rows(of_an_epoch(cached), of_an_epoch(store.split("train")))
    assert cached.features[5:5].shape == (0, 1, 1, 3)


def test_an_array_in_the_order_of_columns_is_read_without_the_cache(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    values = np.asfortranarray(np.random.default_rng(0).random((NUM_ROWS, 1, 2, 3), np.float32))
    np.save(store.path / "train_features.npy", values)
    cached = store.split("train", cache_in(tmp_path / "cache"))
    assert_same_rows(of_an_epoch(cached), of_an_epoch(store.split("train")))
    assert not any(name.startswith("train_features") for name in files_of(cache_in(tmp_path / "cache")))


def test_a_block_shuffle_copies_every_shard_once_where_a_window_fits(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    cache = Counting(tmp_path / "cache", limit_bytes=3 * 120 + 8 * NUM_ROWS, shard_bytes=120)
    list(of_an_epoch(store.split("train", cache), shuffle=BLOCKS))
    copied = [name for name in cache.copied if "features" in name]
    assert len(copied) == len(set(copied)) == 20


def test_the_next_window_is_fetched_while_one_is_read(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    cache = Counting(tmp_path / "cache", limit_bytes=10**9, shard_bytes=120)
    batches = training(store.split("train", cache), shuffle=BLOCKS).epoch(0)
    next(batches)
    wait_until(lambda: sum("features" in name for name in cache.copied) == 6)
    assert len({name for name in cache.copied if "features" in name}) == 6, "three now, three ahead"
    batches.close()
    full = cache_in(tmp_path / "cache", limit_bytes=120)
    assert full.shard("other/a", 120, lambda: [b"a" * 120]) is not None, "nothing is held any more"


def test_what_is_needed_now_comes_before_what_is_read_ahead(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store")
    needed = 3 * 120 + 8 * NUM_ROWS
    cache = Counting(tmp_path / "cache", limit_bytes=needed, shard_bytes=120)
    batches = training(store.split("train", cache), shuffle=BLOCKS).epoch(0)
    for _ in range(3):
        next(batches)
        wait_until(lambda: not threads_that_read())
    batches.close()
    features = [name for name in cache.copied if "features" in name]
    assert len(features) == len(set(features))


def test_a_store_that_is_gone_ends_the_thread_and_is_told_by_who_reads(tmp_path: Path) -> None:
    store, cache = make_store(tmp_path / "store"), cache_in(tmp_path / "cache")
    split = store.split("train", cache)
    (store.path / "train_features.npy").unlink()
    ahead = ReadAhead(split.sharded)
    ahead.go_on(now=[range(0, 10)], after=[range(10, 20)])
    wait_until(lambda: not threads_that_read())
    with pytest.raises(DataError, match="stay as it was written"):
        next(training(split, shuffle=BLOCKS).epoch(0))
    ahead.release()


def threads_that_read() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read ahead"]


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.002)


class Counting(ShardCache):
    """Notes which shards it copies."""

    @property
    def copied(self) -> list[str]:
        return self.__dict__.setdefault("_copied", [])

    def shard(self, name: str, num_bytes: int, blocks: Any) -> Any:
        def counted() -> Any:
            self.copied.append(name)
            return blocks()

        return super().shard(name, num_bytes, counted)


def test_the_shards_that_nobody_needs_go_least_recently_used_first(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, limit_bytes=40)

    def shard(name: str) -> Any:
        return cache.shard(f"store/{name}", 10, lambda: [name.encode() * 10])

    held = shard("a")
    for name in "bcdbde":  # e takes the place of c
        assert bytes(shard(name)) == name.encode() * 10
    assert sorted(files_of(cache)) == ["a", "b", "d", "e"]
    others = [shard(name) for name in "bde"]
    assert shard("c") is None, "all are in use"
    assert bytes(held) == b"a" * 10
    del held
    assert bytes(shard("c")) == b"c" * 10
    assert sorted(files_of(cache)) == ["b", "c", "d", "e"]
    assert [bytes(one)[:1] for one in others] == [b"b", b"d", b"e"]
    assert cache.shard("store/large", 41, list) is None


def test_a_shard_larger_than_the_limit_drives_no_other_out(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, limit_bytes=40)
    assert cache.shard("store/a", 10, lambda: [b"a" * 10]) is not None
    assert cache.shard("store/large", 41, list) is None
    assert files_of(cache) == {"a": 10}


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_where_the_disk_is_smaller_than_the_limit_old_shards_go(tmp_path: Path) -> None:
    disk, size = tmp_path / "disk", 400_000
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    try:
        cache = cache_in(disk)
        for name in ("a", "b", "c"):
            assert bytes(cache.shard(f"store/{name}", size, lambda name=name: [name.encode() * size])[:1])
        assert files_of(cache) == {"b": size, "c": size}
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_other_files_of_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x" * 1000)
    cache = cache_in(tmp_path, limit_bytes=10)
    assert cache.shard("store/a", 10, lambda: [b"a" * 10]) is not None
    assert (tmp_path / "mine" / "thesis.txt").exists()


@pytest.mark.parametrize("size", [0, 119, 121])
def test_a_shard_of_another_size_is_copied_anew(tmp_path: Path, size: int) -> None:
    store, cache = make_store(tmp_path / "store"), cache_in(tmp_path / "cache")
    list(of_an_epoch(store.split("train", cache)))
    before = files_of(cache)
    damaged = next((tmp_path / "cache").glob("tuner_shards/*/train_features.0-*"))
    damaged.write_bytes(b"x" * size)
    assert_same_rows(of_an_epoch(store.split("train", cache)), of_an_epoch(store.split("train")))
    assert files_of(cache) == before


def test_a_store_that_is_gone(tmp_path: Path) -> None:
    store, cache = make_store(tmp_path / "store"), cache_in(tmp_path / "cache")
    split = store.split("train", cache)
    (store.path / "train_features.npy").unlink()
    with pytest.raises(DataError, match=r"stay as it was written .*/train_features\.npy did not \(.*No such"):
        split.features[0:1]
    assert not any(name.endswith(".copying") for name in files_of(cache))


def test_a_store_that_was_cut(tmp_path: Path) -> None:
    store, cache = make_store(tmp_path / "store"), cache_in(tmp_path / "cache")
    split = store.split("train", cache)
    os.truncate(store.path / "train_features.npy", 500)
    with pytest.raises(DataError, match=r"train_features\.npy did not \(it ends too early\)"):
        split.features[35:36]


@pytest.mark.parametrize("name", ["file", "/proc/nowhere"])
def test_a_folder_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    split = make_store(tmp_path / "store").split("train", cache_in(tmp_path / name))
    with pytest.raises(
        DataError, match=r"shard_cache\.path must be a folder .*(file|nowhere) is not .*; name another"
    ):
        split.features[0:1]


def test_a_full_disk_is_a_cache_without_room(tmp_path: Path) -> None:
    def full() -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = cache_in(tmp_path)
    assert cache.shard("store/a", 10, full) is None
    assert files_of(cache) == {}


# --- several processes ---------------------------------------------------------------------------------


def read_all(store: Path, cache: ShardCache, seed: int, queue: Any) -> None:
    """Reads three epochs; says what is wrong."""
    split, plain = (Store.open(store).split("train", each) for each in (cache, None))
    try:
        for epoch in range(3):
            for options in ({}, {"shuffle": BLOCKS}):
                found, expected = (
                    Batches(one, batch_size=8, micro_batch=8, rank=0, num_ranks=1, seed=seed, **options)
                    for one in (split, plain)
                )
                for [(x, y)], [(x_there, y_there)] in zip(
                    found.epoch(epoch), expected.epoch(epoch), strict=True
                ):
                    np.testing.assert_array_equal(x, x_there)
                    np.testing.assert_array_equal(y, y_there)
    except BaseException as error:
        queue.put(repr(error))
    else:
        queue.put("")


def readers(store: Store, cache: ShardCache, num_processes: int, queue: Any) -> list[SpawnProcess]:
    processes = [
        SPAWN.Process(target=read_all, args=(store.path, cache, seed, queue)) for seed in range(num_processes)
    ]
    for process in processes:
        process.start()
    return processes


@pytest.mark.parametrize("limit", [500, 2_000])
def test_two_processes_read_the_rows_and_keep_the_limit(tmp_path: Path, limit: int) -> None:
    store, cache, queue = make_store(tmp_path / "store"), cache_in(tmp_path / "cache", limit), SPAWN.Queue()
    processes = readers(store, cache, 2, queue)
    most = 0
    while any(process.is_alive() for process in processes):
        with cache.locked():
            most = max(most, used_bytes(cache))
        processes[0].join(timeout=0.01)
    assert [queue.get(timeout=60) for _ in processes] == ["", ""]
    assert most <= limit


def stop_while_copying(cache: ShardCache, pipe: Any) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x" * 5
        pipe.send("copying")
        signal.pause()

    cache.shard("store/a", 10, blocks)


@contextmanager
def one_that_copies(cache: ShardCache) -> Iterator[None]:
    """Another process is copying the shard `a`, until it is killed at the end."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=stop_while_copying, args=(cache, theirs))
    process.start()
    assert ours.recv() == "copying"
    yield
    process.kill()
    process.join()


def test_what_a_killed_process_was_copying_is_copied_by_the_one_that_waits(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, limit_bytes=10)
    waiting, arrived = SPAWN.Pipe()
    waiter = SPAWN.Process(target=wait_for_shard, args=(cache, arrived))
    with one_that_copies(cache):
        assert files_of(cache) == {"a.copying": 10}
        assert cache.shard("store/b", 10, lambda: [b"b" * 10]) is None, "it counts, and nobody may remove it"
        waiter.start()
        assert waiting.recv() == "waiting"
    assert waiting.recv() == b"a" * 10
    waiter.join()
    assert files_of(cache) == {"a": 10}


def wait_for_shard(cache: ShardCache, pipe: Any) -> None:
    pipe.send("waiting")
    pipe.send(bytes(cache.shard("store/a", 10, lambda: [b"a" * 10])))


def test_what_a_killed_process_was_copying_makes_room(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, limit_bytes=10)
    with one_that_copies(cache):
        pass
    assert bytes(cache.shard("store/b", 10, lambda: [b"b" * 10])) == b"b" * 10
    assert files_of(cache) == {"b": 10}


@pytest.mark.slow
def test_processes_that_are_killed_while_they_read_harm_nobody(tmp_path: Path) -> None:
    store, cache, queue = make_store(tmp_path / "store"), cache_in(tmp_path / "cache", 1_000), SPAWN.Queue()
    for _ in range(2):
        unheard = SPAWN.Queue()
        doomed = readers(store, cache, 2, unheard)
        while not any(name.endswith(".copying") for name in names_in(cache)):
            assert doomed[0].is_alive()
        for process in doomed:
            process.kill()
            process.join()
    processes = readers(store, cache, 2, queue)
    assert [queue.get(timeout=60) for _ in processes] == ["", ""]
    for process in processes:
        process.join()
    assert used_bytes(cache) <= 1_000


def names_in(cache: ShardCache) -> list[str]:
    return [path.name for path in cache.path.glob("tuner_shards/*/*")]
