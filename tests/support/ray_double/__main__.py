"""``python -m support.ray_double --port PORT --directory DIRECTORY`` serves in the foreground until SIGTERM."""

import argparse
import asyncio
from pathlib import Path


def _main() -> None:
    # Imported here: a forked job imports this module again, under another name, and needs none of it.
    from support.ray_double.api import serve

    parser = argparse.ArgumentParser(prog="support.ray_double")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--directory", type=Path, required=True, help="directory of the jobs' logs")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.directory))


if __name__ == "__main__":
    _main()
