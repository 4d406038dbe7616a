"""What is known of every photo stays consistent by path, by content and by root."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from phsearch.domain.library import Library
from phsearch.domain.types import Failure, Fingerprint, Photo, PhotoInfo

ROOTS = ("/r1", "/r2")
paths = st.builds("{}/{}".format, st.sampled_from(ROOTS), st.sampled_from(["a", "b", "d/a", "d/b", "dd"]))
digests = st.sampled_from([b"x", b"y"])


def photo(path: str, digest: bytes = b"x", size: int = 1) -> Photo:
    return Photo(path, path[:3], Fingerprint(size, 0), digest, PhotoInfo(1, 1, "PNG"), 0.0)


def failure(path: str, decoder: str = "v1") -> Failure:
    return Failure(path, Fingerprint(1, 0), "broken", decoder, 1, 0.0)


class LibraryAgainstDictionaries(RuleBasedStateMachine):
    """Whatever is done to the library is done to plain dictionaries, and both must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.library = Library()
        self.photos: dict[str, Photo] = {}
        self.failures: set[str] = set()

    @rule(path=paths, digest=digests)
    def put(self, path: str, digest: bytes) -> None:
        self.library.put_photo(photo(path, digest))
        self.photos[path] = photo(path, digest)
        self.failures.discard(path)

    @rule(path=paths)
    def fail(self, path: str) -> None:
        self.library.put_failure(failure(path))
        self.photos.pop(path, None)
        self.failures.add(path)

    @rule(path=paths)
    def remove(self, path: str) -> None:
        assert self.library.remove_photo(path) == self.photos.pop(path, None)
        self.failures.discard(path)

    @rule(source=paths, new=paths)
    def move(self, source: str, new: str) -> None:
        moved = self.library.move_photo(source, new, new[:3])
        self.failures.discard(source)
        if source in self.photos:
            digest = self.photos.pop(source).digest
            self.photos[new] = photo(new, digest)
            self.failures.discard(new)
            assert moved == self.photos[new]
        else:
            assert moved is None

    @invariant()
    def everything_agrees(self) -> None:
        assert len(self.library) == len(self.photos)
        assert {failed.path for failed in self.library.failures()} == self.failures
        counts = Counter(known.root for known in self.photos.values())
        assert all(self.library.count(root) == counts[root] for root in ROOTS)
        for digest in (b"x", b"y"):
            duplicate = self.library.photo_by_digest(digest)
            holders = {known.path for known in self.photos.values() if known.digest == digest}
            assert set(self.library.copies(digest)) == holders
            assert self.library.has_digest(digest) == bool(holders)
            assert (duplicate is None) == (not holders)
            assert duplicate is None or duplicate.path in holders
        inside = sorted(path for path in {*self.photos, *self.failures} if path.startswith("/r1/d/"))
        assert sorted(self.library.under("/r1/d")) == inside


TestLibrary = LibraryAgainstDictionaries.TestCase
TestLibrary.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_an_unchanged_file_is_current_and_a_changed_one_is_not() -> None:
    library = Library([photo("/r1/a")])
    assert library.is_current("/r1/a", Fingerprint(1, 0), "v1")
    assert not library.is_current("/r1/a", Fingerprint(2, 0), "v1")
    assert not library.is_current("/r1/b", Fingerprint(1, 0), "v1")


def test_a_failed_file_is_current_until_it_or_the_decoder_changes() -> None:
    library = Library([], [failure("/r1/a", decoder="v1")])
    assert library.is_current("/r1/a", Fingerprint(1, 0), "v1")
    assert not library.is_current("/r1/a", Fingerprint(1, 0), "v2")
    assert not library.is_current("/r1/a", Fingerprint(9, 0), "v1")


def test_a_path_in_other_case_or_with_other_accents_finds_the_one_that_is_known() -> None:
    known = ("/r1/\u00c9t\u00e9/Caf\u00e9.jpg", "/r1/a.jpg", "/r1/A.jpg", "/r1/b/Deep/x.jpg", "/r1/Stra\u00dfe.jpg")
    library = Library(map(photo, known), [failure("/r1/Broken.JPG")])
    spellings = {each: library.find_spelling(each) for each in (*known, "/r1/Broken.JPG")}
    assert spellings == {each: each for each in spellings}
    wanted = {
        "/R1/e\u0301te\u0301/CAFE\u0301.JPG": known[0],
        "/r1/strasse.jpg": known[4],
        "/r1/broken.jpg": "/r1/Broken.JPG",
        "/r1/B/deep": "/r1/b/Deep",
        "/r1/B": "/r1/b",
        "/r1/A.JPG": "/r1/A.jpg",
        "/r1/cafe.jpg": None,
        "/r1/De": None,
    }
    assert {each: library.find_spelling(each) for each in wanted} == wanted
