"""Random sequences of faults over a running load. ``FAULT_SEED=n`` plays one again."""

import os
import random

import pytest

from support.faults.disturbances import play, sequence
from support.faults.load import Load, running
from support.faults.system import FaultSystem, is_quick
from support.faults.trial import Measured, Trial

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]
ROUNDS = 3
STEPS = 10


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_random_faults(trial: Trial, system: FaultSystem, measured: Measured, round_: int) -> None:
    chosen = os.environ.get("FAULT_SEED")
    if round_ > 0 and (chosen or is_quick()):
        pytest.skip("one round is enough")
    seed = int(chosen) if chosen else random.SystemRandom().randrange(10**6)
    steps = sequence(seed, STEPS)
    measured("seed", f"{seed}: {', '.join(step[0].name for step in steps)}")
    print(f"replay by FAULT_SEED={seed}")  # noqa: T201 - pytest shows it when the test fails
    load = Load(f"random-{seed}", 150, 4.0)
    system.model.script(contains="<random", delay_s=0.3)
    with running(trial, load):
        play(system, steps)
    ended = trial.wait_ended(240.0)
    assert len(ended) == load.count
    assert {each.phase for each in ended} == {"Succeeded"}
    assert set(system.model.executions.values()) == {1}
