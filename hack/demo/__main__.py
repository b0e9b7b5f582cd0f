"""``python -m demo`` shows the system at work; ``python -m demo down`` stops what ``KEEP=1`` left running."""

import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from controlplane import KubectlError
from controlplane.progress import step
from demo.kept import Guard, Kept, load_kept
from demo.llm import LLMChoiceError, choose_llm
from demo.scenario import run_scenario
from demo.system import System
from servers.errors import ServerError

DIRECTORY = Path(__file__).parents[2] / ".demo"
STATE = DIRECTORY / "running.json"
TRY = """
Everything keeps running. In another shell:

  export KUBECONFIG={kubeconfig}
  kubectl get cagent,ctask
  kubectl explain ctask.spec --recursive
  kubectl get ctask -w
  tail -f {logs}/operator.log

`make demo-down` stops it.
"""


def main() -> int:
    """Run the command line."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if sys.argv[1:] == ["down"]:
            return down()
        return up(keep=os.environ.get("KEEP") == "1")
    except (ServerError, KubectlError, LLMChoiceError, TimeoutError) as error:
        print(f"demo: {error}\nThe logs are in {DIRECTORY}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; everything is stopped", file=sys.stderr)
        return 130


def up(*, keep: bool) -> int:
    """Run the demo; 0 if all tasks succeeded."""
    kept = load_kept(STATE)
    if kept is not None and kept.is_running:
        print("demo: an earlier demo still runs: `make demo-down` stops it", file=sys.stderr)
        return 1
    _clear()
    llm = choose_llm(os.environ)
    with System(DIRECTORY, llm) as system:
        try:
            succeeded = run_scenario(system, llm.api_key, Console(width=None if sys.stdout.isatty() else 120))
        finally:
            system.keep_logs()
        if keep:
            _leave_running(system)
    return 0 if succeeded else 1


def down() -> int:
    """Stop a demo that was kept running."""
    kept = load_kept(STATE)
    if kept is None:
        print("demo: nothing runs")
        return 0
    with step("Stopping the demo"):
        kept.stop()
    STATE.unlink()
    return 0


def _clear() -> None:
    DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    for log in DIRECTORY.glob("*.log"):
        log.unlink()
    STATE.unlink(missing_ok=True)


def _leave_running(system: System) -> None:
    parts = system.parts
    guards = [Guard.of(process.guard_pid) for process in parts.processes]
    directories = [str(directory) for directory in (parts.plane.directory, parts.nats.directory, parts.ray.directory)]
    Kept(guards, directories).save(STATE)
    system.detach()
    print(TRY.format(kubeconfig=parts.plane.kubeconfig_path, logs=DIRECTORY))


if __name__ == "__main__":
    sys.exit(main())
