"""The numbers in TensorFlow's tensors of rank 0: scalars as TensorFlow 2 and Keras write them, of any type.

Tensors keep numbers in a field of their kind, or as plain bytes: tensorflow/core/framework/tensor.proto.
"""

import numpy as np
from numpy.typing import NDArray

from tuner.records.wire import BYTES, FIXED32, FIXED64, VARINT, Content, Fields, Ints, Spans, key, rounds

_TYPE, _SHAPE, _BYTES = key(1, VARINT), key(2, BYTES), key(4, BYTES)
_FLOAT, _DOUBLE, _HALF, _UINT64 = 5, 6, 13, 17
_WHOLE = (7, 10, 11, 16, _UINT64)
"""Fields of whole numbers: int, int64, bool, uint32, uint64."""
_NUMPY_TYPES = {
    **{1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "u1"},
    **{14: "<u2", 17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8"},
}
"""TensorFlow's number of a type to the numpy type of its bytes."""
_BFLOAT16 = 14


class _Numbers:
    """One number a tensor, as far as they were found."""

    def __init__(self, num_tensors: int) -> None:
        self.number = np.zeros(num_tensors)
        self.is_there = np.zeros(num_tensors, bool)

    def note(self, tensor: Ints, values: NDArray[np.generic], is_one: NDArray[np.bool_]) -> None:
        self.number[tensor[is_one]] = values[is_one]
        self.is_there[tensor[is_one]] = True


def tensor_numbers(content: Content, start: Ints, end: Ints) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The number in each tensor between `start` and `end`, and whether it is of rank 0 and holds one."""
    numbers = _Numbers(len(start))
    kind = np.zeros(len(start), np.int64)
    shape, raw = Spans(len(start)), Spans(len(start))
    for found in rounds(content, start, end):
        types = found.of(_TYPE)
        kind[types.message] = types.number.view(np.int64)
        shape.note(found.of(_SHAPE))
        raw.note(found.of(_BYTES))
        _note_fixed(content, found, numbers)
        _note_varying(content, found, kind, numbers)
    _note_raw(content, raw, kind, numbers)
    return numbers.number, numbers.is_there & (shape.start == shape.end)


def _note_fixed(content: Content, found: Fields, numbers: _Numbers) -> None:
    for field, wire_type, name in ((_FLOAT, FIXED32, "<f4"), (_DOUBLE, FIXED64, "<f8")):
        for one in (found.of(key(field, BYTES)), found.of(key(field, wire_type))):
            is_one = one.end - one.start == np.dtype(name).itemsize
            numbers.note(one.message, content.numbers(name)[one.start], is_one)


def _note_varying(content: Content, found: Fields, kind: Ints, numbers: _Numbers) -> None:
    for field in (*_WHOLE, _HALF):
        packed, single = found.of(key(field, BYTES)), found.of(key(field, VARINT))
        bits, after = content.varint(packed.start)
        numbers.note(packed.message, _number(bits, field, kind[packed.message]), after == packed.end)
        is_one = np.ones(len(single.message), bool)
        numbers.note(single.message, _number(single.number, field, kind[single.message]), is_one)


def _note_raw(content: Content, raw: Spans, kind: Ints, numbers: _Numbers) -> None:
    for type_number in np.unique(kind[raw.is_there]).tolist():
        name = _NUMPY_TYPES.get(type_number)
        if name is None:
            continue
        tensor = np.flatnonzero(raw.is_there & (kind == type_number))
        values = content.numbers(name)[raw.start[tensor]]
        is_one = raw.end[tensor] - raw.start[tensor] == np.dtype(name).itemsize
        numbers.note(tensor, _bfloat16(values) if type_number == _BFLOAT16 else values, is_one)


def _number(bits: NDArray[np.uint64], field: int, kind: Ints) -> NDArray[np.generic]:
    """What the varints of a field stand for."""
    if field == _HALF:
        half = bits.astype(np.uint16)
        return np.where(kind == _BFLOAT16, _bfloat16(half), half.view(np.float16).astype(np.float32))
    return bits if field == _UINT64 else bits.view(np.int64)


def _bfloat16(bits: NDArray[np.uint16]) -> NDArray[np.float32]:
    numbers: NDArray[np.float32] = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return numbers
