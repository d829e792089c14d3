"""What an experiment leaves on disk: trial states and rows, every path, TensorBoard events."""
