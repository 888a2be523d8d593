"""A real Prosody, started for a test in a folder and on ports of its own."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from . import xmpp

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RELEASE = TARGET / "release"
ABI = (ROOT / "crates/ffi/ABI").read_text().strip()
PROSODY_LUA = Path(os.environ.get("PROSODY_LUA", "/usr/lib/prosody"))
# Longest wait for anything, in seconds: only for what hangs.
PATIENCE = 60

CONFIG = """
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
admin_socket = "{folder}/prosody.sock"
log = {{ debug = "{folder}/prosody.log" }}
run_as_root = true
plugin_paths = {{ "{plugins}" }}
installer_plugin_path = "{folder}/installed"
interfaces = {{ "127.0.0.1" }}
http_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {http_port} }}
https_ports = {{}}
c2s_ports = {{ {c2s_port} }}
c2s_direct_tls_ports = {{}}
legacy_ssl_ports = {{}}
s2s_ports = {{}}
http_host = "localhost"
modules_enabled = {{ "saslauth", "roster", "admin_shell", "bosh", "websocket", "smacks", "posix",
	"http_openmetrics", {module} }}
modules_disabled = {{ "s2s", "s2s_auth_certs", "tls" }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
consider_bosh_secure = true
consider_websocket_secure = true
authentication = "insecure"
insecure_open_authentication = "Yes please, I know what I'm doing!"
statistics = "internal"
statistics_interval = "manual"
trusted_proxies = {{ "127.0.0.1" }}
limits = {{}}
{options}
{hosts}
"""


def run(command, expect=0, **options):
    """Runs a program, which must end with the status `expect`."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=900, **options)
    assert done.returncode == expect, (
        f"{command[0]} ended with {done.returncode}, not {expect}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    )
    return done


def wait_for(what, condition, patience=PATIENCE):
    """Waits until `condition` returns something true, and returns that."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.01)
    return found


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def make(*arguments):
    return run(["make", "-s", "-C", ROOT, *arguments])


def lua(script, *arguments, **options):
    """Runs a Lua script with Prosody's own modules."""
    env = {**os.environ, "LUA_PATH": f"{PROSODY_LUA}/?.lua;;", "LUA_CPATH": f"{PROSODY_LUA}/?.so;;"}
    return run(["lua5.4", HERE / script, *arguments], env=env, **options).stdout


def this_month():
    return time.strftime("%Y-%m", time.gmtime())


def sums(counts):
    """Of a month's counts: how many users have a place, and how many a client."""
    return tuple(sum(count for key, count in counts.items() if key.startswith(kind)) for kind in ("geo-", "client-"))


class Server:
    """A Prosody of its own. Who logs in is remembered, to be searched for in its log."""

    def __init__(self, folder, plugins, libraries, options="", hosts=("localhost",), module="monthly_visitors"):
        self.folder, self.libraries = folder, libraries
        self.c2s_port, self.http_port = free_ports(2)
        self.process = self.daemon = None
        self.canaries, self.log_read = set(), 0
        self.clients = []
        self.plugins, self.hosts, self.module = plugins, hosts, module
        self.env = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        for part in ("data", "certs"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        self.configure(options)

    def configure(self, options="", hosts=None):
        self.hosts = hosts or self.hosts
        lines = (host if "\n" in host else f'VirtualHost "{host}"\n' for host in self.hosts)
        (self.folder / "prosody.cfg.lua").write_text(
            CONFIG.format(
                folder=self.folder,
                plugins=self.plugins,
                http_port=self.http_port,
                c2s_port=self.c2s_port,
                module=f'"{self.module}"' if self.module else "",
                options=options,
                hosts="\n".join(lines),
            )
        )

    def start(self, daemonize=False, wrapper=()):
        command = [*wrapper, "prosody", "-D" if daemonize else "-F", "--config", self.folder / "prosody.cfg.lua"]
        if daemonize:
            run(command, env=self.env)
        else:
            self.process = subprocess.Popen(
                command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        wait_for("the server's start", lambda: self.answers() and self.alive())
        self.daemon = self.pid() if daemonize else None
        return self

    def answers(self):
        """Ports are open before all modules are loaded; answers come afterwards."""
        assert self.process is None or self.process.poll() is None, f"the server ended\n{self.log()[-3000:]}"
        try:
            socket.create_connection(("127.0.0.1", self.c2s_port), 1).close()
            return self.get("/") is not None
        except OSError:
            return False

    def get(self, path):
        with socket.create_connection(("127.0.0.1", self.http_port), PATIENCE) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            return b"".join(iter(lambda: connection.recv(1 << 16), b"")).decode()

    def pid(self):
        try:
            return int((self.folder / "prosody.pid").read_text())
        except (OSError, ValueError):
            return None

    def alive(self):
        pid = self.pid()
        return pid is not None and (self.process is None or pid == self.process.pid) and not self.gone(pid)

    def gone(self, pid):
        if self.process is not None:
            return self.process.poll() is not None
        try:
            # It may be a zombie: not every container's first process waits for others.
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    def end(self, sign=signal.SIGTERM):
        pid = self.daemon or (self.process and self.process.pid)
        if not pid:
            return
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            pass
        wait_for("the server's end", lambda: self.gone(pid))
        status = self.process.wait() if self.process else 0
        self.process = self.daemon = None
        for client in self.clients:
            client.drop()
        self.clients = []
        if sign == signal.SIGTERM:
            assert status == 0, f"the server ended with {status}\n{self.log()[-3000:]}"

    def log(self):
        path = self.folder / "prosody.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def own_log(self):
        """The plugin's lines."""
        return [line for line in self.log().splitlines() if re.search(r"^.{15} \S*:monthly_visitors\s", line)]

    def says(self, text, count=1):
        """Waits until the plugin has said something so many times; its last such line."""
        return wait_for(
            f"a log line with {text!r}", lambda: [x for x in self.own_log() if text in x][count - 1 :]
        )[-1]

    def login(self, user, resource="x", address=None, kind="websocket", host=None, stay=False):
        host = host or re.search(r'"(.*?)"', self.hosts[0] + '"' + self.hosts[0] + '"')[1]
        client = xmpp.KINDS[kind](self, host, address)
        if user:
            self.canaries.update({user, resource} | ({address} if address and len(address) > 6 else set()))
        client.login(user, resource)
        if stay:
            self.clients.append(client)
        else:
            client.close()
        return client

    def login_resumed(self, user, token):
        client = xmpp.Tcp(self, "localhost")
        client.resume(user, token)
        self.clients.append(client)
        return client

    def ctl(self, *arguments, expect=0):
        return run(
            ["prosodyctl", "--config", self.folder / "prosody.cfg.lua", *arguments], expect, env=self.env
        )

    def shell(self, line, expect=0):
        return self.ctl("shell", line, expect=expect).stdout

    def flush(self, host="localhost"):
        """Waits until all logins are in the store: closing flushes."""
        self.shell(f'module:unload("monthly_visitors", "{host}")')
        self.shell(f'module:load("monthly_visitors", "{host}")')

    def store(self, host="localhost"):
        """The totals and the users of a host, as Prosody's own code reads them."""
        read = json.loads(lua("read_store.lua", self.folder / "data", host))
        # An empty table of Lua may be a list.
        return {key: value or {} for key, value in read.items()}

    def totals(self, host="localhost", count=None):
        """All counts of all months; waits until so many users are in."""

        def read():
            counts = {}
            for month in self.store(host)["totals"].values():
                for key, value in month.items():
                    counts[key] = counts.get(key, 0) + value
            return counts

        if count is not None:
            wait_for(f"{count} users", lambda: sums(read()) == (count, count))
        return read()

    def metrics(self):
        """The plugin's lines of the public metrics."""
        return [x for x in self.get("/metrics").splitlines() if x.startswith("prosody_mod_monthly_visitors")]

    def check_log(self):
        """What must hold in every test: no defect, and nobody is named."""
        text = "\n".join(self.own_log())
        assert "Defect" not in text, text
        # Prosody writes the traceback of an error below the line that tells of it.
        tracebacks = re.findall(r"^.*[Tt]raceback.*\n(?:(?!\w{3} \d\d ).*\n)*", self.log(), re.M)
        ours = [found for found in tracebacks if "monthly_visitors" in found or str(self.plugins) in found]
        assert not ours, ours[0]
        for canary in self.canaries:
            if len(canary) > 5:
                assert canary not in text, "the log names somebody or something"
