# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A guest for the emulator with ``--vm-backend qemu``: ``python tests/e2e/guest.py`` builds it from Debian's packages.

Debian without recommended packages: kernel, systemd, ssh, python3, and the service ``ledger``, which writes to the data disk. An emulated
processor is slow, so there is no udev, neither in the initramfs nor later: it takes half the time of a boot. The script needs
the packages of ``NEEDS``, a Debian mirror, about 2 GB in the folder ``.guest`` of the checkout, and three to ten minutes. The next
time, it takes what is there, unless this script or ``ledger.py`` has changed.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import struct
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent.resolve()
CACHE = HERE.parent.parent / ".guest"

NEEDS = {
    "fakeroot": "fakeroot",
    "grub-mkimage": "grub-common grub-pc-bin",
    "mmdebstrap": "mmdebstrap",
    "qemu-system-x86_64": "qemu-system-x86",
    "ssh-keygen": "openssh-client",
}
"""Programs and their packages, apart from those of every Debian."""

_MIB = 1024 * 1024
FIRST_BYTE = _MIB
"""Where the file system of the boot disk starts."""
_SECTOR = 512
_SIZE = 1024 * _MIB
_PACKAGES = "acpid,dbus,iproute2,linux-image-cloud-amd64,openssh-server,python3,python3-apt,systemd-sysv,tiny-initramfs"
_GRUB = Path("/usr/lib/grub/i386-pc")

_FILES = {
    "boot/grub/grub.cfg": """\
set timeout=0
menuentry Debian {
    linux /vmlinuz root=/dev/vda1 rw console=ttyS0 quiet no_timer_check tsc=reliable mitigations=off nokaslr
    initrd /initrd.img
}
""",
    # The power button, without the services that usually listen to it.
    "etc/acpi/events/power": "event=button/power.*\naction=/bin/systemctl poweroff\n",
    "etc/apt/apt.conf.d/guest": 'APT::Install-Recommends "false";\n',
    "etc/apt/sources.list.d/local.list": "deb [trusted=yes] file:/var/local/repository ./\n",
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost guest\n",
    # Without an id, each boot would be a first one.
    "etc/machine-id": f"{'5' * 32}\n",
    "etc/tiny-initramfs/tiny-initramfs.conf": "AUTO_MODULES=no\nINCLUDE_MODULES=button,evdev,virtio_blk,virtio_net,virtio_pci\nMICROCODE=no\n",
    "etc/ssh/sshd_config.d/guest.conf": "KexAlgorithms curve25519-sha256\nUsePAM no\n",  # the fastest
    "etc/systemd/system/data.service": """\
[Unit]
Before=ledger.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c "blkid /dev/vdb || mkfs.ext4 -q /dev/vdb; mount /dev/vdb /srv"
[Install]
RequiredBy=ledger.service
""",
    # The address that QEMU forwards to.
    "etc/systemd/system/network.service": """\
[Unit]
Before=network.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c "ip link set eth0 up && ip address add 10.0.2.15/24 dev eth0"
[Install]
WantedBy=multi-user.target
""",
}

_MASKED = """
apt-daily-upgrade.timer apt-daily.timer dev-hugepages.mount dev-mqueue.mount dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service
fstrim.timer getty-static.service getty@tty1.service modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service
modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service serial-getty@ttyS0.service sys-fs-fuse-connections.mount
sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount systemd-binfmt.service systemd-firstboot.service
systemd-journal-flush.service systemd-modules-load.service systemd-network-generator.service
systemd-pstore.service systemd-random-seed.service systemd-sysctl.service systemd-sysusers.service
systemd-update-utmp-runlevel.service systemd-update-utmp.service
"""

_UNIT = "lib/systemd/system/ledger.service"
_SERVICE = """\
[Unit]
Description=Ledger
[Service]
ExecStart=/usr/bin/ledger
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Guest:
    """What a boot disk starts with, and how to log in as root; its host key is that of ``guest`` in ``known_hosts``."""

    image: Path
    key: Path
    known_hosts: Path


def main() -> int:
    """Build the guest, and print what to do with it. With --missing, build nothing, and print which packages that takes."""
    if sys.argv[1:] == ["--missing"]:
        print(*missing())
        return 0
    try:
        guest = built()
    except MissingPrograms as error:
        print(error, file=sys.stderr)
        return 2
    print(f"boot disk: {guest.image}\nkey of root: {guest.key}\nits host key: {guest.known_hosts}")
    return 0


class MissingPrograms(Exception):
    """One line that says what to install."""


def missing() -> list[str]:
    """The packages of the programs that are not installed."""
    return [package for program, package in NEEDS.items() if not shutil.which(program)]


def built() -> Guest:
    """The guest in the cache; built first if it is not there. Raises MissingPrograms, CalledProcessError."""
    if packages := missing():
        raise MissingPrograms(f"a guest needs programs that are not installed: apt-get install {' '.join(packages)}")
    sources = b"".join(file.read_bytes() for file in (Path(__file__), HERE / "ledger.py"))
    version, mark = hashlib.sha256(sources).hexdigest(), CACHE / "built_from"
    if not mark.exists() or mark.read_text() != version:
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir()
        _build(CACHE)
        mark.write_text(version)
    return Guest(CACHE / "boot.img", CACHE / "key", CACHE / "known_hosts")


def _repository(folder: Path) -> None:
    """Versions of the service, for ``deb [trusted=yes] file:/… ./``: 1.0, 2.0, and 3.0, which does not start."""
    folder.mkdir()
    program = "#!/usr/bin/python3\n" + (HERE / "ledger.py").read_text()
    entries = []
    for version, text in (("1.0", program), ("2.0", program), ("3.0", "#!/bin/false\n")):
        root, package = folder / "ledger", folder / f"ledger_{version}.deb"
        control = f"Package: ledger\nVersion: {version}\nArchitecture: all\nDepends: python3\n"
        control += "Maintainer: nobody <nobody@example.com>\nDescription: writes to the data disk\n"
        for name, content in {"DEBIAN/control": control, "usr/bin/ledger": text.replace("@VERSION@", version), _UNIT: _SERVICE}.items():
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text(content)
        (root / "usr/bin/ledger").chmod(0o755)
        _run("dpkg-deb", "--build", "--root-owner-group", root, package)
        shutil.rmtree(root)
        data = package.read_bytes()
        entries.append(f"{control}Filename: ./{package.name}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n")
    (folder / "Packages").write_text("\n".join(entries))


def _build(folder: Path) -> None:
    for name in ("key", "host_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
    secrets = {
        "root/.ssh/authorized_keys": (folder / "key.pub").read_text(),
        "etc/ssh/ssh_host_ed25519_key": (folder / "host_key").read_text(),
        "etc/ssh/ssh_host_ed25519_key.pub": (folder / "host_key.pub").read_text(),
    }
    _pack(folder / "files.tar", _FILES | secrets)
    _repository(folder / "repository")
    _run(
        *("mmdebstrap", "--variant=minbase", f"--include={_PACKAGES}"),
        f"--essential-hook=tar-in {folder}/files.tar /",
        f"--customize-hook=copy-in {folder}/repository /var/local",
        '--customize-hook=chroot "$1" dpkg --install /var/local/repository/ledger_1.0.deb',
        '--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*.sources "$1"/etc/ssh/ssh_host_[er][cs]*',
        f'--customize-hook=chroot "$1" systemctl --quiet mask {" ".join(_MASKED.split())}',
        '--customize-hook=chroot "$1" systemctl --quiet enable data.service ledger.service network.service',
        # Started when `shutdown` needs them.
        '--customize-hook=rm "$1"/lib/systemd/system/multi-user.target.wants/dbus.service',
        '--customize-hook=rm "$1"/lib/systemd/system/multi-user.target.wants/systemd-logind.service',
        "--skip=cleanup/reproducible",
        "--dpkgopt=force-unsafe-io",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        *(_codename(), folder / "root.tar", *_mirror()),
    )
    image = folder / "boot.img"
    _write_boot_loader(image, folder)
    # The tar has the owners of the files; only in one session of fakeroot do they get into the image.
    script = 'mkdir "$1/root" && tar -xf "$1/root.tar" -C "$1/root" && mke2fs -q -t ext4 -E offset="$3" -d "$1/root" "$2" "$4"k'
    _run("fakeroot", "sh", "-c", script, "sh", folder, image, str(_MIB), str((_SIZE - _MIB) // 1024))
    (folder / "known_hosts").write_text(f"guest {secrets['etc/ssh/ssh_host_ed25519_key.pub']}")
    for leftover in (*folder.glob("*.tar"), *folder.glob("host_key*"), folder / "repository", folder / "root"):
        shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def _pack(tar: Path, files: dict[str, str]) -> None:
    """A tar of these files, which are root's, and nobody else's if they are secret."""
    with tarfile.open(tar, "w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), 0o600 if name.endswith("_key") else 0o644
            archive.addfile(entry, io.BytesIO(text.encode()))


def _write_boot_loader(image: Path, folder: Path) -> None:
    """GRUB and a partition table with one partition, from 1 MiB on: GRUB's first sector loads what follows it, without an installation."""
    modules = ("biosdisk", "ext2", "linux", "normal", "part_msdos")
    core = folder / "core.img"
    _run("grub-mkimage", "-O", "i386-pc", "-p", "(hd0,msdos1)/boot/grub", "-o", core, *modules)
    partition = struct.pack("<BxxxBxxxII", 0x80, 0x83, _MIB // _SECTOR, (_SIZE - _MIB) // _SECTOR)
    with image.open("wb") as disk:
        disk.write((_GRUB / "boot.img").read_bytes()[:446] + partition + bytes(48) + b"\x55\xaa")
        disk.write(core.read_bytes())
        disk.truncate(_SIZE)
    core.unlink()


def _codename() -> str:
    text = Path("/etc/os-release").read_text()
    return next((line.partition("=")[2] for line in text.splitlines() if line.startswith("VERSION_CODENAME=")), "stable")


def _mirror() -> list[Path]:
    """Where this machine's packages come from, if it is a Debian; otherwise mmdebstrap knows."""
    places = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))
    return [place for place in places if place.exists()][:1]


def _run(*command: object) -> None:
    subprocess.run([str(each) for each in command], check=True)


if __name__ == "__main__":
    sys.exit(main())
