"""One library or one part of the system each; none knows another."""
