"""What the daemon reads from Linux and sets there: mounts, processes, power, pressure, limits and systemd."""
