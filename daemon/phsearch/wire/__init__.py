"""The protocol: JSON-RPC 2.0 in UTF-8, one object a line, over a Unix socket. No I/O, standard library only."""

PROTOCOL = 1
"""The version of the protocol. It is raised only if an older client could misunderstand an answer."""
