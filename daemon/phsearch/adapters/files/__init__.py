"""The photo folders on disk: scanning them, and the digest of a file."""
