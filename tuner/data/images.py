"""Image files as arrays of bytes [rows, channels, height, width].

A file is opened by Pillow, turned as its EXIF data say, laid over white where it is transparent, made RGB or
grey, and resized bilinearly, antialiased. Threads do that, each with one image at a time; only the result is
kept. Of an animation the first picture counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tuner.data.pixels import Bytes
from tuner.data.sources.files import reason
from tuner.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MOST_PIXELS = 64_000_000
"""Of one file; Pillow itself would decode nearly three times as many."""

_MODES = {"rgb": "RGB", "grey": "L"}
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""What Pillow may take a file for, whatever it is called."""

Size = tuple[int, int]
"""(height, width) in pixels."""


def decode_files(
    files: Sequence[Path], mode: str, size: Size | None, num_threads: int | None = None
) -> tuple[Bytes, dict[int, str]]:
    """All images, and of those that cannot be used the row and what is wrong.

    Args:
        size: to which they are resized; None: that of the first one that can be used, which all must have.
        num_threads: None: a few more than cores. The bytes do not depend on it.
    """
    Image.init()  # loads all formats, which the threads would do one by one
    with ThreadPoolExecutor(num_threads) as pool:
        shape = size or _first_size(files, mode)
        images = np.zeros((len(files), Image.getmodebands(_MODES[mode]), *shape), dtype=np.uint8)

        def fill(row: int) -> str | None:
            try:
                image = _decode(files[row], mode, size)
                images[row] = _fitting(image, shape, files[row])
            except DataError as error:
                return str(error)
            return None

        wrong = enumerate(pool.map(fill, range(len(files))))
        return images, {row: message for row, message in wrong if message is not None}


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
