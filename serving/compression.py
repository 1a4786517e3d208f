"""Answers in gzip, for clients that take it, where that is worth it."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

from .access import NOBODY
from .http import Refusal

if TYPE_CHECKING:
    from .http import Request, Response
    from .service import Service

WORTH_IT = 16_384
"""Bytes of the least answer that is packed: a smaller one is sent in less time than that takes."""

_GZIP_WINDOW = 31  # zlib's largest window, and gzip's header
_QUICKEST = 1
_ZERO = re.compile(rb"\s*q\s*=\s*0(\.0*)?\s*")
_VARY = (b"vary", b"accept-encoding")


async def pack(request: Request, response: Response, service: Service) -> None:
    """Pack an answer in a thread, where the client takes gzip and a thread is free for it."""
    # Who has proven nothing takes no thread from those who have.
    if len(response.body) < WORTH_IT or getattr(request, "principal", NOBODY) is NOBODY:
        return
    response.headers.append(_VARY)
    if not takes_gzip(request.headers.get(b"accept-encoding", b"")):
        return
    body = response.body
    try:
        packed = await service.workers.run(lambda: zlib.compress(body, _QUICKEST, _GZIP_WINDOW))
    except Refusal:  # no thread has time: the answer goes as it is
        return
    response.replace_body(packed, (b"content-encoding", b"gzip"))


def takes_gzip(accepted: bytes) -> bool:
    """Whether the header names gzip, and does not weigh it with zero."""
    for each in accepted.lower().split(b","):
        name, _, weight = each.partition(b";")
        if name.strip() == b"gzip":
            return _ZERO.fullmatch(weight) is None
    return False
