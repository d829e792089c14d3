"""Which of some classes an image belongs to."""
