"""Writes the graphs of the bundled model, with which it runs without torch: `python graphs.py [FOLDER]`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from phsearch.adapters import clip
from phsearch.model_files import BUNDLED
from phsearch.worker.export_model import check_graphs, export_files
from training.export import WEIGHTS, write_sums

NAME = "mini"


def write_graphs(folder: Path) -> None:
    """Export the towers of the model in `folder`, compare their vectors with torch's, and write the checksums anew."""
    loaded = clip.load_tower(f"local-dir:{folder}", "", "both")
    identity = replace(loaded.info.identity, name=NAME)
    loaded = replace(loaded, info=replace(loaded.info, identity=identity))
    for name, content in export_files(loaded, folder / WEIGHTS, bundled=True).items():
        (folder / name).write_bytes(content)
    write_sums(folder)
    check_graphs(loaded, folder)


if __name__ == "__main__":
    write_graphs(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else BUNDLED[NAME])
