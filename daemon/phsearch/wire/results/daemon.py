"""The state of the daemon: status, diagnosis, numbers, settings and the throttle."""

from typing import Annotated, Any, Literal

from phsearch.wire.record import Record


class DownloadStatus(Record):
    """The download of the model that is under way, in bytes."""

    done: int
    total: int
    eta: Annotated[int | None, "how many seconds are left, null if that is unknown"]


class ModelStatus(Record):
    """The model and the worker that runs it."""

    name: str
    pretrained: str
    state: Literal["loading", "ready", "mismatch", "unavailable"]
    device: str | None
    precision: str | None
    dim: Annotated[int | None, "how many dimensions a vector has"]
    confinement: Annotated[str | None, "what the sandbox of the worker consists of"]
    reason: Annotated[str | None, "why the model is not available"]
    hint: str | None
    image_worker: Literal["", "running", "idle"] = ""
    download: Annotated[DownloadStatus | None, "null when none is under way"] = None


class SwitchStatus(Record):
    """A change to another model, which answers when it is done."""

    name: str
    pretrained: str
    state: Annotated[
        Literal["loading", "downloading", "indexing", "waiting", "completing", "unavailable"],
        "waiting: something keeps it from going on, which `reason` names",
    ]
    done: Annotated[int, "how many photos of the library it has a vector of"]
    total: Annotated[int, "how many photos the library has"]
    offline: Annotated[int, "how many of those that are left cannot be read now"] = 0
    failed: Annotated[int, "how many contents it could not embed"] = 0
    rate: Annotated[float, "photos a second"] = 0.0
    eta: Annotated[int | None, "seconds until it answers, null if that is unknown"] = None
    download: Annotated[DownloadStatus | None, "null when none is under way"] = None
    download_mb: Annotated[int | None, "how much is downloaded if it is not there yet, null if unknown"] = None
    index_mb: Annotated[float | None, "what its index takes on the disk in the end, null if unknown"] = None
    reason: Annotated[str | None, "why it does not go on"] = None
    hint: str | None = None


class Counters(Record):
    """Counts since the start."""

    embedded: int
    reused: int
    removed: int
    failed: int


class RootStatus(Record):
    """A watched folder."""

    path: str
    state: str
    photos: int
    missing: Annotated[int, "photos that are kept though their files are not there"] = 0
    last_seen: Annotated[float | None, "when it was last there, where it is offline"]
    detail: Annotated[str, "what is wrong with it"] = ""
    overflows: Annotated[int, "how often events were lost, and made good by a scan"] = 0
    watched: Annotated[int, "folders that are watched"] = 0
    unwatched: Annotated[int, "folders that are scanned on a timer instead"] = 0


class RemovedRootStatus(Record):
    """A folder that is watched no longer, and whose photos are not shown."""

    path: str
    photos: int
    since: float
    forgotten_at: Annotated[float | None, "when its photos are forgotten; null where they are kept"]


class Pace(Record):
    """How much of the time indexing may take."""

    state: Literal["full", "throttled", "paused"]
    share: float
    causes: tuple[str, ...]
    text: str
    until: float | None
    pressure: Annotated[
        Literal["others", "everyone", "unread"] | None, "whose pressure on memory and disks is known; null if none is"
    ]


class Rates(Record):
    """Photos a second, null if unknown: what is reached, and what each stage could reach alone."""

    reached: float | None
    reading: float | None
    decode: float | None
    model: float | None
    store: float | None


class Bottleneck(Record):
    """The stage that holds up the photos."""

    stage: Literal["idle", "measuring", "slowed", "reading", "decode", "model", "store"]
    text: str
    remedy: str
    rates: Rates


class LastError(Record):
    """The last photo that could not be read."""

    path: str
    reason: str


class Notice(Record):
    """Something that needs attention, and what to do."""

    text: str
    hint: str


class DaemonVersion(Record):
    """The part of the status that a daemon of any version has, and that is enough to tell which one it is."""

    version: str
    protocol: int
    pid: int


class Status(Record):
    """How the daemon is."""

    version: str
    protocol: int
    pid: int
    uptime: Annotated[float, "seconds"]
    model: ModelStatus
    photos: Annotated[int, "how many are indexed"]
    pending: Annotated[int, "photos not yet searchable, and changes not yet on disk"]
    unwritten: Annotated[int, "how many of them are changes not yet on disk"] = 0
    sequence: Annotated[int, "the number of the newest photo, for after_sequence"] = 0
    scanning: Annotated[bool, "whether a folder is being compared with the index"]
    errors: Annotated[int, "photos that could not be read"]
    counters: Counters
    roots: tuple[RootStatus, ...]
    rate: Annotated[float, "photos a second"]
    eta: Annotated[float | None, "seconds until nothing is pending"]
    pace: Pace | None
    last_error: LastError | None
    bottleneck: Bottleneck | None
    notices: tuple[Notice, ...]
    removed: tuple[RemovedRootStatus, ...] = ()
    switch: Annotated[SwitchStatus | None, "a change to another model, null if none is under way"] = None


class CheckResult(Record):
    """A judgement of the doctor."""

    name: str
    state: Literal["ok", "warn", "fail"]
    text: str
    remedy: Annotated[str, "what to do"]


class Diagnosis(Record):
    """What the daemon finds wrong, or could be better."""

    version: str
    python: str
    pid: int
    state: Annotated[str, "the state folder"]
    checks: tuple[CheckResult, ...]


class Metrics(Record):
    """Numbers in Prometheus' text format."""

    content_type: str
    text: str


class AddedRoot(Record):
    """A folder that is watched from now on."""

    path: str
    photos: Annotated[int, "how many of its photos are known already"]


class OverruledKey(Record):
    """A key of the settings for which an option of the command line wins."""

    key: str
    option: str


class ConfigChanges(Record):
    """What reading the settings again has changed, or would change."""

    added: tuple[AddedRoot, ...]
    removed: tuple[RemovedRootStatus, ...]
    changed: Annotated[tuple[str, ...], "dotted keys that are in force now"]
    restart_needed: Annotated[tuple[str, ...], "dotted keys that are in force after a restart only"]
    overruled: tuple[OverruledKey, ...]


class PaceChange(Record):
    """The pace after a pause was begun or ended."""

    pace: Pace
    kept: Annotated[bool, "whether this outlives a restart of the daemon"]


class OpenRpcDocument(Record):
    """A description of all methods, as open-rpc.org has it."""

    openrpc: str
    info: dict[str, Any]
    methods: tuple[dict[str, Any], ...]
