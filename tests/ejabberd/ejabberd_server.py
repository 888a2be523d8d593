"""An ejabberd of its own for each test: own folder, free ports of the loopback, ended by its process number."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from ejabberd_clients import PATIENCE, Bosh, Tcp, WebSocket

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
# The folder of Debian's ejabberd, whatever the machine.
DEBIAN = str(next(iter(sorted(Path("/usr/lib").glob("*/ejabberd-*/ebin"))), Path("/usr/lib/x/ejabberd/ebin")).parents[1])


def make(*arguments, **options):
    done = subprocess.run(["make", "-C", ROOT, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr


def free_ports(number):
    """Ports that nobody listens at, all different."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_for(condition, what="the condition", patience=PATIENCE):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + patience
    while not (answer := condition()):
        assert time.monotonic() < end, f"waited {patience} s in vain for {what}"
        time.sleep(0.02)
    return answer


class Server:
    def __init__(self, folder, plugin, library, modules=None, hosts=("localhost",), distributed=False, **config):
        self.folder = Path(folder)
        self.library = library
        self.libs = [DEBIAN]
        if plugin:
            self.libs.append(str(Path(plugin).parent))
        self.process = None
        self.env = {}
        self.arguments = []
        self.c2s, self.plain, self.http, self.distribution = free_ports(4)
        if distributed:
            self.arguments += ["-sname", "ejabberd@localhost", "-setcookie", "test"]
            self.arguments += ["-erl_epmd_port", str(self.distribution), "-start_epmd", "false"]
            self.arguments += ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        self.config = {
            "hosts": list(hosts),
            "loglevel": "info",
            "auth_method": ["internal"],
            "registration_timeout": "infinity",
            "trusted_proxies": ["127.0.0.1"],
            "acl": {"admin": {"user": ["admin@" + hosts[0]]}},
            "api_permissions": {
                "commands": {"from": ["ejabberd_ctl"], "who": "all", "what": "*"},
                "accounts": {"from": ["mod_http_api"], "who": [{"ip": "127.0.0.1/32"}], "what": ["register", "status", "unregister", "reload_config"]},
                "admin": {"from": ["mod_http_api"], "who": [{"acl": "admin"}], "what": "*"},
            },
            "listen": [
                {"port": self.c2s, "ip": "127.0.0.1", "module": "ejabberd_c2s", "use_proxy_protocol": True, "backlog": 128},
                {"port": self.plain, "ip": "::", "module": "ejabberd_c2s", "backlog": 128},
                {"port": "unix:" + str(self.folder / "c2s.sock"), "module": "ejabberd_c2s"},
                {
                    "port": self.http,
                    "ip": "127.0.0.1",
                    "module": "ejabberd_http",
                    "request_handlers": {"/api": "mod_http_api", "/bosh": "mod_bosh", "/ws": "ejabberd_http_ws"},
                },
            ],
            "modules": {
                "mod_admin_extra": {},
                "mod_roster": {},
                "mod_ping": {},
                "mod_stream_mgmt": {},
                "mod_bosh": {},
                **(modules or {}),
            },
        }
        self.config.update(config)

    @property
    def log_file(self):
        return self.folder / "log/ejabberd.log"

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def our_log(self):
        """The lines of the log that the plugin wrote, or that speak of it."""
        return [line for line in self.log().splitlines() if "isitors" in line]

    def set_options(self, options):
        self.config["modules"]["mod_monthly_visitors"] = options

    def write_config(self):
        # JSON is YAML.
        (self.folder / "ejabberd.yml").write_text(json.dumps(self.config, indent=1))

    def start(self, wait=True):
        for part in ("log", "spool", "modules/conf"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.write_config()
        env = {
            **os.environ,
            "EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.log_file),
            "EJABBERD_PID_PATH": str(self.folder / "ejabberd.pid"),
            "ERL_LIBS": ":".join(self.libs),
            "ERL_CRASH_DUMP_BYTES": "0",
            "HOME": str(self.folder),
            "LD_LIBRARY_PATH": str(self.library),
            "CONTRIB_MODULES_PATH": str(self.folder / "modules"),
            "CONTRIB_MODULES_CONF_DIR": str(self.folder / "modules/conf"),
            **self.env,
        }
        command = ["erl", "-noinput", "+K", "true", *self.arguments, "-mnesia", "dir", f'"{self.folder / "spool"}"']
        command += ["-ejabberd", "log_rotate_count", "0", "-s", "ejabberd"]
        self.output = open(self.folder / "output", "ab")
        self.process = subprocess.Popen(
            command, cwd=self.folder / "spool", env=env, stdout=self.output, stderr=self.output, stdin=subprocess.DEVNULL
        )
        if wait:
            self.wait_until_up()
        return self

    def wait_until_up(self):
        wait_for(self.is_up, "the start of ejabberd")

    def is_up(self):
        assert self.process.poll() is None, "ejabberd has ended:\n" + self.log() + (self.folder / "output").read_text()
        try:
            return self.rest("status")[0] == 200
        except OSError:
            return False

    def stop(self, patience=90):
        """A clean stop."""
        self.end(signal.SIGTERM, patience)

    def kill(self):
        self.end(signal.SIGKILL)

    def end(self, number, patience=90):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        if self.process:
            self.output.close()

    def rest(self, command, arguments=None, login=None):
        """A command over REST: status and answer. `login` is a name and a password."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http, timeout=90)
        headers = {"Content-Type": "application/json"}
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
        connection.request("POST", f"/api/{command}", json.dumps(arguments or {}), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text else None

    def admin(self, command, **arguments):
        """A command that must succeed, by the administrator."""
        status, answer = self.rest(command, arguments, ("admin@" + self.config["hosts"][0], "secret"))
        assert status == 200, f"{command}: {status} {answer}"
        return answer

    def register(self, *users, host=None, password="secret"):
        for user in users:
            status, answer = self.rest(
                "register", {"user": user, "host": host or self.config["hosts"][0], "password": password}
            )
            assert status == 200, f"{status} {answer}"

    def register_admin(self):
        self.register("admin")

    def report(self, month, host=None):
        """The counts of a month, by key."""
        rows = self.admin("monthly_visitors_report", host=host or self.config["hosts"][0], month=month)
        if isinstance(rows, dict):
            return {key: int(value) for key, value in rows.items()}
        return {row["name"]: int(row["value"]) for row in rows}

    def wait_until_counting(self, times=1, host="localhost"):
        wait_for(lambda: self.log().count(f"Counting visitors of {host}") >= times, "the counter to open")

    def ctl(self, *arguments):
        """Runs ejabberdctl: exit status and output."""
        settings = self.folder / "ejabberdctl.cfg"
        settings.write_text(
            f"ERL_DIST_PORT={self.distribution}\nINET_DIST_INTERFACE=127.0.0.1\nERL_OPTIONS='-setcookie test'\n"
        )
        done = subprocess.run(
            ["ejabberdctl", "--ctl-config", settings, "--config", self.folder / "ejabberd.yml"]
            + ["--spool", "/tmp", "--logs", "/tmp", *arguments],
            capture_output=True,
            text=True,
            timeout=90,
        )
        return done.returncode, (done.stdout + done.stderr).strip()

    def evaluate(self, code):
        """Runs Erlang in the node of a distributed server, and returns what it prints as."""
        (self.folder / "code").write_text(code)
        run = (
            '{ok, Text} = file:read_file("code"), {ok, Tokens, _} = erl_scan:string(binary_to_list(Text)), '
            "{ok, Parsed} = erl_parse:parse_exprs(Tokens), "
            "case rpc:call(ejabberd@localhost, erl_eval, exprs, [Parsed, []]) of "
            '{value, Value, _} -> io:format("~0p", [Value]), halt(0); Other -> io:format("~0p", [Other]), halt(1) end.'
        )
        command = ["erl", "-noinput", "-sname", "probe@localhost", "-setcookie", "test", "-dist_listen", "false"]
        command += ["-erl_epmd_port", str(self.distribution), "-start_epmd", "false", "-eval", run]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tcp(self, source=None, version=1, **options):
        return Tcp(self.c2s, source or "127.0.0.1", version, **options)

    def websocket(self, source=None):
        return WebSocket(self.http, source)

    def bosh(self, source=None):
        return Bosh(self.http, source)
