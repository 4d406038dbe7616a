"""The small files beside the index."""
