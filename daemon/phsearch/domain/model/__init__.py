"""What is known of models: which one is wanted, how they are run, and how their texts are cut into tokens."""
