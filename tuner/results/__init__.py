"""What came out of an experiment: tables, the best trial, exported models."""
