"""What fits texts and their translations."""

from tuner.tasks.metrics import TOKEN_METRICS
from tuner.tasks.rules import TOKEN_LOSSES, TaskRules

RULES = TaskRules(
    data="pairs",
    targets="tokens",
    metrics=TOKEN_METRICS,
    sources=("parallel_text", "parallel_table"),
    models=("encoder_decoder",),
    losses=TOKEN_LOSSES,
    place=7,
)
