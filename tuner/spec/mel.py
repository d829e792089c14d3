"""The mel scale of the HTK book (Young et al., 2002): mel(f) = 2595 log10(1 + f / 700), and bands on it."""

import math


def band_edges(num_bands: int, sample_rate: int) -> list[float]:
    """Hz, [num_bands + 2], at equal distances in mel from 0 to half the sample rate.

    Band i rises from edge i to edge i + 1 and falls to edge i + 2.
    """
    step = _mel(sample_rate / 2) / (num_bands + 1)
    return [_hertz(step * edge) for edge in range(num_bands + 2)]


def empty_band(num_bands: int, sample_rate: int, num_fft: int) -> int | None:
    """The first band without a frequency of the spectrum of `num_fft` samples; None: each has one."""
    spacing = sample_rate / num_fft
    edges = band_edges(num_bands, sample_rate)
    for band, (low, high) in enumerate(zip(edges, edges[2:], strict=False)):
        if (math.floor(low / spacing) + 1) * spacing >= high:
            return band
    return None


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _hertz(mel: float) -> float:
    return 700 * (10 ** (mel / 2595) - 1)
