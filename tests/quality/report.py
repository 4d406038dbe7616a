"""The tables of `make quality`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phsearch.domain.calibration import libraries, truth
from phsearch.domain.calibration.fitting import feature_rows, logistic, spreads
from phsearch.domain.search.own_calibration import TEMPLATES
from phsearch.domain.search.relevance import BANDS
from quality.figures import calibration_error, cut, ranking
from quality.labels import all_pairs
from quality.material import asked, text_vectors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt

    from phsearch.domain.calibration.captioned import CaptionedPhoto
    from phsearch.domain.calibration.libraries import Library
    from phsearch.domain.search.relevance import Band, Calibration, QueryKind
    from phsearch.domain.types import Vectors
    from quality.embed import Embedder
    from quality.figures import Cut
    from quality.material import Asked, Gallery, Material

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
        assert calibration.covariance is not None
        self._calibration = calibration
        self._curve = calibration.words if kind == "words" else calibration.photo
        self._stds = spreads(texts, calibration.covariance)
        self._cosines = np.asarray(texts @ photos.T, np.float64)
        self.dealt = list(libraries.deal(meant, _SEED))

    def probabilities(self, library: Library) -> npt.NDArray[np.float64]:
        """Return the probabilities of the calibration."""
        own = self._cosines[library.query][library.photos]
        return np.asarray(1 / (1 + np.exp(-self._curve.logits(own, self._stds[library.query], len(own)))))

    def cosines(self, library: Library) -> npt.NDArray[np.float64]:
        """Return the cosines, for a flat cut-off."""
        return np.asarray(self._cosines[library.query][library.photos])

    def cut(self, least: float, of: Callable[[Library], npt.NDArray[np.float64]], best: float = -np.inf) -> Cut:
        """Measure a cut-off, which shows nothing where no photo reaches `best`."""
        return cut(self.dealt, lambda library: (of(library) >= least) & (of(library).max() >= best))

    def shown(self, band: Band) -> Cut:
        """Measure what a search shows that asks for a band: weak photos only beside better ones."""
        best = self._calibration.likely if band == "weak" else 0.0
        return self.cut(self._calibration.threshold(band), self.probabilities, best)

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
        found = about.shown(band)
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
    shown = " ".join(f"{band} {100 * about.shown(band).silent:.0f} %," for band in BANDS)
    return f"{len(words)} things that no caption names, e.g. {', '.join(words[:4])}: silent at {shown.rstrip(',')}"


def like_table(calibration: Calibration, vectors: Vectors, photos: Gallery) -> Iterator[str]:
    """Measure queries that are photos."""
    alike = all_pairs(truth.pairs(photos.captioned), photos.labelled)
    yield from cut_table(calibration, Judged(calibration, vectors, vectors, list(alike), "photo"))


def additions_table(
    image_worker: Embedder, calibration: Calibration, material: Material, bank: Vectors
) -> Iterator[str]:
    """Show what else could tell how probable a photo is: the log loss of curves that know one thing more.

    `bank` are neutral texts, [k, dim].
    """
    assert calibration.mean is not None
    assert calibration.covariance is not None
    galleries = {"for choices": material.fit, **material.held}
    prepared = [
        _Prepared(asked(image_worker, photos, calibration.templates), calibration.mean, calibration.covariance, bank)
        for photos in galleries.values()
    ]
    yield f"{'log loss with one thing more':<44} {'  '.join(galleries)}"
    for name in ("", *_ADDITIONS):
        features = [[each.features(library, name) for library in each.dealt] for each in prepared]
        rows = [np.concatenate(each) for each in features]
        weights = [np.concatenate([np.full(len(one), len(one) ** -0.5) for one in each]) for each in features]
        meant = [np.concatenate([library.meant for library in each.dealt]).astype(float) for each in prepared]
        found = logistic(rows[0], meant[0], weights[0])
        losses = (_log_loss(*each, found) for each in zip(rows, meant, weights, strict=True))
        cells = (f"{loss:>{len(gallery)}.4f}" for gallery, loss in zip(galleries, losses, strict=True))
        yield f"  {name or 'cosine, spread, size':<42} {'  '.join(cells)}"


_ADDITIONS = ("mean of photos in general", "best of the library", "score against neutral texts")


class _Prepared:
    """Scores of some photos, and what the additions need."""

    def __init__(self, about: Asked, mean: Vectors, covariance: Vectors, bank: Vectors) -> None:
        self.dealt = list(libraries.deal([case.meant for case in about.cases], _SEED))
        self._cosines = np.asarray(about.texts @ about.photos.T, np.float64)
        self._stds = spreads(about.texts, covariance)
        self._means = about.texts @ mean
        neutral, spread = bank.mean(axis=0), np.cov(bank.T)
        widths = np.sqrt(np.einsum("nd,de,ne->n", about.photos, spread, about.photos))
        self._against = (self._cosines - about.photos @ neutral) / widths

    def features(self, library: Library, addition: str) -> npt.NDArray[np.float64]:
        """Return the features of a library, [n, 4], and a column for the addition where there is one."""
        query, photos = library.query, library.photos
        plain = feature_rows(self._cosines, self._stds, library)
        column: dict[str, npt.NDArray[np.float64]] = {
            "mean of photos in general": np.full(len(photos), self._means[query]),
            "best of the library": np.full(len(photos), self._cosines[query][photos].max()),
            "score against neutral texts": self._against[query][photos],
        }
        return np.column_stack([plain, column[addition]]) if addition else plain


def _log_loss(
    features: npt.NDArray[np.float64],
    meant: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
    coefficients: npt.NDArray[np.float64],
) -> float:
    logit = features @ coefficients
    return float((weights * (np.logaddexp(0, logit) - meant * logit)).sum() / weights.sum())


def _ranked(name: str, about: Asked, scores: npt.NDArray[np.float64] | None = None, mark: str = "") -> str:
    found = ranking(about, scores)
    recall = " ".join(f"{share:5.1f}" for share in found.recall)
    return f"{name:<44} {recall}  {100 * found.precision:5.1f}  {100 * found.gain:7.1f}  {mark}".rstrip()


def _cut(name: str, found: Cut) -> str:
    shares = (found.precision, found.recall, found.few, found.subject, found.silent)
    precision, recall, few, subject, silent = (f"{100 * share:.1f}" for share in shares)
    return f"{name:<28} {precision:>9} {recall:>7} {few:>10} {subject:>10} {silent:>7}"
