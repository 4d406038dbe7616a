"""The wire: JSON-RPC 2.0, UTF-8, one object a line, over a Unix socket. Values only, no I/O, standard library only."""

PROTOCOL = 1
"""The version of the protocol: raised only if a client of an older one could misunderstand an answer."""
