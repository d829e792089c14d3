"""Which number format a trial trains in.

`auto` is bf16 on GPUs that have it, fp16 on older GPUs, and fp32 on CPUs.
"""

from typing import Literal

import torch

from tuner.errors import PrecisionError

Precision = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(asked: str, device_type: str) -> Precision:
    """The precision that a trial really uses.

    Raises:
        PrecisionError: the accelerator cannot train in what was asked.
    """
    if asked == "auto":
        return _automatic(device_type)
    if asked == "fp16" and not _supports_fp16():
        raise PrecisionError(
            f"train.precision fp16 needs an accelerator that trains in half precision, but DeepSpeed "
            f"reports that this {device_type.upper()} does not; use precision: bf16, fp32 or auto."
        )
    assert asked in DTYPES, asked
    return asked  # type: ignore[return-value]


def _automatic(device_type: str) -> Precision:
    if device_type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def _supports_fp16() -> bool:
    from deepspeed.accelerator import get_accelerator

    return bool(get_accelerator().is_fp16_supported())
