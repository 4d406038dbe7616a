"""The machine and the versions that were measured."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import os
import platform
import re
from pathlib import Path

from phsearch import __version__

_LIBRARIES = ("torch", "open_clip_torch", "timm", "transformers", "lancedb", "numpy", "pillow")


def facts(model: str) -> dict[str, str]:
    """Return date, machine, versions and model, each in a few words."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _LIBRARIES)
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{_processor()}, {cores()} cores, {_memory_gb():.0f} GB, Linux {platform.release()}",
        "versions": f"phsearch {__version__}, Python {platform.python_version()}, {versions}",
        "model": model,
    }


def cores() -> int:
    """Return the number of cores this process may use."""
    return len(os.sched_getaffinity(0))


def load() -> str:
    """Return the load averages; the results are pessimistic if they are much more than the benchmark's own load."""
    return "{:.2f} {:.2f} {:.2f} (1, 5, 15 minutes)".format(*os.getloadavg())


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory_gb() -> float:
    found = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"))
    return int(found[1]) / 1e6 if found else 0.0


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")
