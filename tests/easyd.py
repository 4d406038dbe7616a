"""`phsearchd` with its real workers, on a machine of the test's own: nothing it does depends on battery or pressure."""

from __future__ import annotations

import machine
from phsearch.daemon import main as app

if __name__ == "__main__":
    machine.use()
    app.main()
