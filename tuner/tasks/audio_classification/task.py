"""As all classification: one logit a class, or one for two classes."""

from tuner.tasks.classification import make

__all__ = ["make"]
