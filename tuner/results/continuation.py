"""How a language model goes on with a text."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tuner.data.tokens import Tokenizer

NUM_TOKENS = 200
TEMPERATURE = 0.8
"""Below 1 the probable tokens are preferred."""


@torch.no_grad()
def continue_text(
    network: torch.nn.Module,
    tokenizer: Tokenizer,
    prompt: str,
    *,
    max_length: int,
    num_tokens: int = NUM_TOKENS,
    temperature: float = TEMPERATURE,
    seed: int = 0,
) -> str:
    """What follows `prompt`: drawn token by token, each from the last `max_length` before it."""
    generator = torch.Generator().manual_seed(seed)
    tokens = [int(token) for token in tokenizer.encode(prompt)]
    begun = len(tokens)
    for _ in range(num_tokens):
        tokens.append(_draw(network, tokens[-max_length:], tokenizer.padding, temperature, generator))
    return tokenizer.decode(tokens[begun:])


def _draw(
    network: torch.nn.Module,
    tokens: Sequence[int],
    padding: int,
    temperature: float,
    generator: torch.Generator,
) -> int:
    logits = network(torch.tensor([tokens]))[0, -1].float() / temperature
    logits[padding] = -torch.inf
    return int(torch.multinomial(logits.softmax(dim=0), 1, generator=generator))
