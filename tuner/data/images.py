"""Image files as arrays of bytes [rows, channels, height, width].

A file is opened by Pillow, turned as its EXIF data say, laid over white where it is transparent, made RGB or
grey, and resized bilinearly, antialiased. That is done to some files at a time, and only the result is kept.
Of an animation the first picture counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tuner.data.pixels import Bytes
from tuner.data.pool import MapChunks, in_order
from tuner.data.sources.files import reason
from tuner.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_PIXELS = 64_000_000
"""Of one file; Pillow itself would decode nearly three times as many."""

_MODES = {"rgb": "RGB", "grey": "L"}
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""What Pillow may take a file for, whatever it is called."""
_CHUNK_FILES, _CHUNK_BYTES = 64, 1 << 23
"""The most that a chunk has: files, and bytes of what they become."""

Size = tuple[int, int]
"""(height, width) in pixels."""


def decode_files(
    files: Sequence[Path],
    mode: str,
    size: Size | None,
    *,
    zeros: Callable[..., Bytes] = np.zeros,
    map_chunks: MapChunks = in_order,
) -> tuple[Bytes, dict[int, str]]:
    """All images, and of those that cannot be used, which are black, the row and what is wrong.

    Args:
        size: to which they are resized; None: that of the first one that can be used, which all must have.
        zeros: makes the array that holds all of them.
    """
    Image.init()  # loads all formats, which the threads would do one by one
    shape = size or _first_size(files, mode)
    images = zeros((len(files), Image.getmodebands(_MODES[mode]), *shape), dtype=np.uint8)
    step = max(1, min(_CHUNK_FILES, _CHUNK_BYTES // max(1, images[:1].nbytes)))
    chunks = [files[start : start + step] for start in range(0, len(files), step)]
    wrong: dict[int, str] = {}
    start = 0
    for decoded, messages in map_chunks(partial(_decode_chunk, mode=mode, size=size, shape=shape), chunks):
        images[start : start + len(decoded)] = decoded
        wrong.update({start + row: message for row, message in messages.items()})
        start += len(decoded)
    return images, wrong


def _decode_chunk(
    files: Sequence[Path], *, mode: str, size: Size | None, shape: Size
) -> tuple[Bytes, dict[int, str]]:
    images = np.zeros((len(files), Image.getmodebands(_MODES[mode]), *shape), dtype=np.uint8)
    wrong = {}
    for row, file in enumerate(files):
        try:
            images[row] = _fitting(_decode(file, mode, size), shape, file)
        except DataError as error:
            wrong[row] = str(error)
    return images, wrong


def _first_size(files: Sequence[Path], mode: str) -> Size:
    """(1, 1) where no file can be used."""
    for file in files:
        try:
            return _decode(file, mode, None).shape[1:]
        except DataError:
            continue
    return (1, 1)


def _fitting(image: Bytes, shape: Size, file: Path) -> Bytes:
    if image.shape[1:] != shape:
        found = "{1} x {2}".format(*image.shape)
        raise DataError(
            f"images must have one size, but {file} has {found} pixels (height x width) and others have "
            f"{shape[0]} x {shape[1]}; set data.image.size"
        )
    return image


def _decode(file: Path, mode: str, size: Size | None) -> Bytes:
    """[channels, height, width]; DataError where `file` holds no image that can be read to its end."""
    try:
        with Image.open(file, formats=_FORMATS) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                found = f"{opened.height} x {opened.width}"
                raise DataError(
                    f"an image may have {MOST_PIXELS} pixels, but {file} has {found}; make it smaller"
                )
            image = _converted(ImageOps.exif_transpose(opened), _MODES[mode])
            if size is not None:
                image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            pixels = np.asarray(image)
    except DataError:
        raise
    except Exception as error:
        # What Pillow raises for a damaged file depends on the format and the place of the damage.
        raise DataError(
            f"an image must be readable, but {file} is not: {_reason(error)}; replace it"
        ) from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _reason(error: Exception) -> str:
    """Without the file's name, which Pillow repeats."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is none of {', '.join(_FORMATS)}"
    return reason(error)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    """In `mode`, L or RGB; 16 bits keep the upper 8, and what is transparent shows white."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its values have 32 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
