"""A disk that has been written to, and what a loss of power may leave on it.

What is certain is what was synced: the bytes of a file by `fsync` of the file,
names by `fsync` of their folder, all of it by `syncfs`. Of the rest, anything
may be there or not: bytes of a file may be missing, cut off or zeros; each
change of a folder may be done or not, whatever came before or after it. That is
more than ext4 does, which keeps changes of folders in their order; states in
which they are in order are among those that are drawn."""

from pathlib import PurePath


class File:
    """A file, whatever its names are."""

    def __init__(self):
        self.now = bytearray()
        self.synced = b""

    def left(self, chance):
        """Bytes that may be on the disk."""
        now, synced = bytes(self.now), self.synced
        if now == synced:
            return now
        return chance.choice(
            [synced, now, b"", bytes(len(now)), now[: chance.randrange(len(now) + 1)]]
            + [now[:cut] + bytes(len(now) - cut) for cut in [chance.randrange(len(now) + 1)]]
        )


class Disk:
    """The folders below `folder`, as a log of calls changes them."""

    def __init__(self, folder):
        self.folder = PurePath(folder)
        self.now = {}  # path -> File, or None for a folder
        self.synced = {}
        self.waiting = []  # changes of names that are not synced
        self.open = {}  # descriptor -> [path, File or None, place]
        self.partial = b""

    def take(self, line):
        """Takes a line of the log; what was said, if it is that."""
        what, _, rest = line.partition(" ")
        if what == "say":
            return rest
        words = rest.split(" ")
        if what == "open":
            file, is_new, cuts, path = int(words[0]), words[1] == "1", words[2] == "1", PurePath(words[3])
            if is_new:
                self.change({path: File()})
            # A folder that was there before is not in any line.
            node = self.now.get(path)
            if node and cuts:
                node.now.clear()
            self.open[file] = [path, node, 0]
        elif what == "mkdir":
            self.change({PurePath(words[0]): None})
        elif what == "unlink":
            self.change({PurePath(words[0]): "gone"})
        elif what == "rename":
            source, target = map(PurePath, words)
            self.change({source: "gone", target: self.now[source]})
        else:
            self.with_open(what, self.open[int(words[0])], words[1:])
        return None

    def with_open(self, what, opened, words):
        path, node, place = opened
        if what == "write":
            data = bytes.fromhex(words[0])
            node.now[place : place + len(data)] = data
            opened[2] += len(data)
        elif what == "seek":
            opened[2] = int(words[0])
        elif what == "truncate":
            del node.now[int(words[0]) :]
        elif what == "syncfs":
            for file in filter(None, self.now.values()):
                file.synced = bytes(file.now)
            self.synced, self.waiting = dict(self.now), []
        elif what == "fsync" and node is not None:
            node.synced = bytes(node.now)
        elif what == "fsync":
            inside = [change for change in self.waiting if path in {name.parent for name in change}]
            for change in inside:
                apply(self.synced, change)
            self.waiting = [change for change in self.waiting if change not in inside]
        else:
            raise ValueError(what)

    def change(self, change):
        apply(self.now, change)
        self.waiting.append(change)

    def left(self, chance):
        """Path -> bytes, or None for a folder: what may be there when the power
        comes back."""
        names = dict(self.synced)
        draw = chance.randrange(4)
        if draw == 0:  # In order, up to some point.
            done = self.waiting[: chance.randrange(len(self.waiting) + 1)]
        else:  # Some of them, in any order.
            done = [change for change in self.waiting if chance.random() < draw / 4]
            chance.shuffle(done)
        for change in done:
            apply(names, change)
        # Nothing is in a folder that is not there.
        names = {path: node for path, node in names.items() if self.folder == path.parent or names.get(path.parent, 0) is None}
        return {path: None if node is None else node.left(chance) for path, node in names.items()}


def apply(names, change):
    for path, node in change.items():
        if node == "gone":
            names.pop(path, None)
        else:
            names[path] = node
