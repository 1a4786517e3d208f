"""The addresses that several processes answer at."""

from __future__ import annotations

import socket

from ...errors import ForesqlError


def bind_all(host: str, port: int) -> list[socket.socket]:
    """Bind the addresses of a host, which nobody listens to yet; port 0 is one that is free.

    One socket serves all processes: a connection that waits in its queue is taken by any of them,
    so none is lost with the process that dies.

    Raises
    ------
    ForesqlError
        If the address is in use, or not this machine's.
    """
    bound: list[socket.socket] = []
    try:
        for family, kind, protocol, _, place in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            made = socket.socket(family, kind, protocol)
            bound.append(made)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((place[0], port, *place[2:]))
            port = made.getsockname()[1]
            made.setblocking(False)
    except OSError as error:
        for made in bound:
            made.close()
        raise ForesqlError(_refused(host, port)) from error
    return bound


def hold_port(host: str, port: int) -> socket.socket:
    """Keep a port for gRPC, whose library opens sockets of its own and shares them by the port.

    Raises
    ------
    ForesqlError
        If the address is in use, or not this machine's.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    try:
        # Who shares a port shares it with any process of the user that does, too: look first.
        with socket.socket(family, kind, protocol) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind(place)
            port = alone.getsockname()[1]
        held = socket.socket(family, kind, protocol)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((place[0], port, *place[2:]))
    except OSError as error:
        raise ForesqlError(_refused(host, port)) from error
    return held


def _refused(host: str, port: int) -> str:
    return f"{host}:{port} cannot be listened to: is it in use, and is it this machine's?"
