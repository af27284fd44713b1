"""What a scenario may say of traffic control: `flow:`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from benchkit.units import PerSecond, Seconds

Policy = Literal["block", "drop-oldest", "drop-newest", "latest-only"]
Adapt = Literal["aimd", "gradient"]

QUEUE = 16
"""Messages that may wait where a policy drops and nothing is said; one of `latest-only`, by its meaning."""
MOST_CREDITS = 200
"""The largest limit that adapts, where nothing is said; as the Gradient2 limit of Netflix's concurrency-limits."""

Positive = Annotated[Seconds, Field(gt=0, le=3600)]


class Retry(BaseModel):
    """What is done about a message that was refused or not answered in time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attempts: int = Field(
        3, ge=2, le=100, description="how often a message is sent at most, the first time included"
    )
    backoff: Positive = Field(
        0.05, description="wait before the first retry; doubled before each further one"
    )
    backoff_most: Positive = Field(1.0, description="no wait is longer")
    jitter: Literal["full", "none"] = Field(
        "full", description="full: each wait is drawn evenly from 0 to what it would be without jitter"
    )
    budget: float | None = Field(
        0.2, ge=0, le=100, allow_inf_nan=False,
        description="retries over first attempts, at most (and ten beside them); null: as many as attempts allow",
    )  # fmt: skip

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        if self.backoff > self.backoff_most:
            raise ValueError(
                f"a backoff of {self.backoff:g} s is longer than backoff_most ({self.backoff_most:g} s); lower it"
            )
        return self

    def __str__(self) -> str:
        changed = self.model_dump(exclude_defaults=True, exclude={"attempts"})
        return ",".join([str(self.attempts), *(f"{name}={value}" for name, value in changed.items())])


class FlowOptions(BaseModel):
    """How a producer treats messages that cannot be sent at once; every limit is each producer's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Field(
        "block",
        description="what happens to messages when no more may wait: latest-only keeps the newest alone",
    )
    queue: int | None = Field(
        None, ge=1, le=1_000_000,
        description="messages that may wait in the producer (default: 16; latest-only: 1)",
    )  # fmt: skip
    deadline: Positive | None = Field(
        None, description="drop what is older than this when it would be sent, and when a worker receives it"
    )
    late: Literal["drop", "count"] = Field(
        "drop",
        description="what happens to a message beyond its deadline; count: it is a miss, and processed all the same",
    )
    rate: PerSecond | None = Field(None, description="most messages sent per second (token bucket)")
    burst: int | None = Field(
        None, ge=1, le=1_000_000, description="messages that may be sent at once after a pause (default: 1)"
    )
    excess: Literal["wait", "drop"] = Field(
        "wait", description="what happens to a message beyond the rate: it waits in the queue, or is dropped"
    )
    credits: int | None = Field(
        None, ge=1, le=1_000_000,
        description="most messages in flight (default: latest-only as many as the workers run at once, with "
        "adapt 200, else as many as the transport holds)",
    )  # fmt: skip
    timeout: Positive | None = Field(
        None, description="a message without a reply for so long is tried again, or given up"
    )
    hangs_up: bool = Field(
        False,
        description="a time-out ends the attempt, as where an HTTP client closes the connection: the stage works on "
        "all the same, and its late reply comes to nobody. Otherwise a late reply settles a message that was not given "
        "up",
    )
    retry: Retry | None = Field(None, description="try again what was refused or not answered in time")
    adapt: Adapt | None = Field(
        None,
        description="find the messages in flight by itself, up to `credits`: aimd as TCP does, gradient by delay",
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        for wrong in (self._queue(), self._rate(), self._retry()):
            if wrong:
                raise ValueError(wrong)
        return self

    def _queue(self) -> str:
        if self.policy == "latest-only" and (self.queue or 1) > 1:
            return f"latest-only keeps one message, not {self.queue}: queue: 1, or policy: drop-oldest"
        return ""

    def _rate(self) -> str:
        if self.deadline is None and self.late == "count":
            return "late says what happens beyond a deadline: name the deadline as well, for example deadline: 200ms"
        if self.rate is None and self.burst is not None:
            return "a burst is what a rate lets pass at once: name the rate as well, for example rate: 30/s"
        if self.rate is None and self.excess == "drop":
            return "excess is what is beyond a rate: name the rate as well, for example rate: 30/s"
        return ""

    def _retry(self) -> str:
        timeout, deadline = self.timeout, self.deadline
        if self.hangs_up and timeout is None:
            return "hangs_up says what a time-out does: name the timeout as well, for example timeout: 500ms"
        if self.retry is not None and timeout is not None and deadline is not None and deadline <= timeout:
            return (
                f"after a timeout of {timeout:g} s a message is older than its deadline of {deadline:g} s and never "
                "tried again: lower timeout, raise deadline, or leave retry out"
            )
        return ""

    @property
    def absent(self) -> bool:
        """Nothing is asked for: messages go straight to the transport, which makes the producer wait when full."""
        return self == FlowOptions()

    @property
    def drops_after_s(self) -> float | None:
        """The age at which a message is dropped; None where none is for its age."""
        return self.deadline if self.late == "drop" else None

    @property
    def places(self) -> int:
        """Messages that may wait in the producer."""
        return self.queue or (1 if self.policy == "latest-only" else QUEUE)

    @property
    def needs_replies(self) -> str:
        """The first option that only replies make possible; empty where there is none."""
        return next((name for name in ("credits", "timeout", "retry", "adapt") if getattr(self, name)), "")

    def most_in_flight(self, at_once: int, *, replies: bool) -> int | None:
        """Credits of one producer, where its messages' stages run `at_once` messages; None: no limit."""
        if self.credits is not None or not replies:
            return self.credits
        if self.adapt is not None:
            return MOST_CREDITS
        return max(1, at_once) if self.policy == "latest-only" else None

    def given(self) -> dict[str, Any]:
        """As plain data: the policy and what else was said."""
        plain = self.model_dump(exclude_none=True)
        if self.retry is not None:
            plain["retry"] = self.retry.model_dump()
        if self.excess == "wait":
            del plain["excess"]
        if self.late == "drop":
            del plain["late"]
        if not self.hangs_up:
            del plain["hangs_up"]
        return plain
