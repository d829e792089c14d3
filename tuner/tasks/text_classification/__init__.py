"""Which of some classes a text, or a pair of texts, belongs to."""
