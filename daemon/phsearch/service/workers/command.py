"""How a worker is started: its set-up, its command, and what it reports when it is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from phsearch.domain.types import DeviceChoice, ModelIdentity, RuntimePlan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


TowerKind = Literal["text", "image", "like", "picture", "download", "export", "probe"]
"""What a worker serves: texts, batches of photos, one photo of a query, thumbnails; or its one task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """The first frame that a worker gets. `name` and `pretrained` are those of the model."""

    tower: TowerKind
    name: str
    pretrained: str = ""
    precision: str = "auto"
    plan: RuntimePlan = RuntimePlan(device="cpu")  # noqa: RUF009 - frozen
    """By which runtime it runs the model; set when it is started."""
    roots: tuple[str, ...] = ()
    """The photo folders that it may read; set when it is started."""
    follow_symlinks: bool = False
    batch_size: int = 1
    gpu_memory_mb: int = 0
    threads: int = 0
    """Of the model; 0: as many as the runtime likes."""
    decode_threads: int = 0
    max_megapixels: float = 0.0
    folder: str = ""
    """Where an export goes."""

    @classmethod
    def parse_header(cls, header: Mapping[str, Any]) -> WorkerSetup:
        """Return the set-up in what `dataclasses.asdict` made of one."""
        return cls(**{**header, "plan": RuntimePlan.of(header["plan"]), "roots": tuple(header["roots"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """The report of a worker that has loaded its model."""

    identity: ModelIdentity
    device: str
    precision: str
    multilingual: bool
    pid: int
    batch_size: int = 1
    device_choice: DeviceChoice = field(default_factory=DeviceChoice)
    source: str = ""
    """Where the weights are stored."""
    runtime: str = ""
    """What runs the model, with its version."""
    logit_scale: float = 100.0
    """The factor by which the model multiplies its cosines before a softmax."""
    sandbox: str = ""
    """The restrictions that protect the system from hostile photos, in words."""

    @classmethod
    def parse_header(cls, header: Mapping[str, Any]) -> WorkerInfo:
        """Return the report in the header of a "ready" frame. Raise TypeError or KeyError for anything else."""
        values = {name: value for name, value in header.items() if name != "op"}
        values["identity"] = ModelIdentity(**header["identity"])
        values["device_choice"] = DeviceChoice(**header.get("device_choice", {}))
        return cls(**values)


class Planner(Protocol):
    """Decides by which runtime a worker runs the model."""

    async def make_plan(self, tower: TowerKind) -> RuntimePlan:
        """Return the plan for a worker's tower. Raises ModelUnavailableError where the weights cannot be had."""

    async def step_back(self, tower: TowerKind, plan: RuntimePlan, error: Exception) -> bool:
        """Note that a worker could not start by this plan; return whether another plan is worth a try."""


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How to start a worker: its first frame, its environment, its program and its priority.

    `nice` is the processor priority. `oom_score_adj` (0 to 1000) matters when memory runs out: the kernel ends the
    process with the highest score, so that a worker goes before the daemon, and before the programs of the user.
    """

    setup: WorkerSetup
    env: Mapping[str, str]
    program: tuple[str, ...]
    nice: int = 0
    oom_score_adj: int = 0
    roots: Callable[[], Sequence[str]] = tuple
    """Returns the photo folders that are online. A worker may read those that are online when it starts."""
    planner: Planner | None = None
    """None for a worker without a model."""

    @property
    def name(self) -> str:
        """The name of the worker in messages."""
        return {"text": "query", "image": "index"}.get(self.setup.tower, self.setup.tower)
