"""`make quality`: how well the model ranks, how good the cut-off is, and whether probabilities are true.

    python tests/quality/run.py [--data DIR] [--model NAME --pretrained TAG --calibration FILE] [--plot FILE]

All photos that are measured are new to the model and to its calibration.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.adapters.state import calibration_file
from phsearch.domain.search import everyday
from phsearch.domain.search.own_calibration import EVERY, TEMPLATES, own_calibration
from quality import report
from quality.calibrate import CACHE, CHECKOUT, MINI
from quality.embed import Embedder
from quality.material import asked, material, text_vectors
from quality.pairs import table
from training.words import groups, vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence


def measure(arguments: Sequence[str]) -> None:
    """Print all tables; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--calibration", type=Path, default=MINI / calibration_file.NAME)
    parser.add_argument("--plot", type=Path, default=MINI / "quality.png")
    args = parser.parse_args(arguments)
    if not args.data.is_dir():
        parser.error(f"there are no captioned photos in {args.data}: give their folder with --data")
    image_worker = Embedder(args.model, args.pretrained, CACHE)
    about = material(args.data)
    photos = image_worker.photos(about.reference)
    calibration = calibration_file.load(args.calibration, image_worker.identity, photos.shape[1])
    if calibration is None:
        parser.error(f"{args.calibration} is not there: `make calibrate` makes it")
    words = sorted({*groups.GROUPS, *(names[0] for names in vocabulary.class_names())})
    bank = image_worker.texts(words)
    phrases = text_vectors(image_worker, everyday.phrases()[::EVERY], TEMPLATES)
    halves = {}
    for name, held in (("for choices", about.fit), *about.held.items()):
        print(f"\n{name}: {len(held.paths)} photos")
        print("\n".join(report.ranking_table(image_worker, held, bank, calibration.templates)))
        if name == "for choices":
            continue
        halves[name] = report.judged(calibration, asked(image_worker, held, calibration.templates))
        print("\n".join(report.cut_table(calibration, halves[name])))
        print(f"as a model without captions: calibrated on these {len(held.paths)} photos and everyday phrases")
        own = own_calibration(image_worker.photos(held.paths), phrases)
        print("\n".join(report.cut_table(own, report.judged(own, asked(image_worker, held, own.templates)))))
        if not held.labelled:  # a photo with a label shows much that nobody names
            print(report.absent_table(image_worker, calibration, held.captioned, list(groups.GROUPS)))
        print("queries that are photos")
        vectors = image_worker.photos(held.paths)
        print("\n".join(report.like_table(calibration, vectors, held)))
    print("\n" + "\n".join(report.additions_table(image_worker, calibration, about, bank)))
    everything = list(dict.fromkeys(photo for held in about.held.values() for photo in held.captioned))
    print("\n" + "\n".join(table(image_worker, calibration, everything, CACHE)))
    from quality.plots import draw  # noqa: PLC0415 - matplotlib is needed only here

    draw(halves, args.plot)
    print(f"plots: {args.plot}")
