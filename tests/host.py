"""A chat server as the tests need one: tests/c/tools/host.c in a process."""

import signal
import subprocess
from pathlib import Path


class Host:
    """A server: a process that does what it is told, and may be killed."""

    def __init__(self, program, env, log):
        self.log = log
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log.open("ab"), env=env
        )

    def ask(self, *fields):
        """The status, and what else was answered."""
        line = b"\t".join(x if isinstance(x, bytes) else str(x).encode() for x in fields)
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip(b"\n")
        body, _, last = answer.rpartition(b"\t")
        status, _, message = last.partition(b" ")
        return int(status), body + message

    def do(self, *fields):
        status, message = self.ask(*fields)
        assert status == 0, (fields[0], status, message)
        return message

    def login(self, users, time, ip="192.0.2.1", resource="Conversations.1"):
        for user in users:
            self.do("login", user, ip, resource, time)

    def memory(self):
        """All bytes of the process that can be read."""
        found = []
        with open(f"/proc/{self.process.pid}/maps") as maps, open(f"/proc/{self.process.pid}/mem", "rb", 0) as memory:
            for line in maps:
                first, last = (int(x, 16) for x in line.split()[0].split("-"))
                if line.split()[1].startswith("r") and "[v" not in line:
                    memory.seek(first)
                    try:
                        found.append(memory.read(last - first))
                    except OSError:
                        # Given back to the system since the line was read.
                        assert line.split()[0] not in Path(maps.name).read_text()
        return b"".join(found)

    def kill(self):
        self.process.kill()
        self.leave(-signal.SIGKILL)

    def leave(self, expect=0):
        self.process.stdin.close()
        assert self.process.wait(60) == expect
        self.process.stdout.close()
