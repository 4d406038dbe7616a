"""The real worker program over colours for a model, which notes which of its files are entered; see support.routes."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # In place of this folder, whose modules are not to be imported by their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

import runpy

from support.routes import Tracer
from support.workers import BAD_DECODER_WORKER

if __name__ == "__main__":
    Tracer().install()
    runpy.run_path(BAD_DECODER_WORKER[1], run_name="__main__")
