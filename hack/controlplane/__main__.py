"""``python -m controlplane`` runs a control plane until Ctrl-C; ``… controlplane get`` only installs its programs."""

import argparse
import signal
import sys
from pathlib import Path

from controlplane.binaries import find_programs
from controlplane.cluster import ControlPlane
from controlplane.progress import step
from servers.errors import ServerError


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="controlplane", description=__doc__)
    parser.add_argument("command", nargs="?", choices=["run", "get"], default="run")
    parser.add_argument("--directory", type=Path, help="directory for data and logs; deleted at the end")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "get":
            _get()
        else:
            _run(arguments.directory)
    except ServerError as error:
        print(f"controlplane: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _get() -> None:
    for name, path in find_programs().items():
        print(f"{name}\t{path}")


def _run(directory: Path | None) -> None:
    find_programs()
    with step("Starting the control plane"):
        plane = ControlPlane.start(directory)
    with plane:
        print(f"export KUBECONFIG={plane.kubeconfig_path}", flush=True)
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
