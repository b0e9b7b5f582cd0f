"""Clock that a test sets by hand."""

from dataclasses import dataclass, field

from support.builders.operator_objects import NOW


@dataclass
class FakeClock:
    """The operator's ``Clock``: it stands still until the test moves it, and records which time was read."""

    monotonic_s: float = 100.0
    wall: str = NOW
    reads: list[str] = field(default_factory=list)

    def monotonic(self) -> float:
        """Return the seconds that the test has set."""
        self.reads.append("monotonic")
        return self.monotonic_s

    def now(self) -> str:
        """Return the wall clock that the test has set."""
        self.reads.append("now")
        return self.wall

    def advance(self, seconds: float) -> None:
        """Let time pass on the monotonic clock."""
        self.monotonic_s += seconds
