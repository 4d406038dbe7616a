"""How people speak of labelled photos: sentences for the label of each set, and the wider words that are true too."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from training.words.broader import BROADER

PLAIN = ("{}", "{}", "a photo of {}", "{} photo", "a picture of {}")


@dataclass(frozen=True)
class Wording:
    """The sentences about one set of photos, and what each of its photos shows."""

    sentences: tuple[str, ...]
    shows: tuple[str, ...] = ()


WORDINGS: dict[str, Wording] = {
    "actions15": Wording(
        ("{}", "a photo of {}", "a picture of {}", "{} at home", "{} in a photo", "someone: {}"), ("person", "people")
    ),
    "animals": Wording(
        (
            "{}",
            "{}",
            "a photo of a {}",
            "a picture of the {}",
            "a wild {}",
            "a {} in its natural habitat",
            "close-up of a {}",
        ),
        ("animal",),
    ),
    "canteen": Wording(("{}", "{} on a table"), ("food", "black and white photo")),
    "carbike": Wording(("{}", "a {}", "a photo of a {}", "a parked {}", "the new {}"), ("vehicle",)),
    "catdog": Wording(("{}", "a {}", "a photo of a {}", "my {}", "a cute {}", "close-up of a {}"), ("animal", "pet")),
    "clothes10": Wording(
        ("{}", "a {}", "a photo of a {}", "{} for sale", "a {} on a hanger", "a {} lying on the floor"), ("clothes",)
    ),
    "daynight": Wording(("{}", "a photo of a {}", "a view of the {}"), ("street", "city")),
    "flowers17": Wording(
        ("{}", "a {}", "a photo of a {}", "{} flowers", "a {} in bloom", "close-up of a {}", "{}s in the meadow"),
        ("flower", "plant"),
    ),
    "flowers5": Wording(
        ("{}", "a {}", "a photo of a {}", "{}s", "a {} in bloom", "close-up of a {}", "{}s in the garden"),
        ("flower", "plant"),
    ),
    "food101": Wording(
        (
            "{}",
            "{}",
            "a plate of {}",
            "a photo of {}",
            "{} in a restaurant",
            "eating {}",
            "homemade {}",
            "{} for dinner",
        ),
        ("food", "meal", "dish"),
    ),
    "gray15": Wording(("{}", "an old {}"), ("black and white photo",)),
    "grocery": Wording(
        ("{}", "{}", "a photo of {}", "{} in a supermarket", "{} on a shelf in a shop", "fresh {}", "buying {}"),
        ("groceries", "food"),
    ),
    "houses": Wording(("{}", "a {}", "a photo of a {}", "a {} in a house for sale", "the {} of our home"), ("home",)),
    "instruments30": Wording(
        (
            "{}",
            "a {}",
            "a photo of a {}",
            "a man playing the {}",
            "a woman with a {}",
            "a musician with a {}",
            "playing {}",
        ),
        ("musical instrument",),
    ),
    "intel6": Wording(("{}", "a photo of a {}", "a view of the {}", "a {} in the distance"), ()),
    "pacs": Wording(("{}", "a {}", "a picture of a {}", "an image of a {}"), ()),
    "places_rooms": Wording(("{}", "a {}", "a photo of a {}", "the {} of a house", "inside a {}", "our {}"), ("room",)),
    "receipts": Wording(
        (
            "a {}",
            "{}",
            "my {}",
            "a scanned {}",
            "a {} from a shop",
            "a bill",
            "an invoice",
            "a till receipt with prices",
        ),
        ("document", "paper"),
    ),
    "sports100": Wording(
        (
            "{}",
            "{}",
            "a photo of {}",
            "people doing {}",
            "a {} competition",
            "a man doing {}",
            "an athlete: {}",
            "{} match",
        ),
        ("sport",),
    ),
    "sun": Wording(("{}", "a {}", "a photo of a {}", "a view of the {}", "at the {}", "a {} in the daytime"), ()),
    "underwater": Wording(
        ("{}", "underwater", "an {}", "under water", "diving in the sea", "a photo taken under water"), ("sea", "water")
    ),
    "vietnam5": Wording(("{}", "{} in Vietnam", "a visit to {}", "a photo of {}"), ("landmark", "Vietnam", "travel")),
    "weather5": Wording(("{}", "a {}", "a photo of a {}", "weather: {}", "what the sky looks like: {}"), ("weather",)),
    "webshots": Wording(
        ("{}", "a {}", "a web page", "screenshot of a web page", "a website", "a screenshot", "internet page"),
        ("screenshot",),
    ),
    "wonders7": Wording(
        ("{}", "the {}", "a visit to the {}", "a photo of the {}", "a trip to {}"), ("landmark", "travel")
    ),
}


def sentences_of(kind: str, label: str) -> tuple[str, ...]:
    """Return the sentences about a photo of a set, from its label."""
    wording = WORDINGS.get(kind, Wording(PLAIN))
    return tuple(dict.fromkeys(_with_article(sentence.format(label)) for sentence in wording.sentences))


def terms_of(kind: str, label: str) -> tuple[str, ...]:
    """Return the words that are true of a photo: its label first, then what it belongs to."""
    wording = WORDINGS.get(kind, Wording(PLAIN))
    plain = label.lower()
    found = [label, *BROADER.get(plain, ()), *wording.shows]
    for style in ("black and white photo of a ", "painting of a", "pencil sketch of a", "cartoon of a"):
        if plain.startswith(style):
            found += [style.partition(" of")[0], plain.removeprefix(style).removeprefix("n").strip()]
    return tuple(dict.fromkeys(found))


def _with_article(sentence: str) -> str:
    """Return a sentence with "an" before a vowel."""
    words = sentence.split()
    for at, (word, following) in enumerate(itertools.pairwise(words)):
        if word == "a" and following[0].lower() in "aeio":
            words[at] = "an"
    return " ".join(words)
