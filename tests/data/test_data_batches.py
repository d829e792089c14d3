"""One order for every world size, an exact position, and every row of an evaluation once."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.data import Batches, Split, epoch_order, order, shards
from tuner.errors import DataError
from tuner.spec.sections import BlockShuffle

NUM_ROWS = 103
SPLIT = Split(np.arange(NUM_ROWS * 2, dtype=np.float32).reshape(NUM_ROWS, 2), np.arange(NUM_ROWS))


BLOCKS = order.Blocks(num_rows=10, window=3)
IN_BLOCKS = {"shuffle": BlockShuffle(block_mb=80e-6, window=3)}
"""The same: a row has 8 bytes."""


def batches(
    rank: int = 0, num_ranks: int = 1, micro_batch: int = 2, seed: int = 3, **options: Any
) -> Batches:
    return Batches(
        SPLIT, batch_size=8, micro_batch=micro_batch, rank=rank, num_ranks=num_ranks, seed=seed, **options
    )


def global_batches(num_ranks: int, micro_batch: int, epoch: int, **options: Any) -> list[list[int]]:
    """The rows of each global batch, in the order in which ranks and accumulation steps take them."""
    per_rank = [batches(rank, num_ranks, micro_batch, **options).epoch(epoch) for rank in range(num_ranks)]
    return [
        [int(row) for step in zip(*ranks, strict=True) for _, y in step for row in y]
        for ranks in zip(*per_rank, strict=True)
    ]


def test_order_is_a_fixed_permutation() -> None:
    assert sorted(epoch_order(50, 1, 2)) == list(range(50))
    assert epoch_order(10, 0, 0).tolist() == [0, 7, 8, 6, 9, 5, 1, 3, 2, 4]
    assert epoch_order(10, 0, 1).tolist() != epoch_order(10, 0, 0).tolist()
    assert epoch_order(10, 1, 0).tolist() != epoch_order(10, 0, 0).tolist()


def test_the_order_is_the_permutation_of_numpy() -> None:
    """What earlier versions trained in, with half the memory."""
    for num_rows in (0, 1, 2, 1000, 70_001):
        generator = np.random.Generator(np.random.Philox(key=[7, 5]))
        np.testing.assert_array_equal(epoch_order(num_rows, 7, 5), generator.permutation(num_rows))
        assert epoch_order(num_rows, 7, 5).itemsize == 4


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every order is one of very many rows."""
    monkeypatch.setattr(order, "LARGEST_LISTED", 1)


@pytest.mark.usefixtures("computed")
@pytest.mark.parametrize("num_rows", [2, 3, 5, 64, 65, 1000, 4095, 70_001])
def test_a_computed_order_is_a_permutation(num_rows: int) -> None:
    places = np.arange(num_rows)
    rows = order.order_of(num_rows, 1, 2)(places)
    assert sorted(rows.tolist()) == places.tolist()
    for part in (places[num_rows // 2 :], places[::-1], places[:1].reshape(1, 1)):
        np.testing.assert_array_equal(order.order_of(num_rows, 1, 2)(part), rows[part])


@pytest.mark.usefixtures("computed")
def test_computed_orders_are_as_if_they_were_drawn() -> None:
    """Where a row comes, and which row comes next, over the epochs: uniform by chi-square."""
    num_rows, num_epochs = 13, 6500
    rows = np.array([order.order_of(num_rows, 3, epoch)(np.arange(num_rows)) for epoch in range(num_epochs)])
    expected = num_epochs / num_rows
    for values in (*rows.T, *(np.diff(rows, axis=1) % num_rows).T):
        counts = np.bincount(values, minlength=num_rows)
        counts = counts if counts[0] else counts[1:]
        mean = num_epochs / len(counts)
        assert ((counts - mean) ** 2 / mean).sum() < 45  # 12 degrees of freedom: 1 in 100,000
    assert expected == 500


@pytest.mark.usefixtures("computed")
def test_global_batches_of_a_computed_order() -> None:
    places = np.arange(NUM_ROWS // 8 * 8).reshape(-1, 8)
    expected = order.order_of(NUM_ROWS, 3, 5)(places).tolist()
    for num_ranks, micro_batch in ((1, 2), (2, 1), (4, 2)):
        assert global_batches(num_ranks, micro_batch, epoch=5) == expected


SIZES = st.integers(1, 300)


@given(SIZES, SIZES, st.integers(1, 20), st.integers(0, 5), st.integers(0, 5))
def test_a_block_shuffle_takes_every_row_once(
    num_rows: int, block_rows: int, window: int, seed: int, epoch: int
) -> None:
    rows_at = order.order_of(num_rows, seed, epoch, order.Blocks(block_rows, window))
    rows = rows_at(np.arange(num_rows))
    assert sorted(rows.tolist()) == list(range(num_rows))
    windows = [rows_at.window(place) for place in range(num_rows)]
    assert windows == sorted(windows)
    blocks: dict[int, set[int]] = {}
    for window_of, row in zip(windows, rows.tolist(), strict=True):
        blocks.setdefault(window_of, set()).add(row // block_rows)
    assert all(len(each) <= window for each in blocks.values())
    assert sum(map(len, blocks.values())) == -(-num_rows // block_rows), "no block is in two windows"
    again = order.order_of(num_rows, seed, epoch, order.Blocks(block_rows, window))
    places = np.array([[num_rows + 1, 0], [num_rows // 2, num_rows - 1]])
    np.testing.assert_array_equal(again(places), rows[places % num_rows])


def test_a_block_shuffle_is_a_fixed_order() -> None:
    def rows(seed: int, epoch: int) -> list[int]:
        return order.order_of(12, seed, epoch, order.Blocks(3, 2))(np.arange(12)).tolist()

    assert rows(0, 0) == [5, 4, 6, 7, 3, 8, 1, 2, 0, 9, 11, 10]
    assert rows(0, 1) != rows(0, 0)
    assert rows(1, 0) != rows(0, 0)


def test_a_block_shuffle_lists_one_window_of_very_many_rows() -> None:
    num_rows = 1_000_000_000
    tracemalloc.start()
    rows = order.order_of(num_rows, 0, 0, order.Blocks(10_000, 8))(np.arange(0, num_rows, 50_000_000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(np.unique(rows)) == 20
    assert peak < 10e6


def test_places_in_a_block_shuffle_are_as_if_they_were_drawn() -> None:
    """Where a row comes over the epochs: uniform by chi-square."""
    num_rows, num_epochs = 12, 6000
    blocks = order.Blocks(2, 3)
    rows = np.array(
        [order.order_of(num_rows, 3, epoch, blocks)(np.arange(12)) for epoch in range(num_epochs)]
    )
    for values in rows.T:
        counts = np.bincount(values, minlength=num_rows)
        assert ((counts - 500) ** 2 / 500).sum() < 43  # 11 degrees of freedom: 1 in 100,000


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
@pytest.mark.parametrize("micro_batch", [1, 2])
def test_global_batches_of_a_block_shuffle(num_ranks: int, micro_batch: int) -> None:
    places = np.arange(NUM_ROWS // 8 * 8).reshape(-1, 8)
    expected = order.order_of(NUM_ROWS, 3, 5, BLOCKS)(places).tolist()
    assert global_batches(num_ranks, micro_batch, epoch=5, **IN_BLOCKS) == expected


@pytest.mark.parametrize("options", [{}, IN_BLOCKS])
def test_an_order_longer_than_a_block(monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]) -> None:
    whole = global_batches(2, 2, epoch=4, **options)
    monkeypatch.setattr("tuner.data.batches._BLOCK_ROWS", 24)
    assert global_batches(2, 2, epoch=4, **options) == whole


@pytest.mark.parametrize("num_ranks", [1, 2, 4])
@pytest.mark.parametrize("micro_batch", [1, 2])
def test_global_batches_do_not_depend_on_the_world_size(num_ranks: int, micro_batch: int) -> None:
    order = epoch_order(NUM_ROWS, seed=3, epoch=5)
    expected = order[: NUM_ROWS // 8 * 8].reshape(-1, 8).tolist()
    assert global_batches(num_ranks, micro_batch, epoch=5) == expected


@pytest.mark.parametrize("options", [{}, IN_BLOCKS])
@pytest.mark.parametrize("start", [0, 1, 11, 12])
def test_position_is_exact(start: int, options: dict[str, Any]) -> None:
    whole, rest = (list(batches(1, 2, **options).epoch(0, start=position)) for position in (0, start))
    assert len(rest) == batches().batches_per_epoch - start
    for expected, found in zip(whole[start:], rest, strict=True):
        for (x, y), (x_again, y_again) in zip(expected, found, strict=True):
            np.testing.assert_array_equal(x, x_again)
            np.testing.assert_array_equal(y, y_again)


def test_micro_batches_are_writable_rows_of_the_split() -> None:
    for micro_batches in batches().epoch(0):
        assert len(micro_batches) == 4
        for x, y in micro_batches:
            assert x.flags.c_contiguous
            assert x.flags.writeable
            np.testing.assert_array_equal(x, SPLIT.features[y])


def test_a_split_smaller_than_a_batch() -> None:
    with pytest.raises(
        DataError, match=r"it has 103 rows and train.batch_size is 128; lower train.batch_size"
    ):
        Batches(SPLIT, batch_size=128, micro_batch=128, rank=0, num_ranks=1, seed=0)


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 4])
@pytest.mark.parametrize("micro_batch", [1, 7, 16, 200])
def test_shards_hold_every_row_once_in_equal_numbers(num_ranks: int, micro_batch: int) -> None:
    per_rank = [
        list(shards(SPLIT, micro_batch=micro_batch, rank=rank, num_ranks=num_ranks))
        for rank in range(num_ranks)
    ]
    assert len({len(micro_batches) for micro_batches in per_rank}) == 1
    assert all(len(y) <= micro_batch for micro_batches in per_rank for _, y in micro_batches)
    rows = [int(row) for micro_batches in per_rank for _, y in micro_batches for row in y]
    assert rows == list(range(NUM_ROWS))
