"""The words to learn: of captions, labels, classes, and what they have in common."""
