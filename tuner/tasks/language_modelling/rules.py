"""What fits running text."""

from tuner.tasks.metrics import TOKEN_METRICS
from tuner.tasks.rules import TOKEN_LOSSES, TaskRules

RULES = TaskRules(
    data="running_text",
    targets="tokens",
    metrics=TOKEN_METRICS,
    sources=("text", "huggingface with text"),
    models=("rnn", "transformer", "pretrained"),
    losses=TOKEN_LOSSES,
    augmentations=("token_dropout",),
    is_causal=True,
    place=5,
)
