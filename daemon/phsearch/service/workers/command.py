"""How a worker is started, and what it reports when it is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from phsearch.domain.types import DeviceChoice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phsearch.domain.types import ModelIdentity, RuntimePlan


@dataclass(frozen=True, slots=True)
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


class Planner(Protocol):
    """Decides by which runtime a worker runs the model."""

    async def make_plan(self, tower: str) -> RuntimePlan:
        """Return the plan for a worker's tower. Raises ModelUnavailableError where the weights cannot be had."""

    async def step_back(self, tower: str, plan: RuntimePlan, error: Exception) -> bool:
        """Note that a worker could not start by this plan; return whether another plan is worth a try."""


@dataclass(frozen=True, slots=True)
class WorkerCommand:
    """How to start a worker: its first frame, its environment, its program and its priority.

    `nice` is the processor priority. `oom_score_adj` (0 to 1000) matters when memory runs out: the kernel ends the
    process with the highest score, so that a worker goes before the daemon, and before the programs of the user.
    """

    setup: Mapping[str, Any]
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
        return {"text": "query", "image": "index"}.get(str(self.setup.get("tower")), str(self.setup.get("tower")))
