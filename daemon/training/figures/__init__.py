"""What a model finds, in figures."""
