"""Residual networks (He et al., 2016, "Deep residual learning"), down to images of one pixel.

A stem, four stages of blocks, the mean over space, dropout and a linear layer. Each stage has twice the
channels of the one before, and its first block halves the sides (not in the first stage); in bottlenecks the
3 x 3 convolution does (as in torchvision). Convolutions begin as in He et al. (2015), and the
last norm of each block at zero, so that a block begins as its shortcut (Goyal et al., 2017). The mean is one
over two axes, because adaptive pooling is not reproducible on GPUs.
"""

from __future__ import annotations

from torch import Tensor, nn

from tuner.models import recomputing
from tuner.models.layers import normalise_channels
from tuner.spec.sections import ResnetSpec

_BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3)}
_MIN_BOTTLENECK_DEPTH = 50
_EXPANSION = 4


def build_resnet(spec: ResnetSpec, input_shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """[rows, channels, height, width] -> [rows, num_outputs]; at least `spec.min_side` pixels a side."""
    assert min(input_shape[1:]) >= spec.min_side, "the data was checked"
    return _Resnet(spec, input_shape[0], num_outputs)


class _Resnet(nn.Module):
    def __init__(self, spec: ResnetSpec, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self._recompute = spec.checkpointing
        self.stem = nn.Sequential(*_stem(spec, num_inputs))
        blocks: list[nn.Module] = []
        num_features = spec.channels
        for stage, num_blocks in enumerate(_BLOCKS[spec.depth]):
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                one = _Block(spec, num_features, spec.channels * 2**stage, stride)
                blocks.append(one)
                num_features = one.num_outputs
        self.blocks = nn.ModuleList(blocks)
        self.dropout = nn.Dropout(spec.dropout)
        self.head = nn.Linear(num_features, num_outputs)

    def forward(self, images: Tensor) -> Tensor:
        """[rows, channels, height, width] -> [rows, num_outputs]."""
        x = self.stem(images)
        for block in self.blocks:
            x = recomputing.run(block, x, recompute=self._recompute and self.training)
        outputs: Tensor = self.head(self.dropout(x.mean(dim=(2, 3))))
        return outputs


class _Block(nn.Module):
    """[rows, num_inputs, height, width] -> [rows, num_outputs, height / stride, width / stride]."""

    def __init__(self, spec: ResnetSpec, num_inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        is_bottleneck = spec.depth >= _MIN_BOTTLENECK_DEPTH
        self.num_outputs = channels * (_EXPANSION if is_bottleneck else 1)
        norm = spec.normalisation
        layers = _bottleneck if is_bottleneck else _plain
        self.residual = nn.Sequential(*layers(norm, num_inputs, channels, stride))
        keeps_shape = stride == 1 and num_inputs == self.num_outputs
        self.shortcut = nn.Sequential(
            *([] if keeps_shape else _convolution(norm, num_inputs, self.num_outputs, 1, stride))
        )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        outputs: Tensor = self.activation(self.residual(x) + self.shortcut(x))
        return outputs


def _stem(spec: ResnetSpec, num_inputs: int) -> list[nn.Module]:
    if spec.stem == "small":
        return [*_convolution(spec.normalisation, num_inputs, spec.channels, 3, 1), nn.ReLU()]
    convolution = _convolution(spec.normalisation, num_inputs, spec.channels, 7, 2)
    return [*convolution, nn.ReLU(), nn.MaxPool2d(3, stride=2, padding=1)]


def _plain(norm: str, num_inputs: int, channels: int, stride: int) -> list[nn.Module]:
    first = _convolution(norm, num_inputs, channels, 3, stride)
    return [*first, nn.ReLU(), *_convolution(norm, channels, channels, 3, 1, is_last=True)]


def _bottleneck(norm: str, num_inputs: int, channels: int, stride: int) -> list[nn.Module]:
    first = _convolution(norm, num_inputs, channels, 1, 1)
    second = _convolution(norm, channels, channels, 3, stride)
    third = _convolution(norm, channels, channels * _EXPANSION, 1, 1, is_last=True)
    return [*first, nn.ReLU(), *second, nn.ReLU(), *third]


def _convolution(
    norm: str, num_inputs: int, num_outputs: int, size: int, stride: int, *, is_last: bool = False
) -> list[nn.Module]:
    """`is_last`: of a residual branch."""
    scale = 0.0 if is_last else 1.0
    return [
        _Conv2d(num_inputs, num_outputs, size, stride),
        *normalise_channels(norm, num_outputs, scale=scale),
    ]


class _Conv2d(nn.Conv2d):
    def __init__(self, num_inputs: int, num_outputs: int, size: int, stride: int) -> None:
        super().__init__(num_inputs, num_outputs, size, stride=stride, padding=size // 2, bias=False)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
