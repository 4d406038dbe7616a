"""The tables of `make quality`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.search.relevance import BANDS, logits
from quality import libraries, truth
from quality.figures import calibration_error, cut, ranking
from quality.fitting import TEMPLATES, standardised
from quality.labels import all_pairs
from quality.material import asked, text_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from phsearch.domain.search.relevance import Calibration, QueryKind
    from phsearch.domain.types import Vectors
    from quality.embed import Embedder
    from quality.figures import Cut
    from quality.libraries import Library
    from quality.material import Asked, Gallery, Material
    from training.photos.data import CaptionedPhoto

_SEED = 2
_PENALTIES = ((10, 0.25), (10, 0.5), (20, 0.5))
_NEIGHBOURS = 20


class Judged:
    """Libraries drawn from some photos, with the probabilities and cosines of their photos."""

    def __init__(
        self,
        calibration: Calibration,
        texts: Vectors,
        photos: Vectors,
        meant: Sequence[npt.NDArray[np.int8]],
        kind: QueryKind = "words",
    ) -> None:
        assert calibration.mean is not None
        assert calibration.covariance is not None
        self._curve = calibration.words if kind == "words" else calibration.photo
        self._z = standardised(texts, photos, calibration.mean, calibration.covariance)
        self._cosines = np.asarray(texts @ photos.T, np.float64)
        self.dealt = list(libraries.deal(meant, _SEED))

    def probabilities(self, library: Library) -> npt.NDArray[np.float64]:
        """Return the probabilities of the calibration."""
        return np.asarray(1 / (1 + np.exp(-logits(self._curve, self._z[library.query][library.photos]))))

    def cosines(self, library: Library) -> npt.NDArray[np.float64]:
        """Return the cosines, for a flat cut-off."""
        return np.asarray(self._cosines[library.query][library.photos])

    def cut(self, least: float, of: Callable[[Library], npt.NDArray[np.float64]]) -> Cut:
        """Measure a cut-off."""
        return cut(self.dealt, lambda library: of(library) >= least)

    def pooled(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Return all probabilities and whether each photo is meant."""
        return (
            np.concatenate([self.probabilities(library) for library in self.dealt]),
            np.concatenate([library.meant for library in self.dealt]),
        )

    def flat(self, silent: float) -> float:
        """Return the flat cut-off of the cosine that is equally often silent if no photo is meant."""
        watched_roots = sorted(float(self.cosines(each).max()) for each in self.dealt if not each.meant.any())
        return watched_roots[min(int(silent * len(watched_roots)), len(watched_roots) - 1)] + 1e-9


def judged(calibration: Calibration, about: Asked) -> Judged:
    """Measure queries of words."""
    return Judged(calibration, about.texts, about.photos, [case.meant for case in about.cases])


def ranking_table(image_worker: Embedder, photos: Gallery, bank: Vectors, kept: Sequence[str]) -> Iterator[str]:
    """Compare ways to rank; `bank` are neutral texts, [k, dim]. The way in use is marked."""
    plain = asked(image_worker, photos, ("{}",), whole=True)
    mixed = asked(image_worker, photos, TEMPLATES, whole=True)
    yield f"{'ranking':<44}   R@1   R@5  R@10    mAP  nDCG@10"
    mark = {True: "kept", False: ""}
    yield _ranked("cosine", plain, None, mark[tuple(kept) == ("{}",)])
    yield _ranked("  short phrases in templates", mixed, None, mark[tuple(kept) == TEMPLATES])
    limiter = bank @ plain.photos.T
    for sharp, share in _PENALTIES:
        # Inverted softmax over a bank of texts, as in QB-Norm (Bogolin et al. 2022).
        popular = share * np.log(np.exp(sharp * limiter).sum(axis=0)) / sharp
        yield _ranked(f"  less popular photos first ({sharp}, {share})", plain, plain.texts @ plain.photos.T - popular)
    # Cross-domain similarity local scaling (Conneau et al. 2018), one-sided.
    near = np.sort(limiter, axis=0)[-_NEIGHBOURS:].mean(axis=0)
    yield _ranked(
        f"  less the mean of the {_NEIGHBOURS} nearest texts, halved", plain, plain.texts @ plain.photos.T - near / 2
    )
    centred = plain.photos - plain.photos.mean(axis=0)
    yield _ranked("  photos centred", plain, plain.texts @ (centred / np.linalg.norm(centred, axis=1, keepdims=True)).T)


def cut_table(calibration: Calibration, about: Judged) -> Iterator[str]:
    """Compare the bands with flat cut-offs of the cosine that show nothing equally often."""
    yield f"{'cut-off':<28} precision  recall  few meant  all meant  silent where nothing is meant"
    for band in BANDS:
        found = about.cut(calibration.threshold(band), about.probabilities)
        yield _cut(f"{band} (relevance {calibration.threshold(band):.2f})", found)
        flat = about.flat(found.silent)
        yield _cut(f"  flat cosine {flat:.3f}", about.cut(flat, about.cosines))
    yield f"expected calibration error: {calibration_error(*about.pooled()):.4f}"


def absent_table(
    image_worker: Embedder, calibration: Calibration, photos: Sequence[CaptionedPhoto], vocabulary: Sequence[str]
) -> str:
    """Search the whole gallery for things that no caption names."""
    words = truth.absent(vocabulary, photos)
    texts = text_vectors(image_worker, words, calibration.templates)
    nothing = [np.zeros(len(photos), np.int8) for _ in words]
    for each in nothing:
        each[0] = truth.YES  # a library needs one photo that is meant; it is in none of the libraries that count here
    about = Judged(calibration, texts, image_worker.photos([photo.path for photo in photos]), nothing)
    about.dealt = [library for library in about.dealt if library.kind == "none"]
    shown = " ".join(
        f"{band} {100 * about.cut(calibration.threshold(band), about.probabilities).silent:.0f} %," for band in BANDS
    )
    return f"{len(words)} things that no caption names, e.g. {', '.join(words[:4])}: silent at {shown.rstrip(',')}"


def like_table(calibration: Calibration, vectors: Vectors, photos: Gallery) -> Iterator[str]:
    """Measure queries that are photos."""
    alike = all_pairs(truth.pairs(photos.captioned), photos.labelled)
    yield from cut_table(calibration, Judged(calibration, vectors, vectors, list(alike), "photo"))


def bank_line(image_worker: Embedder, calibration: Calibration, material: Material, bank: Vectors) -> Iterator[str]:
    """Return the gain of the score against neutral prompts for the curve: the loss with it and without."""
    from quality.fitting import logistic  # noqa: PLC0415

    mean, spread = bank.mean(axis=0), np.cov(bank.T)
    losses = []
    for with_bank in (False, True):
        found: npt.NDArray[np.float64] | None = None
        for photos in (material.fit, *material.held.values()):
            about = asked(image_worker, photos, calibration.templates)
            whole = judged(calibration, about)
            own = (about.texts @ about.photos.T - about.photos @ mean) / np.sqrt(
                np.einsum("nd,de,ne->n", about.photos, spread, about.photos)
            )
            rows, labels, weights = [], [], []
            for library in whole.dealt:
                z = whole._z[library.query][library.photos]
                columns = [
                    np.ones(len(z)),
                    z,
                    z - z.max(),
                    *([own[library.query][library.photos]] if with_bank else []),
                ]
                rows.append(np.stack(columns, axis=1))
                labels.append(library.meant)
                weights.append(np.full(len(z), len(z) ** -0.5))
            features, meant, weight = (
                np.concatenate(rows),
                np.concatenate(labels).astype(float),
                np.concatenate(weights),
            )
            found = logistic(features, meant, weight) if found is None else found
            logit = features @ found
            losses.append(float((weight * (np.logaddexp(0, logit) - meant * logit)).sum() / weight.sum()))
    half = len(losses) // 2
    names = ("fit", *material.held)
    pairs = (
        f"{name} {before:.4f} -> {after:.4f}"
        for name, before, after in zip(names, losses[:half], losses[half:], strict=True)
    )
    yield f"log loss without and with each photo's score against {len(bank)} neutral texts: {', '.join(pairs)}"


def _ranked(name: str, about: Asked, scores: npt.NDArray[np.float64] | None = None, mark: str = "") -> str:
    found = ranking(about, scores)
    recall = " ".join(f"{share:5.1f}" for share in found.recall)
    return f"{name:<44} {recall}  {100 * found.precision:5.1f}  {100 * found.gain:7.1f}  {mark}".rstrip()


def _cut(name: str, found: Cut) -> str:
    shares = (found.precision, found.recall, found.few, found.subject, found.silent)
    precision, recall, few, subject, silent = (f"{100 * share:.1f}" for share in shares)
    return f"{name:<28} {precision:>9} {recall:>7} {few:>10} {subject:>10} {silent:>7}"
