"""Settings of the connection to the broker."""

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class NatsSettings:
    """Address, credentials and limits of the connection, and settings of new streams."""

    url: str
    """One URL, or several separated by commas."""
    creds_file: str | None = None
    timeout_s: int = 5
    """Deadline of every single call."""
    retry_s: int = 1
    """Pause between two attempts to connect."""
    check_interval_s: float = 30.0
    """Interval at which the streams are checked while no call fails."""
    response_max_age_s: int = 7 * 24 * 3600
    """Age at which responses are deleted: the longest outage of the operator that loses no response."""
    replicas: int = 1
    """Copies of each stream, at creation; an administrator may change it later."""

    installation: str = ""
    """Identity of this installation, which its streams carry; empty: streams are neither marked nor compared."""
    take_over: str = ""
    """Identity of another installation whose streams become this one's; empty: none."""

    @property
    def servers(self) -> list[str]:
        """The URLs, one by one."""
        return [url.strip() for url in self.url.split(",") if url.strip()]

    @property
    def redacted_url(self) -> str:
        """The URLs without user name, password or token: for messages."""
        return ",".join(f"{urlsplit(url).scheme}://{urlsplit(url).netloc.rpartition('@')[2]}" for url in self.servers)
