"""Learnt behaviour of an agent's models: merged from workers, kept for an hour, shown and sent back in requests."""

from collections.abc import Iterable, Sequence
from typing import Final

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire_settings import LearntModel

LIFETIME_S: Final = 3600.0
"""Seconds after which learnt behaviour is forgotten, because servers and gateways are upgraded."""
MAX_KEPT: Final = 16
"""Models of which behaviour is kept: more than an agent has, with its fallbacks and variants."""


def merged(known: Sequence[LearntModel], reported: Iterable[LearntModel], since_s: float) -> tuple[LearntModel, ...]:
    """Return the newest behaviour of each model, ordered by endpoint and model.

    Args:
        known: The behaviour that is known.
        reported: The behaviour that a worker reports.
        since_s: Unix seconds of the last change of the settings; behaviour that was learnt before is left out.
    """
    newest = {(each.endpoint, each.model): each for each in known}
    for each in reported:
        before = newest.get((each.endpoint, each.model))
        if each.learnt_at >= since_s and (before is None or before.learnt_at < each.learnt_at):
            newest[each.endpoint, each.model] = each
    kept = sorted(newest.values(), key=lambda each: -each.learnt_at)[:MAX_KEPT]
    return tuple(sorted(kept, key=lambda each: (each.endpoint, each.model)))


def unexpired(known: Sequence[LearntModel], now_s: float) -> tuple[LearntModel, ...]:
    """Return the behaviour that is not forgotten yet; ``now_s`` is in Unix seconds.

    The clock of a worker may be ahead, but an entry of a later hour would never be forgotten.
    """
    return tuple(each for each in known if abs(now_s - each.learnt_at) < LIFETIME_S)


def with_behaviour(model: Condition, agent: Agent, known: Sequence[LearntModel]) -> Condition:
    """Return ModelReady with a sentence for each parameter and form that a server does not take."""
    sentences = [sentence for each in known for sentence in _sentences(_name(agent, each), each)]
    if not model.is_true or not sentences:
        return model
    message = " ".join([f"{model.message.rstrip('.')}.", *sentences])
    return Condition(model.type, model.status, model.reason, message)


def _sentences(server: str, each: LearntModel) -> list[str]:
    sentences = []
    if len(each.refused) == 1:
        sentences.append(f"{server} does not take {each.refused[0]}: it is not sent.")
    elif each.refused:
        *others, last = each.refused
        sentences.append(f"{server} does not take {', '.join(others)} and {last}: they are not sent.")
    if each.output == "JSONObject":
        sentences.append(f"{server} takes no JSON schema: answers are requested as JSON objects.")
    elif each.output == "Text":
        sentences.append(
            f"{server} takes neither a JSON schema nor the request for a JSON object: the prompt asks for one."
        )
    if each.bounded:
        sentences.append(f"Answers of {each.model} were cut off at maxTokens: texts and lists are bounded.")
    return sentences


def _name(agent: Agent, each: LearntModel) -> str:
    has_others = agent.spec.llm.fallbacks or agent.spec.llm.variants
    return f"The server {each.endpoint}" if has_others else "The server"
