"""The library and the programs in C under a sanitizer of LLVM.

The library has calls of the sanitizer's runtime and leaves them open; a program
brings the runtime with it, that of the Rust toolchain, and the compiler of C only
adds its own calls. So there is one runtime, whatever the C compiler is."""

import os
import platform
import subprocess

from conftest import ABI, ROOT, TARGET, WARNINGS, run

# How a program ends of which a sanitizer has found something.
FOUND = 99
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
# What `tests/setup` unpacks: a compiler with the sources of its standard library.
COMPILER = TARGET / "rust-with-sources/usr"


def runtime(name):
    """The archive of a sanitizer's runtime."""
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True).stdout.strip()
    found = list((ROOT / sysroot / "lib/rustlib" / TRIPLE / "lib").glob(f"librustc-*_rt.{name}.a"))
    assert len(found) == 1, f"{sysroot} has no runtime of {name}: the sanitizers need a toolchain of rust-lang.org"
    return found[0]


def build_library(sanitizer, *cargo, **environment):
    """The shared library with `sanitizer`, and with faults on purpose. The flags of
    sanitizers are not stable yet, hence RUSTC_BOOTSTRAP."""
    env = {
        **os.environ,
        "RUSTC_BOOTSTRAP": "1",
        "RUSTFLAGS": f"-Zsanitizer={sanitizer}",
        # Lines for the reports, and code that is no slower than it must be.
        "CARGO_PROFILE_DEV_DEBUG": "line-tables-only",
        "CARGO_PROFILE_DEV_OPT_LEVEL": "1",
        **environment,
    }
    target = TARGET / "sanitized" / sanitizer
    command = ["cargo", "build", "-q", "--locked", "-p", "monthly-visitors-ffi", "--features", "fault-test"]
    # With --target, what runs while building has no sanitizer.
    run([*command, "--target", TRIPLE, "--target-dir", target, *cargo], cwd=ROOT, env=env)
    return target / TRIPLE / "debug/libmonthly_visitors.so"


def builder(folder, library, flags, name):
    """A function that compiles a program once, as the fixture `build` does."""
    archive = runtime(name)

    def build(source, output=None):
        program = folder / (output or source.stem)
        object_file = program.with_suffix(".o")
        if not program.exists():
            run(
                ["cc", "-std=c99", "-O1", "-g", *WARNINGS, *flags, "-c", source, "-o", object_file]
                + [f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests/c'}"]
            )
            # All of the runtime, for the library as well.
            run(
                ["cc", object_file, "-o", program, "-rdynamic", "-Wl,--whole-archive", archive, "-Wl,--no-whole-archive"]
                + [f"-L{library.parent}", "-lmonthly_visitors", "-lpthread", "-ldl", "-lrt", "-lm"]
            )
        return program

    return build


def said_of(build, source, lines, env):
    """What the sanitizer says of a program of these lines, which it must stop."""
    source.write_text("#include <monthly_visitors.h>\n" + lines)
    return run([build(source)], expect=FOUND, env=env).stderr


def installed(folder, library):
    """Puts the library where its programs look for it; the folder."""
    (folder / f"libmonthly_visitors.so.{ABI}").symlink_to(library)
    return folder
