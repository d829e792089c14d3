"""One trial's training: DeepSpeed engine, loop, precision, checkpoints. Runs with and without Ray."""
