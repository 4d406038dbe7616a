"""How the daemon is: status, throughput, and the components that other modules look at."""
