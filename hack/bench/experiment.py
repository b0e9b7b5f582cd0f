"""An experiment: a named measurement that is repeated in rounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

REPEATED_BELOW_S = 60.0
"""Expected duration of a round in seconds from which an experiment runs in the first round only."""


class SkippedError(Exception):
    """An experiment cannot run here; the message is the reason."""


@dataclass(frozen=True)
class Sample:
    """A measured value. A round can have several samples of the same name, such as the latency of each task."""

    name: str
    value: float
    unit: str


@dataclass(frozen=True)
class Experiment:
    """A measurement.

    ``run`` gets the round, from 1, and returns the round's samples. It raises SkippedError if the measurement is not
    possible here.
    """

    name: str
    seconds: float
    """Expected duration of a round on two cores, for the progress display and the number of rounds."""
    needs_pods: bool
    run: Callable[[int], Sequence[Sample]]

    def rounds(self, most: int) -> int:
        """Return the number of rounds: ``most``, or 1 if a round takes REPEATED_BELOW_S or longer."""
        return most if self.seconds < REPEATED_BELOW_S else 1


@dataclass(frozen=True)
class Suite:
    """Experiments on the same servers, which alternate. The first experiment that runs starts the servers."""

    name: str
    experiments: Sequence[Experiment]
    close: Callable[[], None]
    """Stops the servers, if they were started."""
