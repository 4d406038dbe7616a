"""The folders of photos on disk: what is there, and what it contains."""
