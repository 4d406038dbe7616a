"""Worker programs of tests, as commands: each speaks the frames of a real worker, and none needs torch."""

from __future__ import annotations

import sys
from pathlib import Path

_FOLDER = Path(__file__).parent

COLOUR_WORKER = (sys.executable, str(_FOLDER / "colour.py"))
"""Embeds a photo as its mean colour, and a text as the colour that it names."""

BAD_DECODER_WORKER = (sys.executable, str(_FOLDER / "bad_decoder.py"))
"""Crashes, hangs or takes too much memory at some file names."""

COMPROMISED_WORKER = (sys.executable, str(_FOLDER / "compromised.py"))
"""Answers as a worker that a photo has taken over."""

LYING_WORKER = (sys.executable, str(_FOLDER / "lying.py"))
"""Works as the colour worker until a photo takes it over."""

FORKED_WORKERS = {COLOUR_WORKER, LYING_WORKER}
"""Started as forks by forked daemons. The others replace what a worker imports."""

TRACED_WORKER = (sys.executable, str(_FOLDER / "traced.py"))
"""Notes which files of the worker process are entered."""
