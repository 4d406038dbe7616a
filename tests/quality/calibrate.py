"""Fits a model's relevance on captioned photos, and stores it with the model.

    python tests/quality/run.py calibrate --data DIR [--model NAME --pretrained TAG] [--out FILE]

DIR has flickr8k/, coco/ and imagenet-sample/ as described in daemon/training/README.md, or is a folder of photos with a
captions.tsv (file, tab, caption; several lines a photo). Without --out the bundled model's own file is written.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from phsearch.adapters.state import calibration_file
from phsearch.domain.calibration import truth
from phsearch.domain.calibration.fitting import Examples, fit, general
from phsearch.domain.search import everyday
from phsearch.domain.search.own_calibration import EVERY, TEMPLATES, others
from quality.embed import Embedder
from quality.labels import all_pairs
from quality.material import asked, material, text_vectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phsearch.domain.search.relevance import Calibration
    from quality.material import Material

CHECKOUT = Path(__file__).parents[2]
MINI = CHECKOUT / "daemon" / "phsearch" / "models" / "mini"
CACHE = CHECKOUT / ".quality"


def calibrate(image_worker: Embedder, about: Material) -> Calibration:
    """Fit the whole calibration on the photos for choices."""
    plain, mixed = (asked(image_worker, about.fit, templates) for templates in (("{}",), TEMPLATES))
    examples = Examples(
        cases=plain.cases,
        words=plain.words,
        texts={("{}",): plain.texts, TEMPLATES: mixed.texts},
        photos=plain.photos,
        alike=all_pairs(truth.pairs(about.fit.captioned), about.fit.labelled),
    )
    return fit(examples, image_worker.photos(about.reference))


def calibrating(arguments: Sequence[str]) -> None:
    """Fit and write the calibration; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--pretrained", default="")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args(arguments)
    if args.out is None and args.model != "mini":
        parser.error("say with --out where the daemon looks: `phsearch-client doctor` names the file")
    if not args.data.is_dir():
        parser.error(f"there are no captioned photos in {args.data}: give their folder with --data")
    image_worker = Embedder(args.model, args.pretrained, CACHE)
    about = material(args.data)
    found = calibrate(image_worker, about)
    out = args.out or MINI / calibration_file.NAME
    out.parent.mkdir(parents=True, exist_ok=True)
    calibration_file.save(out, found, image_worker.identity)
    print(f"words {found.words}\nphoto {found.photo}\ntemplates {found.templates}\n{out}: {out.stat().st_size:,} bytes")
    photos = image_worker.photos(about.fit.paths)
    phrases = text_vectors(image_worker, everyday.phrases()[::EVERY], TEMPLATES)
    print("as constants of phsearch.domain.search.own_calibration:")
    print(f"WORDS = {general(found.words, phrases @ photos.T)}\nPHOTO = {general(found.photo, others(photos))}")
