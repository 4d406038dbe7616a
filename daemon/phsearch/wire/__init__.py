"""The wire: JSON-RPC 2.0, UTF-8, one object a line, over a Unix socket. Values only, no I/O, standard library only."""
