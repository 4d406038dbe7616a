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
    leave_foreign_modules()
    from phsearch.daemon.main import main  # noqa: PLC0415 - only then

    main()
