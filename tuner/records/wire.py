"""Protocol buffers by the thousand: the fields of many messages, walked side by side with numpy.

    for fields in rounds(content, starts, ends):     # first fields of all messages, then the second ones, ...
        step = fields.of(STEP_KEY)
        steps[step.message] = step.number

One round costs some twenty numpy calls, however many messages there are; so this is fast for many alike,
small messages (the events of a training) and slow for one large one. The wire format:
https://protobuf.dev/programming-guides/encoding/
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types."""
_FIXED = {FIXED64: 8, FIXED32: 4}

_MALFORMED = -1
_WIDTH = np.array([0, 8, _MALFORMED, _MALFORMED, _MALFORMED, 4, _MALFORMED, _MALFORMED])
_PADDING_BYTES = 32
"""Zeros after the content, so that a read near its end stays inside: a key and a length, ten bytes each."""
_HASH_PRIME = np.uint64(0x9E3779B97F4A7C15)
_LOW_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)


def key(number: int, wire_type: int) -> int:
    """What stands before each field."""
    return number << 3 | wire_type


def fields_of(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Key and content of each field of one message, in plain Python.

    A malformed message ends where it goes wrong. Numbers of fixed width are bytes too.
    """
    position = 0
    with suppress(IndexError):
        while position < len(message):
            found, position = _varint(message, position)
            wire_type = found & 7
            if wire_type == VARINT:
                number, position = _varint(message, position)
                yield found, number
                continue
            if wire_type == BYTES:
                size, position = _varint(message, position)
            elif wire_type in _FIXED:
                size = _FIXED[wire_type]
            else:
                return
            if position + size > len(message):
                return
            yield found, message[position : position + size]
            position += size


def _varint(message: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and where it ends; IndexError beyond the end or ten bytes."""
    number = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
    raise IndexError("a number has at most ten bytes")


class Content:
    """Bytes, from which numbers are read at many positions at once, aligned or not."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.data = data
        self._padded = data + bytes(_PADDING_BYTES)
        self.byte = self.numbers("u1")
        self.uint64 = self.numbers("<u8")
        self.float64 = self.numbers("<f8")
        self.float32 = self.numbers("<f4")

    def numbers(self, kind: str) -> NDArray[Any]:
        """The number of this numpy type that begins at each byte."""
        count = len(self._padded) - np.dtype(kind).itemsize + 1
        numbers: NDArray[Any] = np.ndarray((count,), kind, self._padded, strides=(1,))
        return numbers

    def text(self, start: int, end: int) -> str:
        return self.data[start:end].decode(errors="replace")

    def varint(self, position: Ints) -> tuple[NDArray[np.uint64], Ints]:
        """The numbers of varying width at `position`, and the positions behind them."""
        byte = self.byte[position]
        value, after = (byte & 0x7F).astype(np.uint64), position + 1
        more = np.flatnonzero(byte >= 0x80)
        for shift in range(7, 70, 7):
            if not more.size:
                break
            byte = self.byte[after[more]]
            value[more] |= (byte & 0x7F).astype(np.uint64) << np.uint64(shift)
            after[more] += 1
            more = more[byte >= 0x80]
        return value, after

    def hashes(self, start: Ints, end: Ints) -> NDArray[np.uint64]:
        """A number for each stretch of bytes, the same for the same bytes."""
        mixed = (end - start).astype(np.uint64)
        for offset in range(0, int(mixed.max(initial=0)), 8):
            at = np.minimum(start + offset, end)
            word = self.uint64[at] & _LOW_BYTES[np.minimum(end - at, 8)]
            mixed = (mixed ^ word) * _HASH_PRIME
        return mixed


@dataclass(frozen=True)
class Fields:
    """One field each of many messages."""

    message: Ints
    """Whose it is, as an index."""
    key: NDArray[np.uint64]
    number: NDArray[np.uint64]
    """The value of a varint; the length of bytes."""
    start: Ints
    """Where the content lies, of fixed width or bytes."""
    end: Ints

    def of(self, wanted: int) -> "Fields":
        """Those with this key."""
        return self.where(self.key == np.uint64(wanted))

    def where(self, chosen: NDArray[np.bool_]) -> "Fields":
        if chosen.all():
            return self
        return Fields(
            self.message[chosen], self.key[chosen], self.number[chosen], self.start[chosen], self.end[chosen]
        )


class Spans:
    """Where a field of bytes lies in each of many messages; empty where it is absent."""

    def __init__(self, num_messages: int) -> None:
        self.start, self.end = np.zeros((2, num_messages), np.int64)
        self.is_there = np.zeros(num_messages, bool)

    def note(self, found: Fields) -> None:
        self.start[found.message], self.end[found.message] = found.start, found.end
        self.is_there[found.message] = True


def rounds(content: Content, start: Ints, end: Ints) -> Iterator[Fields]:
    """The first fields of the messages from `start` to `end`, the second ones, and so on.

    A malformed message ends where it goes wrong.
    """
    message, position = np.arange(len(start)), start
    while True:
        is_left = position < end[message]
        if not is_left.all():
            message, position = message[is_left], position[is_left]
        if not message.size:
            return
        fields = _fields(content, message, position)
        fields = fields.where((fields.start <= fields.end) & (fields.end <= end[fields.message]))
        yield fields
        message, position = fields.message, fields.end


def _fields(content: Content, message: Ints, position: Ints) -> Fields:
    keys, start = content.varint(position)
    wire_type = (keys & np.uint64(7)).astype(np.int64)
    number = np.zeros(len(keys), np.uint64)
    end = start + _WIDTH[wire_type]
    at = np.flatnonzero((wire_type == VARINT) | (wire_type == BYTES))
    number[at], start[at] = content.varint(start[at])
    # A length beyond the file (garbage) must not overflow; it is malformed either way.
    length = np.minimum(number[at], np.uint64(content.size)).astype(np.int64)
    end[at] = start[at] + np.where(wire_type[at] == BYTES, length, 0)
    return Fields(message, keys, number, start, end)
