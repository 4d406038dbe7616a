"""Two plots: whether probabilities are true, and the cost of a cut-off by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np

from quality.figures import reliability

mpl.use("Agg")
from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from quality.report import Judged

_EDGES = (0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.01)
_STEPS = 40


def draw(halves: Mapping[str, Judged], out: Path) -> None:
    """Write calibration and cut-off of each gallery to one picture."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), dpi=90)
    left.plot((0, 1), (0, 1), color="0.7", lw=1)
    for colour, (name, about) in zip(("C0", "C1", "C2"), halves.items(), strict=False):
        rows = reliability(*about.pooled(), _EDGES)
        left.plot([row[0] for row in rows], [row[1] for row in rows], "o-", ms=4, color=colour, label=name)
        by_relevance = [about.cut(least, about.probabilities) for least in np.linspace(0.02, 0.8, _STEPS)]
        by_cosine = [about.cut(least, about.cosines) for least in np.linspace(0.1, 0.45, _STEPS)]
        for cuts, style, what in ((by_relevance, "-", "relevance"), (by_cosine, ":", "flat cosine")):
            recall = [(each.recall + each.few) / 2 for each in cuts]
            right.plot(recall, [each.precision for each in cuts], style, color=colour, label=f"{name}, {what}")
            right.plot(recall, [each.silent for each in cuts], style, color=colour, alpha=0.4)
    left.set(xlabel="relevance", ylabel="share that is meant", title="what a relevance is worth")
    right.set(
        xlabel="recall", title="precision (full) and silence where\nnothing is meant (pale), by recall", ylim=(0, 1.02)
    )
    for axes in (left, right):
        axes.legend(fontsize=8)
        axes.grid(alpha=0.2)
    figure.tight_layout()
    figure.savefig(out)
