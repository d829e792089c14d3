"""Which of some classes a row of a table belongs to."""
