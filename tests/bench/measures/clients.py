"""The wait at a terminal: one query by the real client, compared with a Python interpreter that does nothing."""

from __future__ import annotations

import importlib.util
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench import library
from bench.context import running, warm
from bench.table import Measurement, Target
from support.harness import PHSEARCH_CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.context import BenchContext

_QUERY = ("beach", "sunset")
_NOTHING = (sys.executable, "-c", "pass")
_IMPORT = re.compile(r"^import time:\s*(\d+) \|\s*(\d+) \| ( *)(\S+)$", re.MULTILINE)


def measure(context: BenchContext) -> Iterator[Measurement]:
    """Run the programs alternately, against a warm daemon with a large library."""
    daemon = library.large(context, "clients")
    # The environment of a login shell: the PYTHONPATH of the harness would be one more folder to search.
    env = {name: value for name, value in daemon.env.items() if name != "PYTHONPATH"}
    plain, json = (*_program(), *_QUERY), (*_program(), "--json", *_QUERY)
    rounds = context.count(40, 20)
    with running(daemon, *library.roots(context, daemon)):
        warm(daemon)
        times: dict[Sequence[str], list[float]] = {_NOTHING: [], plain: [], json: []}
        for _ in range(rounds):
            for command, taken in times.items():
                taken.append(_wall(command, env))
        imported = _imports(plain, env)
        imported_json = _imports(json, env)
    median = {command: statistics.median(taken) for command, taken in times.items()}
    runs = f"medians of {rounds} runs in turns, {library.SIZE:,} photos"
    least, aim = median[_NOTHING], Target("value", "<=", 150)
    for name, command in (("client", plain), ("client --json", json)):
        yield Measurement(f"{name}, one query", median[command], "ms", "python -c pass", least, aim, runs)
    own = _imports(_NOTHING, env)
    for name, found in (("client", imported), ("client --json", imported_json)):
        added = {module: microseconds for module, microseconds in found.items() if module not in own}
        yield Measurement(
            f"{name}, imports",
            len(added),
            "modules",
            "python -c pass",
            len(own),
            note=f"{sum(added.values()) / 1000:.0f} ms by -X importtime: {', '.join(sorted(added))}",
        )


def _program() -> Sequence[str]:
    """Return the command of the installed client, or else of the module, which costs a little more."""
    script = Path(sys.executable).with_name("phsearch-client")
    return (str(script),) if script.exists() else PHSEARCH_CLIENT


def _wall(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Return the milliseconds from exec to exit."""
    start = time.perf_counter()
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return (time.perf_counter() - start) * 1000


def _imports(command: Sequence[str], env: Mapping[str, str]) -> dict[str, int]:
    """Return the modules a program imports, with the microseconds of each without its own imports."""
    words = command[1:] if command[0] == sys.executable else command
    run = subprocess.run(
        (sys.executable, "-X", "importtime", *words), env=env, capture_output=True, text=True, check=True, timeout=60
    )
    # Failed imports are listed, too: the standard library tries modules of other systems.
    return {name: int(own) for own, _, _, name in _IMPORT.findall(run.stderr) if _exists(name)}


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return module in sys.modules
