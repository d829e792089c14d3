"""What a model is told of the data: the shape of a row, and for tokens the vocabulary and the padding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from tuner.errors import ExperimentError


class Described(Protocol):
    """What is known of prepared data; `tuner.data.Manifest` answers."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def num_tokens(self) -> int | None: ...
    @property
    def padding(self) -> int | None: ...
    @property
    def separator(self) -> int | None: ...
    @property
    def mean(self) -> tuple[float, ...] | None: ...
    @property
    def std(self) -> tuple[float, ...] | None: ...


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """Rows of float features, or of tokens: then int64 [rows, length] with `input_shape` (length,)."""

    input_shape: tuple[int, ...]
    """of one row"""
    num_tokens: int | None = None
    """size of the vocabulary; None: the rows are float features"""
    padding: int | None = None
    """the token at the end of short rows, below `num_tokens`; None: every row is full"""
    separator: int | None = None
    """the token after which the second text of a pair begins; None: rows are no pairs, or none tells"""
    mean: tuple[float, ...] | None = None
    """that was taken from each channel of images, or feature; None: nothing"""
    std: tuple[float, ...] | None = None
    """by which the rest was divided"""

    @classmethod
    def of(cls, data: Described) -> DataShape:
        return cls(
            input_shape=data.input_shape,
            num_tokens=data.num_tokens,
            padding=data.padding,
            separator=data.separator,
            mean=data.mean,
            std=data.std,
        )


def features(data: DataShape, model: str, *, per_token: bool) -> tuple[int, ...]:
    """The shape of a row of float features; ExperimentError when `model` would get tokens."""
    if data.num_tokens is not None:
        raise ExperimentError(
            f"model.type {model} needs rows of numbers, but the data has rows of tokens; "
            f"use model.type rnn or transformer"
        )
    assert not per_token, model
    return data.input_shape


def image(data: DataShape, model: str, *, per_token: bool) -> tuple[int, int, int]:
    """(channels, height, width) of a row; ExperimentError when the rows are no images."""
    shape = features(data, model, per_token=per_token)
    if len(shape) != 3:
        raise ExperimentError(
            f"model.type {model} needs images of shape (channels, height, width), but the data has rows of "
            f"shape {shape}; use model.type mlp"
        )
    channels, height, width = shape
    return channels, height, width


def sequence(data: DataShape, model: str) -> DataShape:
    """`data` with rows of tokens or [length, features]; ExperimentError when they are neither.

    The columns of an image are steps, as the frames of a spectrogram are: see `steps`.
    """
    if data.num_tokens is None and len(data.input_shape) == 3:
        channels, height, width = data.input_shape
        data = replace(data, input_shape=(width, channels * height))
    if data.num_tokens is not None:
        assert len(data.input_shape) == 1, data
    elif len(data.input_shape) != 2:
        raise ExperimentError(
            f"model.type {model} needs rows of tokens, or numbers of shape (length, features), but the data "
            f"has rows of shape {data.input_shape}; use model.type mlp"
        )
    else:
        assert data.padding is None, data
    return data


def steps(rows: Tensor) -> Tensor:
    """[rows, channels, height, width] -> [rows, width, channels * height]; sequences as they are."""
    return rows.flatten(1, 2).transpose(1, 2) if rows.ndim == 4 else rows


def row_lengths(tokens: Tensor, padding: int) -> Tensor:
    """[rows, length] -> [rows]: tokens before the padding at the end, at least 1."""
    positions = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return torch.where(tokens != padding, positions, 1).amax(dim=1)
