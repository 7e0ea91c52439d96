"""Typed reading of the environment; every name also works as NAME_FILE (a mounted secret)."""

import ipaddress
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from environ import FileAwareEnv
from environ.fileaware_mapping import FileAwareMapping


class MountedFiles(FileAwareMapping):
    """Environment and mounted files alike, without the line end that editors put into files."""

    def __getitem__(self, key: str) -> str:
        value: str = super().__getitem__(key)
        return value.rstrip("\r\n")


class Environment(FileAwareEnv):
    ENVIRON = MountedFiles()


env = Environment()

_LABEL = r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
HOST_PATTERN = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(name: str, default: str = "") -> list[Network]:
    """The CIDR blocks of an environment variable; ValueError at start names the bad one."""
    return networks_in(env.str(name, default=default))


def networks_in(text: str) -> list[Network]:
    """Comma-separated CIDR blocks."""
    return [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]


def scanner(name: str) -> str:
    """`tcp://host:port` or `unix:///path` of clamd, "" for none; ValueError for anything else."""
    text = env.str(name, default="").strip()
    if text and not re.fullmatch(r"tcp://(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d{1,5})?|unix:///.+", text):
        raise ValueError(f"{name} is neither tcp://host:3310 nor unix:///path.")
    return text


def hosts(name: str, default: str = "") -> list[str | Network]:
    """The host patterns of an environment variable; ValueError at start names the bad one."""
    return hosts_in(env.str(name, default=default))


def hosts_in(text: str) -> list[str | Network]:
    """By commas: names, `*.` before a name for all below it, addresses and CIDR blocks."""
    parts = [part.strip().lower() for part in text.split(",")]
    return [_host_pattern(part) for part in parts if part]


def _host_pattern(text: str) -> str | Network:
    with suppress(ValueError):
        return ipaddress.ip_network(text)
    if not HOST_PATTERN.fullmatch(text) or text.rpartition(".")[2].isdecimal():
        raise ValueError(f"{text!r} is neither a host name, *. and a name, nor a network.")
    return text


def random_text() -> str:
    return secrets.token_urlsafe(50)


WITHHELD = "none"
"""What a process is given for a key that it has no business with."""


def key_of(name: str, path: Path, make: Callable[[], str] = random_text) -> str:
    """A key from the environment, else the one made once at `path`.

    A withheld key is empty: whatever would use it fails, instead of going on with one made here.
    """
    value: str = env.str(name, default="")
    if value == WITHHELD:
        return ""
    return value or persistent_secret(path, make)


def persistent_secret(path: Path, make: Callable[[], str] = random_text) -> str:
    """A random value made once and kept readable to its owner alone (embedded mode)."""
    if not path.exists():
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        temporary.touch(mode=0o600)
        temporary.write_text(make(), encoding="ascii")
        with suppress(FileExistsError):  # whoever links first wins; nobody reads half a file
            path.hardlink_to(temporary)
        temporary.unlink()
    return path.read_text(encoding="ascii").strip()
