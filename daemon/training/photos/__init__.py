"""The photos to learn from: read, split, changed at random, seen once by the frozen half of the tower."""
