"""The state of the daemon: status, throughput, and the components that diagnosis and metrics read."""
