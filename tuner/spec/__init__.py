"""What an experiment is: its file, its sections, its space. Needs no torch, ray, optuna or pandas."""

from tuner.spec.domains import Choice, Domain, Float, Int
from tuner.spec.experiment import Experiment
from tuner.spec.space import Parameter, Space

__all__ = ["Choice", "Domain", "Experiment", "Float", "Int", "Parameter", "Space"]
