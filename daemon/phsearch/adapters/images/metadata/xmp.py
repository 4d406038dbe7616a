"""Facts from XMP, the RDF in XML that Adobe's programs and many others embed or write beside a photo.

The same property may be an attribute or an element, so all are read into one table first. A document that declares
entities is not read: no program needs them, and they are how XML takes memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.parsers import expat

from phsearch.adapters.images.metadata.facts import Facts
from phsearch.adapters.images.metadata.values import camera_name, lens_name, parse_date, parse_position

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phsearch.domain.types import DateSource

MAX_BYTES = 4 << 20
_EXIF, _EXIF_EX = "http://ns.adobe.com/exif/1.0/ ", "http://cipa.jp/exif/1.0/ "
_AUX = "http://ns.adobe.com/exif/1.0/aux/ "
_TIFF, _XMP = "http://ns.adobe.com/tiff/1.0/ ", "http://ns.adobe.com/xap/1.0/ "
_PHOTOSHOP = "http://ns.adobe.com/photoshop/1.0/ "
_DATES: Mapping[DateSource, tuple[str, ...]] = {
    "xmp": (f"{_EXIF}DateTimeOriginal", f"{_PHOTOSHOP}DateCreated", f"{_EXIF}DateTimeDigitized"),
    "xmp-created": (f"{_XMP}CreateDate",),
}


class _Properties:
    """Collects the properties of a document by namespace and name; the first value of each counts."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self._names: list[str] = []

    def start_element(self, name: str, attributes: Mapping[str, str]) -> None:
        self._names.append(name)
        for key, value in attributes.items():
            self.values.setdefault(key, value)

    def end_element(self, _name: str) -> None:
        self._names.pop()

    def add_text(self, text: str) -> None:
        # A value in a list stands in rdf:li, in rdf:Seq, in the property.
        for name in self._names[-3:]:
            if not name.startswith("http://www.w3.org/") and text.strip():
                self.values.setdefault(name, text)


def read_xmp(document: bytes | str) -> Facts:
    """Return the facts of an XMP document; none if it is damaged or larger than MAX_BYTES."""
    values = _properties(document.encode() if isinstance(document, str) else document)
    dates: dict[DateSource, str] = {}
    for source, names in _DATES.items():
        found = (parse_date(values.get(name)) for name in names)
        if date := next(filter(None, found), None):
            dates[source] = date
    position = parse_position(
        values.get(f"{_EXIF}GPSLatitude"),
        values.get(f"{_EXIF}GPSLatitudeRef"),
        values.get(f"{_EXIF}GPSLongitude"),
        values.get(f"{_EXIF}GPSLongitudeRef"),
    )
    lens = _first(values, (f"{_AUX}Lens", f"{_EXIF_EX}LensModel", f"{_AUX}LensModel"))
    lat, lon = position or (None, None)
    return Facts(
        dates=dates,
        camera=camera_name(values.get(f"{_TIFF}Make"), values.get(f"{_TIFF}Model")),
        lens=lens_name(values.get(f"{_EXIF_EX}LensMake"), lens),
        lat=lat,
        lon=lon,
    )


def _first(values: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((values[name] for name in names if name in values), None)


def _properties(document: bytes) -> Mapping[str, str]:
    if len(document) > MAX_BYTES:
        return {}
    properties = _Properties()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = properties.start_element
    parser.EndElementHandler = properties.end_element
    parser.CharacterDataHandler = properties.add_text
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(document.strip(b"\0 \t\r\n"), True)
    except (expat.ExpatError, ValueError):
        # What came before a mistake is still good; a declared entity comes before everything.
        return properties.values
    return properties.values


def _refuse_entity(*_: object) -> None:
    raise ValueError("an entity")
