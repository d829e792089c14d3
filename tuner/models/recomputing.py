"""Blocks whose activations are not kept, but computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_is_second_pass = ContextVar("is_second_pass", default=False)


def is_second_pass() -> bool:
    """Whether a block is computed again; running statistics have seen its input already.

    Compiled code computes again only what gives no lasting change, so there it is never so.
    """
    return not torch.compiler.is_compiling() and _is_second_pass.get()


def run(block: nn.Module, *inputs: Tensor | None, recompute: bool) -> Tensor:
    """What `block` gives for `inputs`; with `recompute` it keeps no activations for the backward pass."""
    if not (recompute and torch.is_grad_enabled()):
        output: Tensor = block(*inputs)
    elif torch.compiler.is_compiling():
        output = checkpoint(block, *inputs, use_reentrant=False)
    else:
        output = checkpoint(block, *inputs, use_reentrant=False, context_fn=_contexts)
    return output


def _contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _second_pass()


@contextmanager
def _second_pass() -> Iterator[None]:
    token = _is_second_pass.set(True)
    try:
        yield
    finally:
        _is_second_pass.reset(token)
