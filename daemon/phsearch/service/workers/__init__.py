"""Worker processes: how they start, what they may take, how they end."""
