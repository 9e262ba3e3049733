# SPDX-License-Identifier: MIT
"""
What an install puts where, and with what modes; what the packages for Debian hold. tests/run asks this of the release
build, whose prefix is /usr, too. How packages do on a machine: tests/systemd/full-install.
"""

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
EXAMPLES = {
    **dict.fromkeys(["worker-bash", "worker-perl", "worker-python"], 0o755),
    **dict.fromkeys(
        ["Containerfile", "activated.service", "activated.socket", "container-docker.service", "container.container",
         "container.service", "dbus-echo.service", "exec.service", "file.service", "grpc.service", "gunicorn.service",
         "hardened.service", "heartbeat.service", "http.service", "https.service", "java.service", "listen-queue.service",
         "nginx.service", "node.service", "notify.service", "pidfile.service", "tcp.service", "unix.service", "user.service",
         "web.conf", "worker.c", "worker@.service"], 0o644)}
# Below the prefix, by package; {zsh} is the one folder that differs between distributions.
EXPECTED = {
    "sdwd": [
        ("bin/sdwd", 0o755),
        ("lib/systemd/catalog/sdwd.catalog", 0o644),
        ("lib/systemd/system/sdwd@.service", 0o644),
        ("lib/tmpfiles.d/sdwd.conf", 0o644),
        ("share/doc/sdwd/CHANGELOG.md", 0o644),
        ("share/doc/sdwd/LICENSE", 0o644),
        ("share/doc/sdwd/README.md", 0o644),
        *[(f"share/doc/sdwd/examples/{name}", mode) for name, mode in EXAMPLES.items()],
        ("share/man/man1/sdwd.1", 0o644),
        ("share/man/man5/sdwd.conf.5", 0o644),
        ("share/man/man7/sdwd-probes.7", 0o644),
        ("share/man/man7/sdwd-recipes.7", 0o644),
    ],
    "sdwd-prober": [
        ("libexec/sdwd/sdwd-prober", 0o755),
    ],
    "sdwdctl": [
        ("bin/sdwdctl", 0o755),
        ("lib/systemd/system/sdwd-metrics.service", 0o644),
        ("lib/systemd/system/sdwd-metrics.timer", 0o644),
        ("share/bash-completion/completions/sdwd", 0o644),
        ("share/bash-completion/completions/sdwdctl", "sdwd"),
        ("share/doc/sdwd/examples/monitoring/sdwd.dashboard.json", 0o644),
        ("share/doc/sdwd/examples/monitoring/sdwd.rules.yml", 0o644),
        ("share/fish/vendor_completions.d/sdwd.fish", 0o644),
        ("share/fish/vendor_completions.d/sdwdctl.fish", "sdwd.fish"),
        ("share/man/man1/sdwdctl.1", 0o644),
        ("share/zsh/{zsh}/_sdwd", 0o644),
    ],
}


@functools.cache
def cached(build, name):
    """What the build was configured with."""
    found = re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(encoding="utf-8"), re.M)
    return found.group(1) if found else ""


def expected(build, packages=tuple(EXPECTED)):
    debian = cached(build, "CMAKE_INSTALL_PREFIX") == "/usr" and os.path.exists("/etc/debian_version")
    zsh = "vendor-completions" if debian else "site-functions"
    return {path.format(zsh=zsh): what for package in packages for path, what in EXPECTED[package]}


def there(top):
    """The files below @top by path: the mode, or of a link where it leads. Folders that others could not enter."""
    files, closed = {}, []
    for folder, _, names in os.walk(top):
        if folder != str(top) and os.stat(folder).st_mode & 0o7777 != 0o755:
            closed.append(folder)
        for name in names:
            path = Path(folder) / name
            key = path.relative_to(top).as_posix()
            files[key] = os.readlink(path) if path.is_symlink() else path.stat().st_mode & 0o7777
    return files, closed


def install(build, *words, **environment):
    done = subprocess.run(["sh", "-c", 'umask 077; exec "$@"', "sh", "cmake", "--install", build, *words],
                          env=os.environ | environment, timeout=120, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_file_is_where_it_belongs_whatever_the_umask_is(build, tmp_path):
    install(build, DESTDIR=str(tmp_path))
    prefix = cached(build, "CMAKE_INSTALL_PREFIX").lstrip("/")
    files, closed = there(tmp_path)
    assert files == {f"{prefix}/{path}": what for path, what in expected(build).items()}
    assert not closed


def test_a_prefix_of_ones_own_holds_all_of_it(build, tmp_path):
    # Below a folder of the test's, in which what is outside of the prefix is seen, and not on this machine.
    install(build, "--prefix", "/own", DESTDIR=str(tmp_path))
    files, closed = there(tmp_path)
    assert files == {f"own/{path}": what for path, what in expected(build).items()}
    assert not closed


def test_units_name_the_programs_where_they_are(build, tmp_path):
    install(build, DESTDIR=str(tmp_path))
    prefix = cached(build, "CMAKE_INSTALL_PREFIX")
    for name, program in [("sdwd@.service", "sdwd"), ("sdwd-metrics.service", "sdwdctl")]:
        text = next(tmp_path.rglob(name)).read_text(encoding="utf-8")
        assert f"ExecStart={prefix}/bin/{program} " in text
        for path in re.findall(rf"{prefix}/share/doc/[\w./-]+\w", text):
            assert (tmp_path / path.lstrip("/")).exists(), path


def cpack(build, folder, kind):
    return subprocess.run(["sh", "-c", 'umask 022; exec "$@"', "sh", "cpack", "-G", kind, "--config", build / "CPackConfig.cmake", "-B", folder], timeout=300,
                          capture_output=True, text=True, check=False, cwd=folder,
                          env=os.environ | {"SOURCE_DATE_EPOCH": "1700000000"})


@pytest.mark.parametrize("kind, there, wanted", [
    ("DEB", [], "apt-get install dpkg-dev file"), ("DEB", ["file"], "apt-get install dpkg-dev file"),
    ("RPM", [], "rpmbuild, which is missing"), ("DEB", ["file", "dpkg-shlibdeps"], None)])
def test_what_makes_packages_is_asked_for_by_its_name(tmp_path, kind, there, wanted):
    for name in ["sh", *there]:
        (tmp_path / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        ["sh", "-c", f'umask 022; PATH={tmp_path} exec "$@"', "sh", shutil.which("cmake"), f"-DCPACK_GENERATOR={kind}",
         f"-DCPACK_SDWD_SOURCE={TOP}", "-DCPACK_PACKAGING_INSTALL_PREFIX=/usr", "-P", TOP / ".cmake/packages/made.cmake"],
        timeout=60, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == bool(wanted), done
    assert not wanted or wanted in re.sub(r"\s+", " ", done.stderr), done


@pytest.mark.parametrize("words, wanted", [
    (["-DCMAKE_DISABLE_FIND_PACKAGE_Libev=ON"], "libev-dev libsystemd-dev libjson-c-dev libcurl4-openssl-dev"),
    (["-DSDWD_PROBER=OFF"], "libsystemd-dev libjson-c-dev"),
    (["-DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON"], "pkg-config libsystemd-dev libjson-c-dev libcurl4-openssl-dev"),
], ids=lambda value: value[0] if isinstance(value, list) else None)
def test_all_that_a_build_lacks_is_told_at_once(tmp_path, words, wanted):
    done = subprocess.run(["cmake", "-S", TOP, "-B", tmp_path, "-DSDWD_TESTS=OFF", *words], timeout=120, check=False,
                          env=os.environ | {"PKG_CONFIG_LIBDIR": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode != 0
    assert f'"apt-get install {wanted}"' in re.sub(r"\s+", " ", done.stderr), done.stderr


def deb(package, *words):
    done = subprocess.run(["dpkg-deb", *words[:1], package, *words[1:]], capture_output=True, timeout=60, check=True,
                          text=True, env=os.environ | {"TZ": "UTC"})
    return done.stdout


def test_packages_hold_what_is_installed_and_each_its_own(build, tmp_path):
    done = cpack(build, tmp_path, "DEB")
    if cached(build, "CMAKE_INSTALL_PREFIX") != "/usr":
        assert done.returncode != 0
        assert "a package belongs into /usr" in done.stderr
        assert not list(tmp_path.glob("*.deb"))
        return
    assert done.returncode == 0, done.stdout + done.stderr
    packages = {path.name.split("_")[0]: path for path in tmp_path.glob("*.deb")}
    assert sorted(packages) == sorted(EXPECTED)
    for name, package in packages.items():
        assert held(package) == in_package(build, name), name
        assert str(TOP).encode() not in (build / name).read_bytes(), "where it was built"
        depends = deb(package, "-f", "Depends")
        assert ("libcurl" in depends) == (name == "sdwd-prober"), depends
        assert "libsystemd0" in depends
        assert deb(package, "-f", "Description").startswith("systemd watchdog around ")
    version = deb(packages["sdwd"], "-f", "Version").strip()
    assert f"sdwd (= {version})" in deb(packages["sdwd-prober"], "-f", "Depends")
    assert "sdwd-prober" in deb(packages["sdwd"], "-f", "Recommends")


def in_package(build, name):
    """What that package is to hold: pages compressed, licence and changes by Debian's names."""
    files = {f"usr/share/doc/{name}/{doc}": 0o644 for doc in ("changelog.Debian.gz", "changelog.gz", "copyright")}
    for path, what in expected(build, (name,)).items():
        if path.startswith("share/man/"):
            files[f"usr/{path}.gz"] = what
        elif not path.endswith(("/LICENSE", "/CHANGELOG.md")):
            files[f"usr/{path}"] = what
    return files


def held(package):
    """The same of a package, from its list; all of it is root's, and has the one time."""
    files = {}
    for line in deb(package, "-c").splitlines():
        mode, owner, _, day, _, path = line.split(None, 5)
        assert (owner, day) == ("root/root", "2023-11-14"), line
        path, _, target = path.removeprefix("./").partition(" -> ")
        bits = sum(1 << (8 - at) for at, letter in enumerate(mode[1:]) if letter != "-")
        if mode[0] == "d":
            assert bits == 0o755, line
        else:
            files[path] = target if mode[0] == "l" else bits
    return files
