"""Reasoner that sends each request to its place."""

from dataclasses import dataclass

from cognitive_runtime.domain import ExecutionRequest, IReasoner, ModelBehaviour, Reasoning


@dataclass(frozen=True)
class PlacedReasoner:
    """Implements ``IReasoner`` with a reasoner in this process and one in the agent's application on Ray Serve."""

    local: IReasoner
    remote: IReasoner

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request at its place. One with tools stays here, where side effects can be recorded."""
        is_remote = request.placement == "Serve" and request.tools is None
        return await (self.remote if is_remote else self.local).reason(request)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of all models; of two findings about one model the later one."""
        both = sorted((*self.local.learnt(), *self.remote.learnt()), key=lambda each: each.learnt_at_s)
        return tuple({(each.endpoint, each.model): each for each in both}.values())
