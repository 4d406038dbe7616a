"""The asyncio shell around the domain: the daemon at work."""
