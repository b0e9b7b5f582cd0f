"""Exit status of the processes of Ray jobs."""

from enum import IntEnum

from cognitive_runtime.adapters.nats.outage import NOT_MOUNTED
from cognitive_runtime.adapters.worker.ports import BrokerProblem


class JobExit(IntEnum):
    """Exit status of an executor, and of the process of one attempt."""

    DONE = 0
    """The response, completed or failed, is in the stream; or another execution has claimed the attempt."""
    BAD_CONFIGURATION = 2
    """A setting or the subject is invalid. Equals the exit status of argparse."""
    REQUEST_ABSENT = 3
    """The request does not exist: it was withdrawn or has expired."""
    REQUEST_REFUSED = 4
    """The request cannot be answered, or is for another mode."""
    NOT_PUBLISHED = 5
    """The process was told to end before the response was in the stream. An attempt that had begun is in the spool."""
    BROKER_UNREACHABLE = 6
    """No connection to the broker was made in time."""
    CREDENTIALS_NOT_MOUNTED = 7
    """The broker requires credentials, and their file was absent or empty for as long."""


def exit_of(problem: BrokerProblem) -> JobExit:
    """Return the exit status of a process that has given up to connect to the broker."""
    return JobExit.CREDENTIALS_NOT_MOUNTED if problem.event == NOT_MOUNTED else JobExit.BROKER_UNREACHABLE
