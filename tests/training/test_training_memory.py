"""Errors that say that memory ran out, of whoever raises them."""

import pytest
import torch

from tuner.training.memory import is_out_of_memory


def raised_from(cause: BaseException) -> BaseException:
    try:
        raise ValueError("the batch could not be built") from cause
    except ValueError as error:
        return error


def raised_beside(cause: BaseException) -> BaseException:
    try:
        try:
            raise cause
        finally:
            raise ValueError("the batch could not be built")
    except ValueError as error:
        return error


FULL = [
    MemoryError(),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] . DefaultCPUAllocator: can't allocate memory: you tried"
    ),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes"),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("std::bad_alloc"),
    OSError(12, "Cannot allocate memory"),
    raised_from(MemoryError()),
    raised_from(raised_from(RuntimeError("CUDA error: out of memory"))),
    raised_beside(MemoryError()),
]
OTHER = [
    ValueError("out of memory is what this test is about"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    raised_from(KeyError("memory")),
]


@pytest.mark.parametrize("error", FULL, ids=repr)
def test_memory(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHER, ids=repr)
def test_something_else(error):
    assert not is_out_of_memory(error)


def test_an_allocation_that_no_machine_has():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_errors_that_are_raised_from_each_other_in_a_circle():
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one
    assert not is_out_of_memory(one)
