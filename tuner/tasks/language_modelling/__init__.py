"""Which token follows, at each place of a text."""
