"""`phsearchd install` and `uninstall`: the daemon as a service of its user's systemd, started at login or by a query."""
