"""The services of compose.yaml as processes of one machine, in place of containers.

Commands and environments are those of compose.yaml; names of containers become ports of loopback,
volumes become folders, and who looks at certificates every minute looks all the time. Every process
has a `/data` and a `/certs` of its own, as in its container.
"""

import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import yaml

from config.certificates import OWNERS, make_certificates

ROOT = Path(__file__).resolve().parent.parent
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]
OURS = ("migrate", "web", "stream", "worker", "beat")
SWAPS = {"--workers=2": "--workers=1"}
KEY = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))


def binary(name):
    """A server's program, or None: on the path, beside this Python, or where Debian keeps it."""
    places = [str(Path(sys.executable).parent), os.environ["PATH"], *map(str, reversed(DEBIAN))]
    return shutil.which(name, path=os.pathsep.join(places))


MISSING = [name for name in ("initdb", "postgres", "redis-server", "caddy") if not binary(name)]


class Host:
    """One host on which `docker compose up` was called; `values` is its .env."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = {name: free_port() for name in ("db", "redis", "web", "stream")}
        self.http, self.https = free_port(), free_port()
        self.values = {
            "SECRET_KEY": "a-secret-key-of-this-installation-and-no-other-one",
            "SECRET_KEYS": f"k1:{KEY}",
            "JWT_KEYS": f"j1:{KEY}",
            "PUBLIC_URL": f"https://localhost:{self.https}",
            "ALLOWED_HOSTS": "localhost",
            "SITE_ADDRESS": f"https://localhost:{self.https}",
            "LOG_LEVEL": "WARNING",
            "EMAIL_VERIFICATION": "none",
        }
        for name in ("static", "files"):
            (folder / name).mkdir()
        # Postgres refuses to be root, here as in its image, and reads the key as who it runs as.
        self.user = "postgres" if os.geteuid() == 0 else None
        folder.chmod(0o711)
        self.make_certificates(folder / "certs")

    def make_certificates(self, folder, now=None):
        owners = OWNERS | ({"db": pwd.getpwnam(self.user).pw_uid} if self.user else {})
        return make_certificates(folder, now, owners)

    def renew(self, *, authority=False):
        """All certificates made anew, as once they are old; `authority`: those that sign, too."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            made = Path(place)
            if not authority:
                shutil.copytree(self.folder / "certs/authority", made / "authority")
            self.make_certificates(made)
            for path in sorted(made.rglob("*")):
                if path.is_file():
                    path.replace(self.folder / "certs" / path.relative_to(made))

    def certs(self, name):
        """The folder that the service sees as /certs."""
        mounted = [volume for volume in SERVICES[name]["volumes"] if ":/certs" in volume]
        assert len(mounted) == 1, name
        return self.folder / "certs" / mounted[0].partition(":")[0].removeprefix("certs-")

    def placed(self, name, text):
        """What stands in a file or an environment, for this machine."""
        for other, port in self.ports.items():
            inner = {"db": 5432, "redis": 6379}.get(other, 8000)
            text = re.sub(rf"(?<=[/@]){other}:{inner}\b", f"127.0.0.1:{port}", text)
        given = self.folder / "etc" / name
        socket_of_redis = "/tmp/redis.sock"
        for inner, here in {
            "/certs": self.certs(name),
            "/etc/loomwork": given,
            "/etc/postgresql": given,
            "/etc/redis": given,
            "/etc/caddy": given,
            socket_of_redis: self.folder / "redis.sock",
        }.items():
            text = re.sub(rf"(?<![\w.]){inner}\b", str(here), text)
        return text

    def mount(self, name, **changes):
        """The files of `deploy/` that the service sees; `changes`: of a file, text to another."""
        folder = self.folder / "etc" / name
        folder.mkdir(parents=True)
        swaps = {"renewing_sh": {'"$seconds"': "0.2"}, **changes}
        for volume in SERVICES[name]["volumes"]:
            source, target = (Path(part) for part in volume.split(":")[:2])
            if source.parent.name == "deploy":
                text = self.placed(name, (ROOT / source).read_text())
                for old, new in swaps.get(target.name.replace(".", "_"), {}).items():
                    assert old in text
                    text = text.replace(old, new)
                (folder / target.name).write_text(text)

    def environment_of(self, name):
        """What compose gives the process: its own names and none besides."""
        data = self.folder / "data" / name
        if not data.exists():
            data.mkdir(parents=True)
            for shared in ("static", "files"):
                (data / shared).symlink_to(self.folder / shared)
        given = {key: self.value_of(key, text) for key, text in declared(name).items()}
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(data),
            "DATA_DIR": str(data),
            "PRODUCTION": "1",
            **{key: self.placed(name, text) for key, text in given.items() if text is not None},
        }

    def value_of(self, key, text):
        if text is None:
            return self.values.get(key)
        return re.sub(r"\$\{([A-Z_]+)(?::[^}]*)?\}", lambda found: self.values[found[1]], text)

    def command_of(self, name):
        """The argv of compose.yaml, on loopback and a free port, as small as it goes."""
        port = self.ports.get(name, 0)
        ours = {
            "--bind=0.0.0.0:8000": f"--bind=127.0.0.1:{port}",
            "--host=0.0.0.0": "--host=127.0.0.1",
            "--port=8000": f"--port={port}",
        }
        command = SERVICES[name]["command"]
        parts = shlex.split(command) if isinstance(command, str) else command
        swapped = [(SWAPS | ours).get(part, part).replace("$$", "$") for part in parts]
        return [self.placed(name, part) for part in swapped]

    def run(self, name, *command, text=""):
        """A command in the service's container: what it printed. Fails with its status."""
        done = subprocess.run(
            command or self.command_of(name),
            cwd=ROOT,
            env=self.environment_of(name),
            input=text.encode(),
            stdout=subprocess.PIPE,
            check=True,
        )
        return done.stdout.decode()

    @contextmanager
    def started(self, name, command=None, environment=None, **options):
        """The process while it lives; it must still live at the end and go when it is told to."""
        process = subprocess.Popen(
            command or self.command_of(name),
            cwd=options.pop("cwd", ROOT),
            env=environment or self.environment_of(name),
            start_new_session=True,
            **options,
        )
        try:
            yield process
            assert process.poll() is None, f"{name} ended by itself"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise

    @contextmanager
    def database(self):
        """PostgreSQL as its image starts it: a fresh cluster, then compose's command."""
        cluster = self.folder / "db"
        cluster.mkdir()
        password = cluster / "password"
        password.write_text(secrets.token_hex())
        entry = cluster / "docker-entrypoint.sh"
        entry.write_text('#!/bin/sh\nexec "$@"\n')
        entry.chmod(0o755)
        if self.user:
            for path in (cluster, password):
                shutil.chown(path, self.user)
        settings = SERVICES["db"]["environment"]
        self.initialize(cluster / "data", password, settings["POSTGRES_INITDB_ARGS"])
        self.mount("db")
        command = [
            *self.command_of("db"), "-D", str(cluster / "data"), "-p", str(self.ports["db"]),
            "-k", str(cluster), "--listen_addresses=127.0.0.1", "--fsync=off",
            "--log_min_messages=fatal",
        ]  # fmt: skip
        programs = f"{cluster}:{Path(binary('postgres')).resolve().parent}:{os.environ['PATH']}"
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        with self.started("db", command, {"PATH": programs}, cwd=cluster, **as_user):
            self.wait_for("db")
            yield

    def initialize(self, data, password, arguments):
        program = [binary("initdb"), "--username=loomwork", "--auth-local=trust", "--no-sync"]
        command = [*program, arguments, f"--pwfile={password}", "-D", str(data)]
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=data.parent, **as_user)
        single = [binary("postgres"), "--single", "-D", str(data), "template1"]
        subprocess.run(
            single, input=b"CREATE DATABASE loomwork", check=True, stdout=subprocess.DEVNULL,
            cwd=data.parent, **as_user,
        )  # fmt: skip

    @contextmanager
    def broker(self):
        self.mount("redis", redis_conf={"tls-port 6379": f"tls-port {self.ports['redis']}"})
        with self.started("redis", stdout=subprocess.DEVNULL):
            self.wait_for("redis")
            yield

    @contextmanager
    def proxy(self):
        """Caddy with the Caddyfile of compose.yaml, on ports of its own, telling nobody else."""
        ports = f"\thttp_port {self.http}\n\thttps_port {self.https}\n"
        alone = f"\tadmin off\n\tskip_install_trust\n{ports}\tauto_https"
        self.mount("caddy", Caddyfile={"\tauto_https": alone})
        environment = self.environment_of("caddy") | {"XDG_DATA_HOME": str(self.folder / "caddy")}
        with self.started("caddy", environment=environment, stderr=subprocess.DEVNULL):
            self.wait_for("caddy", self.https)
            self.wait_until(self.outer_authority.exists)
            yield

    @property
    def outer_authority(self):
        """Whom a browser would have to trust: Caddy's own, as `localhost` has no public name."""
        return self.folder / "caddy/caddy/pki/authorities/local/root.crt"

    def wait_for(self, name, port=None):
        def answers():
            with (
                suppress(OSError),
                socket.create_connection(("127.0.0.1", port or self.ports[name]), timeout=1),
            ):
                return True

        self.wait_until(answers)

    @staticmethod
    def wait_until(condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, condition
            time.sleep(0.1)


def declared(name):
    """The environment of a service: name to text, or to None where .env decides."""
    return SERVICES[name].get("environment", {})


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
