# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All checks of the collection, each in its own environment. `make` calls them.

With ANSIBLE_CORE=2.16 in the environment, they use that release of ansible-core instead of the newest one for this Python.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import nox

HERE = Path(__file__).parent.resolve()
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CORE = os.environ.get("ANSIBLE_CORE", "")
ANSIBLE_CORE = f"ansible-core~={CORE}.0" if CORE else "ansible-core"
OLDEST_MODULE_PYTHON = "3.9"

# A new release of a formatter or type checker must not fail a commit that passed yesterday.
LINTERS = (
    "ansible-lint==26.*",
    "antsibull-changelog==0.36.*",
    "antsibull-docs==2.*",
    "mypy==2.4.*",
    "reuse==6.*",
    "ruff==0.17.*",
    "yamllint==1.*",
)

# A warning of theirs is an error, so a new release must not fail a commit either.
SITE_BUILDERS = ("antsibull-docs==2.*", "sphinx==9.*", "sphinx-ansible-theme==0.10.*")

# What runs playbooks elsewhere, tried with the newest ansible-core alone.
CONTROLLERS = () if CORE else ("ansible-builder", "ansible-navigator", "ansible-runner")

# Each process has its own emulator. There are more of them than cores, because playbooks also wait for it.
SIDE_BY_SIDE = ("--numprocesses=4", "--dist=worksteal")

nox.needs_version = ">=2024.3.2"
nox.options.default_venv_backend = "venv"
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "unit", "docs", "sanity", "integration"]
nox.options.stop_on_first_error = True
# One set of environments for each pair of versions, so that switching between them rebuilds nothing.
nox.options.envdir = f".nox/python{PYTHON}-ansible{CORE or '-newest'}"


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, documentation, changelog."""
    session.install(*LINTERS, ANSIBLE_CORE, "nox", "types-PyYAML", "types-psutil", "types-requests", "-r", "tests/requirements.txt")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("yamllint", "--strict", ".")
    session.run("reuse", "lint", "--quiet")
    session.run("antsibull-changelog", "lint")
    session.run("antsibull-changelog", "lint-changelog-yaml", "changelogs/changelog.yaml")
    use_home_of_its_own(session)
    collection = copy_of_the_collection(session)
    # Modules import each other by the full name of the collection, so mypy needs the same paths.
    with session.chdir(collection.parents[2]):
        name = collection.relative_to(Path.cwd())
        code = [name / "plugins", name / "tests", name / "noxfile.py"]
        session.run("mypy", f"--config-file={name}/pyproject.toml", f"--cache-dir={HERE}/.mypy_cache", *code)
    with session.chdir(collection):
        session.env["ANSIBLE_COLLECTIONS_PATH"] = str(collection.parents[2])
        session.run("ansible-lint", "--offline", "--profile=production", "--strict", "-q")
        references = ("--check-extra-docs-refs", "--validate-collection-refs=dependent")
        session.run("antsibull-docs", "lint-collection-docs", "--plugin-docs", *references, ".")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, built offline. A warning, a broken link or a page too wide for a phone is an error."""
    session.install(ANSIBLE_CORE, *SITE_BUILDERS)
    use_home_of_its_own(session)
    collection = copy_of_the_collection(session)
    session.env["ANSIBLE_COLLECTIONS_PATH"] = str(collection.parents[2])
    pages, settings = collection.parents[2] / "pages", HERE / "docs" / "site"
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir(mode=0o700)  # antsibull-docs wants it so
    source = ("collection", "--cleanup=everything", "--use-current", "--squash-hierarchy", f"--dest-dir={pages}")
    session.run("antsibull-docs", f"--config-file={settings}/antsibull-docs.cfg", *source, "ucloudstack.cloud")
    # antsibull-docs copies only RST files.
    shutil.copytree(collection / "docs" / "docsite" / "rst" / "images", pages / "docsite" / "images")
    site = HERE / "docs" / "build"
    shutil.rmtree(site, ignore_errors=True)  # Sphinx leaves pages there that are no more
    session.run("sphinx-build", "-M", "html", str(pages), str(site), "-c", str(settings), "-W", "--keep-going", "--quiet")
    session.run("python", "tests/pages", f"{site}/html")
    session.log(f"{site}/html/index.html")


@nox.session
def unit(session: nox.Session) -> None:
    """Unit tests."""
    session.install(ANSIBLE_CORE, "-r", "tests/requirements.txt")
    session.run("pytest", "--numprocesses=auto", "tests/unit", *session.posargs)


@nox.session
def integration(session: nox.Session) -> None:
    """Playbooks against an emulated cloud."""
    session.install(ANSIBLE_CORE, *CONTROLLERS, "-r", "tests/requirements.txt")
    session.run(
        "pytest", *SIDE_BY_SIDE, "tests/integration", *session.posargs, env={"UCLOUDSTACK_TEST_GENERATION": "1.x" if CORE else "2026"}
    )


@nox.session
def e2e(session: nox.Session) -> None:
    """Playbooks against real guests, by SSH. What this needs of Debian, and for how long, is in tests/e2e/guest.py."""
    session.install(ANSIBLE_CORE, "-r", "tests/requirements.txt")
    session.run("pytest", "tests/e2e", *session.posargs)


@nox.session
def floor(session: nox.Session) -> None:
    """Playbooks with modules on the oldest supported Python."""
    python = oldest_module_python(session)
    session.install(ANSIBLE_CORE, "-r", "tests/requirements.txt")
    tests = ("tests/integration/test_targets.py", "tests/integration/test_playbooks.py")
    environment = {"UCLOUDSTACK_TEST_MODULE_PYTHON": python, "UCLOUDSTACK_TEST_GENERATION": "2.x"}
    session.run("pytest", *SIDE_BY_SIDE, *tests, *session.posargs, env=environment)


@nox.session
def soak(session: nox.Session) -> None:
    """Fault injection: thousands of tasks against a faulty cloud, and a table of the results."""
    session.install(ANSIBLE_CORE, "-r", "requirements.txt", "-r", "tests/emulator/requirements.txt")
    session.run("python", "tests/soak", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """What one task takes for 1 to 5,000 disks, against what the cloud itself needs."""
    session.install(ANSIBLE_CORE, "psutil", "-r", "requirements.txt", "-r", "tests/emulator/requirements.txt")
    session.run("python", "tests/benchmark/modules", *session.posargs)


@nox.session(name="bench-roles")
def bench_roles(session: nox.Session) -> None:
    """What the roles cost with many hosts, in seconds and in debug tasks."""
    session.install(ANSIBLE_CORE, "-r", "requirements.txt", "-r", "tests/emulator/requirements.txt")
    session.run("python", "tests/benchmark/roles", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Unexpected API responses, 100 times as many as in the session unit, with new inputs each time."""
    session.install(ANSIBLE_CORE, "-r", "tests/requirements.txt")
    tests = ("tests/unit/plugins/module_utils/test_reader_fuzz.py", "tests/unit/plugins/modules/test_module_fuzz.py")
    session.run("pytest", *tests, *session.posargs, env={"UCLOUDSTACK_TEST_FUZZ": "100"})


@nox.session
def demo(session: nox.Session) -> None:
    """A quick demonstration, against an emulated cloud on this machine."""
    session.install(ANSIBLE_CORE, "-r", "requirements.txt", "-r", "tests/emulator/requirements.txt")
    session.run("python", "tests/demo.py", "--scratch", session.create_tmp(), *session.posargs)


@nox.session
def sanity(session: nox.Session) -> None:
    """Run `ansible-test sanity`, and build the collection."""
    session.install(ANSIBLE_CORE)
    use_home_of_its_own(session)
    with session.chdir(copy_of_the_collection(session)):
        session.run("ansible-test", "sanity", "--local", "--python", PYTHON, *session.posargs)
    build(session)


def use_home_of_its_own(session: nox.Session) -> None:
    """Keep the caches of Ansible's tools out of the user's home directory."""
    home = HERE / ".nox" / "home"
    home.mkdir(parents=True, exist_ok=True)
    # ansible-test runs pip without its environment variables: pip finds its index only through these files.
    for name in (".pip", ".config/pip", "Library/Application Support/pip", ".cache/pip"):
        link, original = home / name, Path.home() / name
        if original.is_dir():
            link.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):  # another session may run beside this one
                link.symlink_to(original)
    session.env.update(HOME=str(home), LC_ALL="C.UTF-8")


def copy_of_the_collection(session: nox.Session) -> Path:
    """Copy all files that git does not ignore to a path that Ansible accepts: ansible_collections/ucloudstack/cloud."""
    copy = Path(session.create_tmp()).resolve() / "ansible_collections" / "ucloudstack" / "cloud"
    shutil.rmtree(copy, ignore_errors=True)
    for name in files_known_to_git():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(HERE / name, copy / name)
    # Without its own repository, the copy would count as an ignored part of this one.
    subprocess.run(["git", "init", "--quiet", copy], check=True)
    return copy


def files_known_to_git() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and (HERE / name).is_file()]


def build(session: nox.Session) -> None:
    """Build from the checkout itself, to detect leftovers that would be published."""
    target = Path(session.create_tmp()) / "build"
    shutil.rmtree(target, ignore_errors=True)
    if not session.run("ansible-galaxy", "collection", "build", "--output-path", str(target), str(HERE)):
        return  # nox was asked to install only
    with tarfile.open(next(target.glob("*.tar.gz"))) as archive:
        packed = {member.name for member in archive if member.isfile()}
    junk = packed - {"MANIFEST.json", "FILES.json", *files_known_to_git()}
    if junk:
        session.error(f"not in git, but in the built collection: {', '.join(sorted(junk))}")


def oldest_module_python(session: nox.Session) -> str:
    """Create an environment of the oldest Python that modules support, with only their requirements."""
    name = f"python{OLDEST_MODULE_PYTHON}"
    environment = HERE / ".nox" / f"modules-{name}"
    python = environment / "bin" / "python"
    if not python.exists():
        found = next(filter(runs, every(name)), None)
        if found is None:
            session.error(f"No {name} on the PATH: it is needed to run the modules with it.")
        session.run(found, "-m", "venv", str(environment), external=True)
    session.run(str(python), "-m", "pip", "install", "--quiet", "-r", "requirements.txt", external=True)
    return str(python)


def every(program: str) -> list[str]:
    """All programs of that name on the PATH: the first may be a stub without a Python behind it."""
    folders = os.get_exec_path()
    return [found for folder in folders if (found := shutil.which(program, path=folder))]


def runs(python: str) -> bool:
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0
