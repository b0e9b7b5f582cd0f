"""Start the operator: ``python -m cognitive_operator``."""

import asyncio
import sys

from cognitive_operator.bootstrap import run
from cognitive_operator.config import ConfigError, config_from
from cognitive_operator.logs import start_logging


def main() -> int:
    """Run until a signal ends it; return the exit code."""
    try:
        config = config_from()
    except ConfigError as error:
        sys.stderr.write(f"cognitive-operator: {error}\n")
        return 2
    start_logging(config.log_level)
    asyncio.run(run(config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
