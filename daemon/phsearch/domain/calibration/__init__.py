"""Fits the relevance of a model to photos with captions: what queries mean, in which libraries, and the curves."""
