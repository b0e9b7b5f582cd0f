"""``python -m bench.systems.warm_actor GCS_ADDRESS CALLS`` prints the latencies of calls of a warm actor as JSON."""

import json
import logging
import sys
import time

import ray


class Echo:
    """An actor that answers at once."""

    @ray.method
    def echo(self, text: str) -> str:
        """Return the text."""
        return text


def main(address: str, calls: int) -> None:
    """Start the actor, warm it up and print the milliseconds of each call, one after another."""
    ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    actor = ray.remote(Echo).remote()
    text = "x" * 2048
    took_ms = []
    for number in range(calls + 1):
        began = time.perf_counter()
        ray.get(actor.echo.remote(text))
        if number:  # the first call waits for the actor's process
            took_ms.append((time.perf_counter() - began) * 1000)
    print(json.dumps(took_ms))
    ray.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
