"""Which number belongs to a row of a table."""
