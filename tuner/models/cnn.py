"""A small convolutional network for images, down to the 8 x 8 pixels of the digits.

`depth` blocks of convolution - norm - activation, block i with `channels` * 2**i outputs, each followed by a
2 x 2 maximum while both sides have at least 4 pixels. Then the picture is averaged down to less than 8 pixels
a side, flattened (where in the picture something was still counts, unlike with global pooling), dropped out
and classified. Average pooling has a fixed window, because the adaptive one is not reproducible on GPUs.
"""

from __future__ import annotations

from torch import nn

from tuner.models.layers import Stack, activation, normalise_channels
from tuner.spec.sections import CnnSpec

_MIN_POOLED_PIXELS = 4


def build_cnn(spec: CnnSpec, input_shape: tuple[int, int, int], num_outputs: int) -> nn.Module:
    """[rows, channels, height, width] -> [rows, num_outputs]."""
    channels, height, width = input_shape
    layers: list[nn.Module] = []
    for block in range(spec.depth):
        layers += _block(spec, channels, spec.channels * 2**block)
        channels = spec.channels * 2**block
        if min(height, width) >= _MIN_POOLED_PIXELS:
            layers.append(nn.MaxPool2d(2))
            height, width = height // 2, width // 2
    window = (max(1, height // _MIN_POOLED_PIXELS), max(1, width // _MIN_POOLED_PIXELS))
    num_features = channels * (height // window[0]) * (width // window[1])
    head = [
        nn.AvgPool2d(window),
        nn.Flatten(),
        nn.Dropout(spec.dropout),
        nn.Linear(num_features, num_outputs),
    ]
    return Stack(*layers, *head)


def _block(spec: CnnSpec, num_inputs: int, num_outputs: int) -> list[nn.Module]:
    convolution = nn.Conv2d(num_inputs, num_outputs, spec.kernel_size, padding="same")
    return [convolution, *normalise_channels(spec.normalisation, num_outputs), activation(spec.activation)]
