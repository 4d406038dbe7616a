"""What the methods of the protocol return, as records: one module for each area, so that a client imports little."""
