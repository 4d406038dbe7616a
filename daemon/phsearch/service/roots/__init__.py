"""The watched folders: their watches, scans, volumes and removals."""
