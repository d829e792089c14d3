"""What pretrained networks of transformers get of a wave: the same as from transformers' own preprocessing.

    hearing = hearing_of(preprocessor_config, network_config)
    outputs = network(**hearing.inputs(waves))

Waves are float [rows, samples], with zeros behind the end of each; its last sample is not 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from tuner.models.shapes import row_lengths

_AST = "audio-spectrogram-transformer"
_TINY = 1e-7
_WINDOW, _HOP, _FFT, _RATE = 400, 160, 512, 16_000
_FLOOR = 1.192092955078125e-07


class Hearing(Protocol):
    @property
    def sample_rate(self) -> int: ...
    @property
    def shortest(self) -> int:
        """Samples of which the network makes its first frame."""

    def inputs(self, waves: Tensor) -> dict[str, Tensor | None]:
        """The network's arguments, in the dtype of `waves`."""


def hears(config: Any) -> bool:
    """Whether a network of this configuration hears what `hearing_of` can make of a wave."""
    return config.model_type == _AST or hasattr(config, "num_feat_extract_layers")


def hearing_of(content: Mapping[str, Any], config: Any) -> Hearing:
    """By preprocessor_config.json; ValueError, TypeError or AttributeError where it does not say."""
    return _Fbanks.of(content, config) if config.model_type == _AST else _Waves.of(content, config)


@dataclass(frozen=True, kw_only=True)
class _Waves:
    """As of `Wav2Vec2FeatureExtractor`: the samples themselves."""

    sample_rate: int
    shortest: int
    normalises: bool
    """Each recording gets mean 0 and variance 1; zeros follow it as before."""
    masks: bool
    """Whether the network is told where a recording ends; else it hears silence there."""

    @classmethod
    def of(cls, content: Mapping[str, Any], config: Any) -> _Waves:
        shortest = int(getattr(config, "squeeze_factor", 1))
        for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
            shortest = (shortest - 1) * stride + kernel
        if content.get("padding_value", 0) != 0:
            raise ValueError("its padding_value is not 0")
        return cls(
            sample_rate=_number(content, "sampling_rate"),
            shortest=shortest,
            normalises=_flag(content, "do_normalize", True),
            masks=_flag(content, "return_attention_mask", False),
        )

    def inputs(self, waves: Tensor) -> dict[str, Tensor | None]:
        lengths = row_lengths(waves, 0)[:, None]
        samples = _normalised(waves, lengths) if self.normalises else waves
        # A network makes an error of a mask for less than a frame.
        mask = _is_before(waves, lengths.clamp(min=self.shortest)).long() if self.masks else None
        return {"input_values": samples.to(waves.dtype), "attention_mask": mask}


@dataclass(frozen=True, kw_only=True)
class _Fbanks:
    """As of `ASTFeatureExtractor`: log-mel filter banks of Kaldi, [rows, num_frames, num_mels]."""

    filters: Tensor
    """[frequencies, num_mels]"""
    num_frames: int
    mean: float
    std: float

    sample_rate = _RATE
    shortest = _WINDOW

    @classmethod
    def of(cls, content: Mapping[str, Any], config: Any) -> _Fbanks:
        from transformers.audio_utils import mel_filter_bank

        for name, usual, wanted in (
            ("sampling_rate", _RATE, _RATE),
            ("max_length", 1024, config.max_length),
            ("num_mel_bins", 128, config.num_mel_bins),
        ):
            if content.get(name, usual) != wanted:
                raise ValueError(f"its {name} is not {wanted}")
        filters = mel_filter_bank(
            num_frequency_bins=_FFT // 2 + 1,
            num_mel_filters=config.num_mel_bins,
            min_frequency=20,
            max_frequency=_RATE // 2,
            sampling_rate=_RATE,
            mel_scale="kaldi",
            triangularize_in_mel_space=True,
        )
        normalises = _flag(content, "do_normalize", True)
        return cls(
            filters=torch.from_numpy(filters),
            num_frames=config.max_length,
            mean=_number(content, "mean", -4.2677393) if normalises else 0.0,
            std=_number(content, "std", 4.5689974) if normalises else 0.5,
        )

    def inputs(self, waves: Tensor) -> dict[str, Tensor | None]:
        # In float64, as there: else quiet bands are lost beside loud ones.
        frames = waves[:, : (self.num_frames - 1) * _HOP + _WINDOW].double().unfold(1, _WINDOW, _HOP)
        frames = frames - frames.mean(dim=2, keepdim=True)
        frames = frames - 0.97 * functional.pad(frames, (1, 0), mode="replicate")[..., :-1]
        window = torch.hann_window(_WINDOW, periodic=False, dtype=frames.dtype, device=waves.device)
        power = torch.fft.rfft(frames * window, _FFT).abs().square()
        log_mel = (power @ self.filters.to(waves.device)).clamp(min=_FLOOR).log()
        num_heard = (row_lengths(waves, 0)[:, None] - _WINDOW) // _HOP + 1
        log_mel = log_mel * _is_before(log_mel, num_heard)[..., None]
        whole = functional.pad(log_mel, (0, 0, 0, self.num_frames - log_mel.shape[1]))
        return {"input_values": ((whole - self.mean) / (2 * self.std)).to(waves.dtype)}


def _normalised(waves: Tensor, lengths: Tensor) -> Tensor:
    samples = waves.float()
    mean = samples.sum(dim=1, keepdim=True) / lengths
    centred = (samples - mean) * _is_before(waves, lengths)
    return centred / (centred.square().sum(dim=1, keepdim=True) / lengths + _TINY).sqrt()


def _is_before(rows: Tensor, ends: Tensor) -> Tensor:
    """[rows, length]: whether a place is before the end of its row, `ends` [rows, 1]."""
    return torch.arange(rows.shape[1], device=rows.device) < ends


def _flag(content: Mapping[str, Any], name: str, usual: bool) -> bool:
    value = content.get(name, usual)
    if not isinstance(value, bool):
        raise ValueError(f"its {name} is neither true nor false")
    return value


def _number(content: Mapping[str, Any], name: str, usual: float | None = None) -> Any:
    value = content.get(name, usual)
    if not isinstance(value, int | float):
        raise ValueError(f"its {name} is no number")
    return value
