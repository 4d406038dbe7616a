"""Pure logic of the watched folders: their roots, what is ignored, what is mounted, what may be deleted."""
