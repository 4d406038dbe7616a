"""Makes what the manual says by itself: tables of the code in its topics, and the man pages. `make manual` runs it."""
