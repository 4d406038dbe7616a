"""What Linux tells and takes: mounts, processes, power, pressure, limits, systemd."""
