"""How a language model goes on with a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tuner.tasks.base import Network, Preparation

NUM_TOKENS = 200
TEMPERATURE = 0.8
"""Below 1 the probable tokens are preferred."""


@torch.no_grad()
def continue_text(
    network: Network,
    preparation: Preparation,
    prompt: str,
    *,
    num_tokens: int = NUM_TOKENS,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> str:
    """What follows `prompt`: drawn token by token, each from the last ones that fill a row."""
    generator = torch.Generator().manual_seed(seed)
    tokens = [int(token) for token in preparation.encode(prompt)]
    begun = len(tokens)
    no_text = [token for token in (preparation.padding, preparation.unknown) if token is not None]
    for _ in range(num_tokens):
        tokens.append(_draw(network, tokens[-preparation.max_length :], no_text, temperature, generator))
    return preparation.decode(tokens[begun:])


def _draw(
    network: Network,
    tokens: Sequence[int],
    no_text: Sequence[int],
    temperature: float,
    generator: torch.Generator,
) -> int:
    logits = network(torch.tensor([tokens]))[0, -1].float() / temperature
    logits[no_text] = -torch.inf
    return int(torch.multinomial(logits.softmax(dim=0), 1, generator=generator))
