"""Pure logic of a search: vectors, filters, relevance, ranking and near-duplicates."""
