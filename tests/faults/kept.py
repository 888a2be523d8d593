"""What the files of a store say, read without the library: counts and who is
marked, month by month."""

import json
import re

import sealed_file

HEADER = sealed_file.HEADER
# So much of a plaintext is decrypted: the rest is zeros, and slow in Python.
ENOUGH = 4096


def closed(folder):
    """The bytes of each closed month of a sealed store."""
    return {path.stem: path.read_bytes() for path in folder.glob("*.json")}


def is_closed(folder):
    """Whether a month of a sealed store is closed, with or without totals."""
    witness = folder / "closed-before"
    before = witness.read_text().strip() if witness.exists() else ""
    newest = max(closed(folder), default="")
    return lambda month: month < before or month <= newest


def sealed(folder):
    """Month -> (key, counts, markers) of the open months of a sealed store."""
    found = {}
    for path in folder.glob("*.sealed"):
        key = path.with_suffix(".key").read_bytes()
        whole = path.read_bytes()
        _, counts, markers = read(whole, key)
        fresh = path.with_suffix(".fresh")
        if fresh.exists() and (data := fresh.read_bytes())[25:49] == whole[49:HEADER]:
            since, more, new = read(data, key)
            assert not set(markers) & set(new), f"{path.stem}: a user is in both files"
            assert len(since) == len(counts) and not set(counts) & set(more), path.stem
            # In the order of the large file, which is that of the keys.
            counts = {key: counts[key] + add for key, add in zip(sorted(counts), since)} | more
            markers += new
        assert len(set(markers)) == len(markers), f"{path.stem}: a user is there twice"
        found[path.stem] = (key, {name.decode(): count for name, count in counts.items()}, set(markers))
    return found


def read(data, key):
    """Bytes of a .sealed or .fresh: as much of them as has something in it."""
    for size in (ENOUGH // 4, ENOUGH, len(data)):
        try:
            return sealed_file.content(sealed_file.plaintext(data[: HEADER + size + sealed_file.TAG], key))
        except ValueError:
            if size >= len(data):
                raise


def prosody(folder):
    """Month -> counts, and user -> month, of a Prosody store without a journal."""
    assert not (folder / "monthly%2dvisitors.journal").exists()
    text = ""
    if (totals := folder / "monthly%2dvisitors.dat").exists():
        text = totals.read_text()
    months = {}
    for month, entries in re.findall(r'\["(\d{4}-\d\d)"\] = \{\n(.*?)\n\t\};', text, re.DOTALL):
        months[month] = {key: int(count) for key, count in re.findall(r'\["([^"]+)"\] = (\d+);', entries)}
    users = {}
    for path in (folder / "monthly%2dvisitors").iterdir():
        assert path.suffix == ".dat", f"a file that ends in {path.suffix}"
        users[path.stem] = re.search(r'\["last-recorded"\] = "(\d{4}-\d\d)"', path.read_text()).group(1)
    return months, users


def reported(text):
    """Month -> counts of a report in JSON."""
    return {
        month["month"]: {entry["key"]: entry["users"] for kind in ("places", "clients") for entry in month[kind]}
        for month in json.loads(text)["months"]
    }


def balanced(counts):
    """The invariant: places and clients have the same sum, which is returned."""
    geo = sum(count for key, count in counts.items() if key.startswith("geo-"))
    client = sum(count for key, count in counts.items() if key.startswith("client-"))
    assert geo == client and geo + client == sum(counts.values()), counts
    return geo
