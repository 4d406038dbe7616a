"""From a changed file to a durable row: pipelines, the index in memory, the writer of the store."""
