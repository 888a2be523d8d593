"""The rock, which `prosodyctl install` takes."""

import re
import shutil

from conftest import RELEASE, ROOT, run

PLUGIN = ROOT / "plugins/prosody"


def test_the_rock_can_be_installed_and_counts(server, names, tmp_path):
    prefix, source = tmp_path / "prefix", tmp_path / "source"
    for folder, file in (("include", ROOT / "include/monthly_visitors.h"), ("lib", RELEASE / "libmonthly_visitors.so")):
        (prefix / folder).mkdir(parents=True)
        (prefix / folder / file.name).symlink_to(file)
    shutil.copytree(PLUGIN, source)
    (rockspec,) = source.glob("*.rockspec")
    home = {"HOME": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    run(
        ["luarocks", "--lua-version=5.4", f"--tree={tmp_path}/tree", "make", "--pack-binary-rock", rockspec]
        + [f"MONTHLY_VISITORS_DIR={prefix}"],
        cwd=source,
        env=home,
    )
    (rock,) = source.glob("*.rock")
    one = server()
    one.plugins = tmp_path / "none"
    one.configure()
    # Where a library of the system needs nothing said.
    config = tmp_path / "luarocks.lua"
    config.write_text(f'variables = {{ MONTHLY_VISITORS_DIR = "{prefix}" }}\n')
    one.env["LUAROCKS_CONFIG"] = str(config)
    one.ctl("install", rock)
    one.start()
    one.login(next(names))
    assert one.totals(count=1)
    assert "1 month," in one.ctl("mod_monthly_visitors", "check").stdout


def test_the_rock_has_every_file_and_the_version_of_the_library():
    (rockspec,) = PLUGIN.glob("*.rockspec")
    text = rockspec.read_text()
    for file in [*PLUGIN.glob("*.lua"), *PLUGIN.glob("*.c")]:
        assert f'"{file.name}"' in text, f"{file.name} is not in the rockspec"
    version = re.search(r'^version = "(.*?)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert rockspec.name == f"mod_monthly_visitors-{version}-1.rockspec" and f'"{version}-1"' in text
