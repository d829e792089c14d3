"""Distributed hyperparameter search: Ray Tune, Optuna and DeepSpeed behind one experiment file."""
