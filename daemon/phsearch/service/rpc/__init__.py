"""The socket server: connections, dispatch and the methods."""
