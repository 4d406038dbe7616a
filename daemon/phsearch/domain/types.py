"""The values of the domain. A path is an absolute `str` as the user would open it (surrogateescape for odd bytes)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]
    """[n, dim] float32, rows of unit length."""
    Pixels = npt.NDArray[np.uint8]
    """[height, width, 3] uint8 RGB."""


_MAX_NS = 2**63 - 1

_DAY = r"(?P<y>(?:19[89]|20\d)\d)(?P<s>[-_.]?)(?P<m>0[1-9]|1[0-2])(?P=s)(?P<d>0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[T_-]|\s+(?:\w{1,3}\s+)?|)(?P<H>\d{1,2})(?P<t>[-_.:]?)(?P<M>[0-5]\d)(?P=t)(?P<S>[0-5]\d)"
_DATE_IN_NAME = re.compile(
    rf"(?<!\d){_DAY}(?:{_TIME}(?:[-_.]?\d{{3}})?(?!\d)(?:\s?(?P<half>[AP])\.?M)?|(?!\d))", re.IGNORECASE
)
_EPOCH_IN_NAME = re.compile(r"^(?:mmexport|wx_camera_|fb_img_|img_)(\d{13})(?!\d)", re.IGNORECASE)
_SERIAL = re.compile(r"^[\d_]+_[no]$")
"""Facebook's names: numbers that may look like a date."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The size and times of a file. While they are unchanged, its content counts as unchanged and is not read.

    Two are equal by size and time of modification: a rename, a hard link or chmod changes the other time. That is the
    time of the last change of content, name or permissions. No program can set it back. None where it is not known.
    """

    size: int
    mtime_ns: int
    ctime_ns: int | None = field(default=None, compare=False)

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        """Return the fingerprint in the result of a stat. Times beyond 64 bits, in 2262, are clamped."""
        return cls(status.st_size, _clamped(status.st_mtime_ns), _clamped(status.st_ctime_ns))

    def is_unchanged(self, now: Fingerprint) -> bool:
        """Whether a file that had this fingerprint, and has that one now, was surely not changed in between."""
        return self == now and (None in (self.ctime_ns, now.ctime_ns) or self.ctime_ns == now.ctime_ns)


def _clamped(time_ns: int) -> int:
    return min(max(time_ns, -_MAX_NS), _MAX_NS)


@dataclass(frozen=True, slots=True)
class ContentDigest:
    """A digest of a file's content, of 16 bytes, and the fingerprint of the file when it was read."""

    fingerprint: Fingerprint
    digest: bytes


DateSource = Literal[
    "exif", "exif-digitized", "xmp", "iptc", "xmp-created", "png", "gps", "raw", "exif-modified", "sidecar", "name"
]
"""The place of a date, most trusted first."""


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """What a decode shows besides the pixels. Width and height are as displayed, after EXIF orientation."""

    width: int
    height: int
    format: str
    taken_at: str | None = None
    """ISO 8601 as the camera wrote it, e.g. "2023-06-01T12:30:05.25+02:00"; no offset where none is stated, and only
    the day where no time is."""
    camera: str | None = None
    lens: str | None = None
    lat: float | None = None
    lon: float | None = None
    date_source: DateSource | None = None
    """Where `taken_at` stood; None without a date, and for photos that an older version indexed."""


def date_in_name(path: str) -> str | None:
    """Return the date in a file's name as ISO 8601: a time by the phone's clock, a day, or a time in UTC."""
    name = path.rpartition("/")[2].rpartition(".")[0]
    if _SERIAL.match(name):
        return None
    if found := _EPOCH_IN_NAME.match(name):
        return datetime.fromtimestamp(int(found[1]) // 1000, UTC).isoformat()
    found = _DATE_IN_NAME.search(name)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[key] or 0) for key in "ymdHMS")
    if found["half"]:
        hour = hour % 12 + (12 if found["half"] in "Pp" else 0)
    try:
        date = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - by the phone's clock
    except ValueError:
        return None
    return date.isoformat() if found["H"] else date.date().isoformat()


@dataclass(frozen=True, slots=True)
class Photo:
    """One indexed file, with the digest of its content. `indexed_at` is in seconds since the epoch.

    Each new content has a higher `sequence` than all before it, whatever the clock does.
    """

    path: str
    root: str
    fingerprint: Fingerprint
    digest: bytes
    info: PhotoInfo
    indexed_at: float
    sequence: int = 0

    @property
    def taken_at(self) -> str | None:
        """The date in the photo or its sidecar, or else in its name; ISO 8601, see `PhotoInfo`."""
        return self.info.taken_at or date_in_name(self.path)

    @property
    def date_source(self) -> DateSource | None:
        """Where `taken_at` stands."""
        return self.info.date_source if self.info.taken_at or not self.taken_at else "name"


@dataclass(frozen=True, slots=True)
class Failure:
    """One file that could not be indexed, and why. It is tried again when it or the decoder changes."""

    path: str
    fingerprint: Fingerprint
    reason: str
    decoder: str
    attempts: int
    failed_at: float
    digest: bytes | None = None
    """The digest of its content, where that could be read: the same bytes under another name fail without a try."""


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A photo or failure of which the index cannot hold a value; `reason` names the column and the value."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FolderRename:
    """A folder that has another path now, with all photos in it, which are in `root` now."""

    source: str
    target: str
    root: str

    def new_path(self, path: str) -> str:
        """Return what a path is now: another one, if it was in the folder."""
        inside = path.startswith(f"{self.source}/")
        return self.target + path[len(self.source) :] if inside else path


@dataclass(frozen=True, slots=True)
class Volume:
    """A file system that holds photos: its identity, and when it was last there in seconds since the epoch.

    `path` is the root that lies on it, or the folder below `root` where it is mounted.
    """

    path: str
    root: str
    identity: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How a model wants its images: the part of open_clip's preprocessing configuration without the device.

    `mode` is "shortest" (short side to size, centre crop), "longest" (long side, padded with `fill`) or "squash"; with
    "inside" the image is as large as fits and neither padded nor enlarged, for people to look at.
    """

    width: int
    height: int
    mode: Literal["shortest", "longest", "squash", "inside"]
    interpolation: Literal["bicubic", "bilinear"]
    fill: int = 0


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model as the owner names it: its name, and that of its weights where it does not say which they are."""

    name: str
    pretrained: str = ""

    def __str__(self) -> str:
        """Return it as people write it, e.g. "ViT-B-32/laion2b_s34b_b79k"."""
        return f"{self.name}/{self.pretrained}" if self.pretrained else self.name


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """The model that made a vector; vectors of different identities are never compared."""

    name: str
    pretrained: str
    weights: str
    preprocess: str
    dim: int


@dataclass(frozen=True, slots=True)
class DeviceChoice:
    """Why a model runs on its device, with its precision and its runtime; `remedy` where there is a better one."""

    device: str = ""
    precision: str = ""
    remedy: str = ""
    runtime: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What is known of a model that is loaded.

    `source` is where the weights are, in words. Cosines are multiplied by `logit_scale` before a softmax.
    """

    identity: ModelIdentity
    preprocess: Preprocess
    multilingual: bool
    source: str
    logit_scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimePlan:
    """How the towers are run: by torch, or by OpenVINO from the graphs in `folder`.

    `device` and `precision` are those of the photos' tower; for torch they may be "auto". `cache` is the folder where
    OpenVINO keeps what it compiled. `why` says why it is this runtime and not a better one.
    """

    runtime: Literal["openvino", "torch"] = "torch"
    device: str = "auto"
    precision: str = "auto"
    folder: str = ""
    cache: str = ""
    why: DeviceChoice = field(default_factory=DeviceChoice)

    @classmethod
    def plain(cls, folder: str) -> RuntimePlan:
        """Return the plan by which the graphs in `folder` run on any processor."""
        return cls(runtime="openvino", device="cpu", precision="fp32", folder=folder)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RuntimePlan:
        """Return the plan in what `dataclasses.asdict` made of one."""
        return cls(**{**values, "why": DeviceChoice(**values["why"])})


@dataclass(frozen=True, slots=True)
class TableStats:
    """One table on disk. A `former` one belongs to a model that is not in use, and only its bytes are known."""

    name: str
    bytes: int
    schema: int = 0
    rows: int = 0
    fragments: int = 0
    versions: int = 0
    former: bool = False


RootState = Literal["starting", "scanning", "watching", "polling", "offline"]
"""What is being done for a root. A "polling" one is scanned on a timer because changes may go unseen."""


# --- what a scan finds --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A regular file with a photo's suffix that the ignore rules allow."""

    path: str
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class NotAFile:
    """Something with a photo's name that is not a regular file: a FIFO, a socket, a device."""

    path: str
    fingerprint: Fingerprint
    reason: str


@dataclass(frozen=True, slots=True)
class UnreadableDir:
    """A folder below the root that cannot be read. Nothing is known of what lies in it, so nothing is deleted."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class DuplicateDir:
    """A folder that is reached by another path, too, which is the one that counts: `kept`, None in another root."""

    path: str
    kept: str | None


@dataclass(frozen=True, slots=True)
class DeferredDir:
    """A link or a mount below a folder. Only a scan of the whole root knows whether something new is behind it."""

    path: str


ScanItem = PhotoFile | NotAFile | UnreadableDir | DuplicateDir | DeferredDir


@dataclass(frozen=True, slots=True)
class OtherPath:
    """The result for a path that does not count, of a file or folder that does under `path`.

    It leads through a link or a mount, or no folder lists the name although the file system accepts it.
    """

    path: str


# --- what explains why a path is or is not found ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathStatus:
    """One path on the disk. `link` is the first symbolic link in it below its root, "" without one.

    `real` is the path with all links resolved; `fingerprint` is None where there is nothing.
    """

    kind: Literal["file", "folder", "nothing", "other"]
    real: str
    link: str = ""
    fingerprint: Fingerprint | None = None
