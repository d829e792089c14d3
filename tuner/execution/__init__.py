"""Gangs, the conductor of an experiment, and the bridges to Ray Tune: the only room that imports ray."""
