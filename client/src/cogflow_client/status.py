"""What the gateway says about jobs and uploads."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import NotRequired, TypedDict

State = Literal["running", "completed", "failed", "cancelled", "terminated", "timed_out"]


class Started(TypedDict):
    """The answer to a start. attached: the job existed, and this start began nothing."""

    id: str
    run_id: str
    type: str
    state: State
    ui: str
    attached: bool


# Why a job failed. "class" is one of input, auth, overload, capacity, transport, preempted, budget,
# timeout, cancelled and terminated.
Failure = TypedDict("Failure", {"class": str, "message": str, "advice": NotRequired[str]})


class Step(TypedDict):
    """An activity that runs or waits."""

    activity: str
    state: str
    attempt: int
    last_failure: NotRequired[str]


class JobStatus(TypedDict):
    """The state of a job. event is higher after each change."""

    id: str
    run_id: str
    type: str
    state: State
    started: str
    failed: int
    cost_usd: float
    ui: str
    event: int
    name: NotRequired[str]
    stage: NotRequired[str]
    dry_run: NotRequired[bool]
    closed: NotRequired[str]
    progress: NotRequired[dict[str, Any]]
    details: NotRequired[str]
    steps: NotRequired[list[Step]]
    error: NotRequired[Failure]


class Uploaded(TypedDict):
    """An object that was uploaded. uri names it in inputs of jobs."""

    uri: str
    sha256: str
    size: int
