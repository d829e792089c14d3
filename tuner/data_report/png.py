"""Small pictures of images, as PNG (ISO/IEC 15948) by the standard library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from tuner.data.table import AnyArray
from tuner.data_report.numbers import are_the_same

MOST_PIXELS = 128
"""A side; of larger images every second, third, ... pixel is taken."""
_GREY, _RGB = 0, 2
_MIDDLE = 128


def picture(image: AnyArray) -> bytes:
    """Of [channels, height, width]: three channels in colour, else the first one in grey.

    The least value is black, the greatest is white; where all are the same, they are grey.
    """
    step = -(-max(image.shape[1:]) // MOST_PIXELS)
    chosen = image[:3] if len(image) == 3 else image[:1]
    return encode(_as_bytes(chosen[:, ::step, ::step].transpose(1, 2, 0)))


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Of [height, width, 1 or 3]."""
    height, width, channels = pixels.shape
    colour = _RGB if channels == 3 else _GREY
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    unfiltered = np.zeros((height, 1), dtype=np.uint8)
    lines = np.hstack([unfiltered, pixels.reshape(height, -1)])
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _as_bytes(image: AnyArray) -> NDArray[np.uint8]:
    values = image.astype(np.float64)
    low, high = values.min(), values.max()
    if are_the_same(low, high):
        return np.full(image.shape, _MIDDLE, dtype=np.uint8)
    scaled: NDArray[np.float64] = (values - low) * (255 / (high - low))
    return np.rint(scaled).astype(np.uint8)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
