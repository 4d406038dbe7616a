"""The program `phsearchd`. It ignores SIGHUP before it imports anything: the default would end it.

Nothing is lost by that, since the settings are not read yet. `start` takes the signal over before it reads them.
"""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Run `phsearchd`."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from phsearch.daemon.main import main as run_phsearchd  # noqa: PLC0415 - see above

    run_phsearchd()


if __name__ == "__main__":
    main()
