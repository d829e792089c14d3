"""Rows of tokens [rows, length] from which tokens are left out."""

from __future__ import annotations

import torch
from torch import Tensor

from tuner.training.augment.draws import VALUES, Places


def drop(tokens: Tensor, share: float, places: Places, padding: int | None, blank: int) -> Tensor:
    """Each token with probability `share`.

    With padding a row closes up over them, and keeps at least its first token. Rows without padding are those
    of language modelling, whose targets stay in place: there `blank` stands instead.
    """
    is_dropped = torch.from_numpy(places.uniform(VALUES, tokens.shape[1]) < share).to(tokens.device)
    if padding is None:
        return tokens.masked_fill(is_dropped, blank)
    is_dropped = is_dropped & (tokens != padding)
    is_dropped[:, 0] = False
    order = is_dropped.to(torch.uint8).argsort(dim=1, stable=True)
    num_kept = (~is_dropped).sum(dim=1, keepdim=True)
    beyond = torch.arange(tokens.shape[1], device=tokens.device) >= num_kept
    return tokens.gather(1, order).masked_fill(beyond, padding)
