"""THE table of what can stand before a colon in a query: the filters, and `like:`, which is an aim.

The parser, the description of the search method, and the options, the help and the completion of the command line are
made from it. A new filter is a row here, a parser of its values (domain/query/dates, measures or names, beside the test
it makes), and the mask of that test (domain/search/filters).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TermOption:
    """The option of the command line that stands for a term: --`name` `metavar`."""

    name: str
    metavar: str
    help: str
    is_path: bool = False
    """Whether the value is a path: then its commas do not separate alternatives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryTerm:
    """One key of the query language."""

    key: str
    example: str
    """A value, for hints."""
    full_example: str = ""
    """A value that shows more of what is possible, for descriptions."""
    synonyms: tuple[str, ...] = ()
    """Other names that people try; the hint then names the key."""
    meaning: str = ""
    """What it says about a photo, for the list of the query language. Neighbours that share it share a line there."""
    values: tuple[str, ...] = ()
    """Values to suggest, where there are some that all libraries share."""
    label: str = ""
    """How an answer names the filter, if not by its key."""
    single: bool = False
    """Whether commas are part of the one value; otherwise they separate alternatives."""
    option: TermOption | None = None
    manual: str = ""
    """Which photos the filter lets pass, as the end of "Photos ..."."""
    manual_examples: tuple[str, ...] = ()
    """Values that show all forms; by default `example`."""

    def __str__(self) -> str:
        return f"{self.key}:{self.full_example or self.example}"


LIKE = QueryTerm(
    key="like",
    example="beach.jpg",
    meaning="like the photo in this file",
    synonyms=("similar",),
    option=TermOption(name="like", metavar="PATH", help="Like the photo in this file.", is_path=True),
)

FILTERS = {
    term.key: term
    for term in (
        QueryTerm(
            key="date",
            example="2024-06",
            meaning="when it was taken",
            values=("today", "yesterday", "none"),
            full_example="2023-06..2023-09",
            synonyms=("taken", "when", "year"),
            label="when",
            option=TermOption(name="date", metavar="DATE", help="Only taken then, or within 2023-06..2023-09."),
            manual="taken then. A range includes its whole last period. `none` means without a date.",
            manual_examples=(
                "2024",
                "2024-06",
                "2024-06-01",
                "2023-06..2023-09",
                "2023..",
                "..2023",
                "today",
                "yesterday",
                "none",
            ),
        ),
        QueryTerm(
            key="before",
            example="2024",
            meaning="when it was taken",
            synonyms=("until",),
            label="when",
            option=TermOption(
                name="before", metavar="DATE", help="Only taken before 2023, 2023-06 or 2023-06-01 began."
            ),
            manual="taken before that period begins.",
            manual_examples=("2023-06",),
        ),
        QueryTerm(
            key="after",
            example="2024-06",
            meaning="when it was taken",
            synonyms=("from", "since"),
            label="when",
            option=TermOption(name="after", metavar="DATE", help="Only taken after that was over."),
            manual="taken after that period is over.",
            manual_examples=("2023",),
        ),
        QueryTerm(
            key="in",
            example="Holidays",
            meaning="in which folder it is",
            synonyms=("album", "dir", "folder", "path"),
            option=TermOption(
                name="under", metavar="DIR", help="Only below this folder, or one of this name.", is_path=True
            ),
            manual="below a folder, or below one that matches a glob.",
            manual_examples=("Holidays/2023", '"My Photos"', "A,B"),
        ),
        QueryTerm(
            key="root",
            example="Pictures",
            meaning="in which folder it is",
            manual="of a watched folder.",
        ),
        QueryTerm(
            key="camera",
            example='"Pixel 8"',
            meaning="the camera that took it",
            synonyms=("device", "make", "model"),
            option=TermOption(name="camera", metavar="NAME", help="Only taken with this camera."),
            manual="with these words in the camera's name.",
            manual_examples=("canon,nikon", '"Pixel 8"'),
        ),
        QueryTerm(
            key="type",
            example="raw",
            meaning="the format of its file",
            synonyms=("ext", "format"),
            option=TermOption(name="type", metavar="FORMAT", help="Only of this format, e.g. raw, or jpeg,heic."),
            manual="of a format: any RAW (`raw`), one kind of RAW by its suffix, or another format by its name.",
            manual_examples=("raw", "jpeg", "heic,nef"),
        ),
        QueryTerm(
            key="near",
            example="48.85,2.35,10km",
            meaning="where it was taken",
            synonyms=("gps", "where"),
            single=True,
            option=TermOption(name="near", metavar="LAT,LON[,10km]", help="Only taken there, e.g. 48.85,2.35,10km."),
            manual="taken within a radius: `m`, `km` or `mi`, by default 5 km.",
            manual_examples=("48.85,2.35", "48.85,2.35,10km"),
        ),
        QueryTerm(
            key="orientation",
            example="portrait",
            meaning="its shape and its size",
            values=("portrait", "landscape", "square", "panorama"),
            option=TermOption(
                name="orientation", metavar="SHAPE", help="Only portrait, landscape, square or panorama."
            ),
            manual="of that shape.",
            manual_examples=("portrait", "landscape,square", "panorama"),
        ),
        QueryTerm(
            key="size",
            example=">12MP",
            meaning="its shape and its size",
            option=TermOption(name="size", metavar=">12MP", help="Only of this size, e.g. '>12MP', '<1920px', '>5MB'."),
            manual="by megapixels, by the longer side, or by the file's size (`KB`, `MB`, `GB`).",
            manual_examples=(">12MP", "<=1920px", "2MB..5MB", "12MP.."),
        ),
    )
}

TERMS = {LIKE.key: LIKE} | FILTERS
"""Every key that is known -> its term, in the order in which they are listed."""
