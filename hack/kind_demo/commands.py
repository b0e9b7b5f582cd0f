"""Runs external commands."""

import os
import subprocess
from collections.abc import Sequence

from servers.errors import ServerError


class KindDemoError(ServerError):
    """The demo cannot continue; the message names the cause and the remedy."""


class CommandError(KindDemoError):
    """A command failed; the message is its error output."""


def run(argv: Sequence[str], *, timeout_s: float, **env: str) -> str:
    """Run a command and return its standard output.

    Raises:
        CommandError: The command does not exist, failed, or exceeded ``timeout_s``.
    """
    name = os.path.basename(argv[0])
    try:
        done = subprocess.run(
            argv, env={**os.environ, **env}, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except OSError as error:
        raise CommandError(f"{name}: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{name} {' '.join(argv[1:3])} …` did not end within {timeout_s:g} s") from error
    if done.returncode != 0:
        raise CommandError((done.stderr or done.stdout).strip() or f"{name} exited with {done.returncode}")
    return done.stdout
