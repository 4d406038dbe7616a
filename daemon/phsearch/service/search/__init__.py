"""From a query to hits, and what else is asked about photos."""
