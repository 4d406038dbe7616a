"""`phsearchd install` and `uninstall`: the daemon as a service of its user's systemd, from login on."""
