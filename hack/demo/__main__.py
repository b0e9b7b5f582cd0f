"""``python -m demo`` runs the demo; ``python -m demo down`` stops a demo that was started with ``KEEP=1``."""

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
from demo.llm import LLMChoiceError, choose_llm
from demo.running import ProcessIdentity, RunningDemo, load_running_demo
from demo.scenario import run_scenario
from demo.system import DATA, System
from servers.errors import ServerError

ROOT = Path(__file__).parents[2]
TRY = """
The demo keeps running. In another shell:

  export KUBECONFIG={kubeconfig}
  kubectl get cagent,ctask
  kubectl explain ctask.spec --recursive
  kubectl get ctask -w
  tail -f {logs}/operator.log

Stop it with `make demo-down`.
"""


@dataclass(frozen=True)
class DemoDirectory:
    """Directory of a demo's logs, data and state file."""

    path: Path

    @property
    def state(self) -> Path:
        """State file of a demo that was left running."""
        return self.path / "running.json"

    def clear(self) -> None:
        """Create the directory and delete the files of earlier demos, also of killed ones."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for data in DATA:
            shutil.rmtree(self.path / data, ignore_errors=True)
        for log in self.path.glob("*.log"):
            log.unlink()
        self.state.unlink(missing_ok=True)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["up", "down"], default="up")
    parser.add_argument("--directory", type=Path, default=ROOT / ".demo", help="directory for logs and data")
    parser.add_argument("--examples", type=Path, default=ROOT / "examples", help="directory of the manifests to apply")
    arguments = parser.parse_args()
    directory = DemoDirectory(arguments.directory.resolve())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "down":
            return down(directory)
        return up(directory, load_examples(arguments.examples), keep=os.environ.get("KEEP") == "1")
    except (ServerError, KubectlError, LLMChoiceError, TimeoutError) as error:
        print(f"demo: {error}\nThe logs are in {directory.path}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; all processes are stopped", file=sys.stderr)
        return 130


def up(directory: DemoDirectory, examples: Examples, *, keep: bool) -> int:
    """Run the demo; return exit code 0 if all tasks succeeded."""
    running = load_running_demo(directory.state)
    if running is not None and running.is_running:
        print("demo: an earlier demo is still running; stop it with `make demo-down`", file=sys.stderr)
        return 1
    directory.clear()
    llm = choose_llm(os.environ)
    with System(directory.path, llm) as system:
        try:
            console = Console(width=None if sys.stdout.isatty() else 120)
            succeeded = run_scenario(system, examples, llm.api_key, console)
        finally:
            system.keep_logs()
        if keep:
            _leave_running(system, directory)
    return 0 if succeeded else 1


def down(directory: DemoDirectory) -> int:
    """Stop a demo that was left running."""
    running = load_running_demo(directory.state)
    if running is None:
        print("demo: not running")
        return 0
    with step("Stopping the demo"):
        running.stop()
    directory.state.unlink()
    return 0


def _leave_running(system: System, directory: DemoDirectory) -> None:
    plane, nats, ray = system.components.plane, system.components.nats, system.components.ray
    supervisors = [ProcessIdentity.of(process.supervisor_pid) for process in system.components.processes]
    RunningDemo(supervisors, [str(part.directory) for part in (plane, nats, ray)]).save(directory.state)
    system.detach()
    print(TRY.format(kubeconfig=plane.kubeconfig_path, logs=directory.path))


if __name__ == "__main__":
    sys.exit(main())
