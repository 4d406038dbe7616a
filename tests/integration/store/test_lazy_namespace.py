"""The client for remote catalogs is imported only when something asks for it, and then it is the real one."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from support.harness import TESTS

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import sys
from phsearch.adapters.store.lazy_namespace import placeholders
with placeholders():
    import lancedb
    from lance_namespace import ListTablesRequest
assert "lance_namespace_urllib3_client" not in sys.modules
print(isinstance(3, ListTablesRequest), "lance_namespace_urllib3_client" in sys.modules)
request = ListTablesRequest(id=["a"], limit=3)
from lance_namespace_urllib3_client.models import ListTablesRequest as Real
print(type(request) is Real, isinstance(request, ListTablesRequest), request.limit)
"""


def test_a_placeholder_becomes_the_real_class_when_it_is_called() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False False", "True True 3"]


STORE = """
import sys
from pathlib import Path
from phsearch.adapters.store.lance import LanceStore
from phsearch.domain.types import ModelIdentity
from support.photos import photo
import numpy as np
store = LanceStore(folder=Path(sys.argv[1]), name="mini")
store.create_or_check(ModelIdentity("mini", "", "weights", "", 4))
store.apply([(photo("/p/a.jpg"), np.ones(4, np.float32))])
store.optimize()
store.stats()
store.close()
print(len(LanceStore(folder=Path(sys.argv[1]), name="mini").load()[0]), "lance_namespace_urllib3_client" in sys.modules)
"""


def test_a_store_on_the_disk_never_asks_for_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STORE, tmp_path], capture_output=True, text=True, check=True, cwd=TESTS
    )
    assert done.stdout.split() == ["1", "False"]
