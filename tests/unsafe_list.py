"""Lists every `unsafe` of the Rust sources with its reason, as the table of
docs/unsafe.md: run this to write it anew."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/unsafe.md"
START = "| where | what | why it is sound |\n|---|---|---|\n"


def rows(source):
    """(function or type, what, reason) of each `unsafe` in a source, in order."""
    inside, comment, reason = "", [], ""
    for line in source.splitlines():
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.lstrip("/").strip())
            continue
        if function := re.search(r"\bfn (\w+)", text):
            inside = function.group(1)
        safety = " ".join(comment).partition("SAFETY: ")[2]
        contract = " ".join(comment).partition("# Safety")[2].strip()
        # An attribute stands between a comment and its function.
        if not text.startswith("#["):
            comment = []
        if safety and not safety.startswith("the same"):
            reason = safety
        elif safety:
            reason = reason if safety == "the same." else f"{reason} {safety}"
        code = re.sub(r'"(\\.|[^"])*"', '""', text)
        if found := re.match(r"unsafe impl (\w+) for (\w+)", code):
            yield found.group(2), f"`{found.group(1)}`", reason
        elif "unsafe(no_mangle)" in code:
            yield "", "name", ""
        elif re.search(r"\bunsafe (extern \"\" )?fn \w", code):
            # The contract of an exported function is the header.
            yield "" if inside.startswith("mv_") else inside, "function", contract and f"its caller: {contract}"
        elif re.search(r"\bunsafe extern \"\" fn\(", code):
            yield "", "type", ""
        elif "unsafe" in code.replace("unsafe_code", ""):
            yield inside, "block", reason


def table():
    lines = [START]
    for path in sorted(ROOT.glob("crates/*/src/**/*.rs")):
        if path.name in ("fault_test.rs", "panic_test.rs"):
            continue
        found = [row for row in rows(path.read_text().partition("#[cfg(test)]\nmod tests")[0]) if row[0]]
        for row in dict.fromkeys(found):
            times = f" × {found.count(row)}" if found.count(row) > 1 else ""
            where = path.relative_to(ROOT / "crates")
            lines.append(f"| `{where}`, `{row[0]}` | {row[1]}{times} | {row[2].rstrip('.')} |\n")
    return "".join(lines)


if __name__ == "__main__":
    page = PAGE.read_text() if PAGE.exists() else ""
    PAGE.write_text(page.partition(START)[0] + table())
    sys.stdout.write(f"{PAGE}: {table().count(chr(10)) - 2} rows\n")
