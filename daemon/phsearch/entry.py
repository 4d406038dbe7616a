"""The programs of an installation begin here, before anything is imported."""

from __future__ import annotations

from phsearch.interpreter import leave_foreign_modules


def phsearch_client() -> None:
    """Run `phsearch-client`."""
    leave_foreign_modules()
    from phsearch.cli import main  # noqa: PLC0415 - only then

    main()


def phsearchd() -> None:
    """Run `phsearchd`."""
    import signal  # noqa: PLC0415 - not for the client

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the default would end it; see daemon.program
    leave_foreign_modules()
    from phsearch.daemon.program import main  # noqa: PLC0415 - only then

    main()
