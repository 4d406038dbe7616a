"""Makes ``daemon/training`` importable if only the built wheel is installed."""

from __future__ import annotations

import sys
from pathlib import Path

DAEMON = Path(__file__).resolve().parents[2] / "daemon"
sys.path.append(str(DAEMON))
