"""Runs a command and returns what it printed."""

import os
import subprocess
from collections.abc import Sequence

from servers.errors import ServerError


class KindDemoError(ServerError):
    """The demo cannot go on; the message says why and what to do."""


class CommandError(KindDemoError):
    """A command failed; the message is what it said."""


def run(argv: Sequence[str], *, timeout_s: float, **env: str) -> str:
    """Run a command and return its standard output.

    Raises:
        CommandError: it is not there, failed, or took too long.
    """
    name = os.path.basename(argv[0])
    try:
        done = subprocess.run(
            argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except OSError as error:
        raise CommandError(f"{name}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{name} {' '.join(argv[1:3])} …` has not ended after {timeout_s:g} s") from error
    if done.returncode != 0:
        raise CommandError((done.stderr or done.stdout).strip() or f"{name} ended with {done.returncode}")
    return done.stdout
