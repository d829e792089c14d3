"""What a text is in another language."""
