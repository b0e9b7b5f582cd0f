"""``python -m helm get`` installs helm and prints its path; ``python -m helm …`` runs helm with these arguments."""

import os
import sys

from helm.program import get_helm
from servers.errors import ServerError


def main() -> int:
    """Run the command line."""
    try:
        program = get_helm()
    except ServerError as error:
        print(f"helm: {error}", file=sys.stderr)
        return 1
    if sys.argv[1:] == ["get"]:
        print(program)
        return 0
    os.execv(program, ["helm", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
