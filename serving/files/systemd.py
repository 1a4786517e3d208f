"""A service for systemd that may do nothing but serve."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ...errors import ForesqlError
from .asked import PAUSE, PORT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .asked import Asked

__all__ = ["write_systemd"]

SERVICE = """\
# foresql: the server {name}. To /etc/systemd/system/{name}.service, then
#   systemctl daemon-reload && systemctl enable --now {name}
# Everybody must be able to read the registry, also new versions: chmod -R a+rX.
{about_keys}[Unit]
Description=foresql server {name}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={command}
{credential}Environment=OMP_NUM_THREADS=1
Restart=on-failure
RestartSec=1
KillMode=mixed
TimeoutStartSec=300
TimeoutStopSec={grace}
LimitNOFILE=16384

# A user of its own, whom nobody else is, and who has nothing.
DynamicUser=yes
{logs}WorkingDirectory=/
UMask=0077
# What it sees of the machine, and cannot write.
ProtectSystem=strict
ProtectHome=read-only
ProtectProc=invisible
ProcSubset=pid
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
ProtectHostname=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# What it may ask of the kernel.
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""

WITH_KEYS = """\
# The file of keys is handed over when the service starts: restart it after a change.
# Nothing that lies beside it is. A JWKS is named there by an absolute path that everybody can read;
# a secret_file is handed over too: LoadCredential=jobs.secret:/etc/foresql/jobs.secret.
# Who asked for what is noted in /var/log/{name}/audit.jsonl. Rotate it by renaming.
"""


def write_systemd(
    asked: Asked, program: Sequence[str], registry: Path, keys: Path | None, port: int = PORT
) -> str:
    """Write a unit; the registry's path is as the machine has it, and so is that of the keys."""
    # Without keys the server refuses any address but the machine's own.
    host = "127.0.0.1" if keys is None else "0.0.0.0"  # noqa: S104 - keys decide who may ask
    words = [*program, "serve", "--host", host, "--port", str(port), "--registry", str(registry)]
    line = " ".join(map(quote, [*words, *asked.options]))
    if keys is not None:
        line += " --keys ${CREDENTIALS_DIRECTORY}/keys.toml"
        line += " --audit-log ${LOGS_DIRECTORY}/audit.jsonl"
    return SERVICE.format(
        name=asked.name,
        command=line,
        about_keys="" if keys is None else WITH_KEYS.format(name=asked.name),
        logs="" if keys is None else f"LogsDirectory={asked.name}\n",
        credential="" if keys is None else f"LoadCredential=keys.toml:{_path(keys)}\n",
        grace=asked.grace - PAUSE,
    )


def quote(word: str) -> str:
    """Write an argument for ExecStart: % begins a specifier there, and $ a variable.

    Raises
    ------
    ForesqlError
        If it has more than one line: there it would end the setting.
    """
    if not word.isprintable():
        message = f"{word!r} cannot stand in a unit: it must be one line of text."
        raise ForesqlError(message)
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"'


def _path(path: Path) -> str:
    """Write a path where systemd takes no quotes around it."""
    if not re.fullmatch(r"[\w./@+:%,=-]+", str(path)):
        message = f"--keys {str(path)!r}: a unit takes letters, digits and ./_@+:%,=- there."
        raise ForesqlError(message)
    return str(path).replace("%", "%%")
