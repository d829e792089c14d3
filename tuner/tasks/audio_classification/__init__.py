"""Which of some classes a recording belongs to."""
