"""The language of queries: text in, a `Query` out, every mistake with its place. Pure; the README has the grammar."""
