"""Pure logic of indexing: when a file has settled, which photos make a batch, why a worker ended."""
