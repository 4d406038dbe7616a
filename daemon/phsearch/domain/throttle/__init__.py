"""Pure logic of the throttle: how much of the time indexing may take."""
