"""``python -m demo`` shows the system at work; ``python -m demo down`` stops what ``KEEP=1`` left running."""

import argparse
import os
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from controlplane import KubectlError
from controlplane.progress import step
from demo.examples import Examples, load_examples
from demo.kept import Guard, Kept, load_kept
from demo.llm import LLMChoiceError, choose_llm
from demo.scenario import run_scenario
from demo.system import DATA, System
from servers.errors import ServerError

ROOT = Path(__file__).parents[2]
TRY = """
Everything keeps running. In another shell:

  export KUBECONFIG={kubeconfig}
  kubectl get cagent,ctask
  kubectl explain ctask.spec --recursive
  kubectl get ctask -w
  tail -f {logs}/operator.log

`make demo-down` stops it.
"""


@dataclass(frozen=True)
class Place:
    """Where a demo keeps its logs, its data and what it has to remember."""

    directory: Path

    @property
    def state(self) -> Path:
        """What was left running."""
        return self.directory / "running.json"

    def clear(self) -> None:
        """Make the directory, and delete what an earlier demo wrote, one that was killed too."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for data in DATA:
            shutil.rmtree(self.directory / data, ignore_errors=True)
        for log in self.directory.glob("*.log"):
            log.unlink()
        self.state.unlink(missing_ok=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["up", "down"], default="up")
    parser.add_argument("--directory", type=Path, default=ROOT / ".demo", help="where logs and data go")
    parser.add_argument("--examples", type=Path, default=ROOT / "examples", help="the manifests to apply")
    arguments = parser.parse_args()
    place = Place(arguments.directory.resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "down":
            return down(place)
        return up(place, load_examples(arguments.examples), keep=os.environ.get("KEEP") == "1")
    except (ServerError, KubectlError, LLMChoiceError, TimeoutError) as error:
        print(f"demo: {error}\nThe logs are in {place.directory}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; everything is stopped", file=sys.stderr)
        return 130


def up(place: Place, examples: Examples, *, keep: bool) -> int:
    """Run the demo; 0 if all tasks succeeded."""
    kept = load_kept(place.state)
    if kept is not None and kept.is_running:
        print("demo: an earlier demo still runs: `make demo-down` stops it", file=sys.stderr)
        return 1
    place.clear()
    llm = choose_llm(os.environ)
    with System(place.directory, llm) as system:
        try:
            console = Console(width=None if sys.stdout.isatty() else 120)
            succeeded = run_scenario(system, examples, llm.api_key, console)
        finally:
            system.keep_logs()
        if keep:
            _leave_running(system, place)
    return 0 if succeeded else 1


def down(place: Place) -> int:
    """Stop a demo that was kept running."""
    kept = load_kept(place.state)
    if kept is None:
        print("demo: nothing runs")
        return 0
    with step("Stopping the demo"):
        kept.stop()
    place.state.unlink()
    return 0


def _leave_running(system: System, place: Place) -> None:
    parts = system.parts
    guards = [Guard.of(process.guard_pid) for process in parts.processes]
    directories = [str(directory) for directory in (parts.plane.directory, parts.nats.directory, parts.ray.directory)]
    Kept(guards, directories).save(place.state)
    system.detach()
    print(TRY.format(kubeconfig=parts.plane.kubeconfig_path, logs=place.directory))


if __name__ == "__main__":
    sys.exit(main())
