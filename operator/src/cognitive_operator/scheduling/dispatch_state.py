"""State of an agent by which the tasks of its queue may start."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DispatchState:
    """Conditions and workers of an agent, as far as the start of its tasks depends on them."""

    is_blocked: bool = True
    """True while no task of the agent may start, except for a trial."""
    is_trial: bool = False
    """True: one task may start although the agent is blocked; its start sets it to False."""
    capacity: int = 0
    """Attempts that the agent's live workers run at once. It limits no agent in Job mode."""
    is_runtime_known: bool = True
    """False: one task may run at a time, to find out which features the runtime of Job mode has."""
