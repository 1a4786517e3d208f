"""Confluent's framing: a zero byte and the number of a schema stand before each payload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from ....errors import StreamError
from .reading import Decoder, Read

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_HEADER = 5


class FramedDecoder:
    """Gives each payload to the decoder of its schema's number."""

    def __init__(
        self, decoders: Mapping[int | None, Decoder], prefixes: Sequence[bytes] = (b"",)
    ) -> None:
        """Take the decoders, which have the same columns.

        Parameters
        ----------
        decoders
            By the number of the schema by which a payload was written; None for any number.
        prefixes
            What stands between the number and the payload, one of them.

        Raises
        ------
        StreamError
            If they have different columns.
        """
        self._decoders = decoders
        self._prefixes = tuple(prefixes)
        schemas = [decoder.schema for decoder in decoders.values()]
        self.schema = schemas[0]
        if any(schema != self.schema for schema in schemas):
            message = "[events] writers: their schemas have different columns."
            raise StreamError(message)

    def read(self, payloads: Sequence[bytes]) -> Read:
        """Decode payloads."""
        bad: dict[int, str] = {}
        groups: dict[int | None, list[tuple[int, bytes]]] = {each: [] for each in self._decoders}
        is_any = None in groups
        for place, payload in enumerate(payloads):
            number = None if is_any else int.from_bytes(payload[1:_HEADER], "big")
            starts = (len(each) for each in self._prefixes if payload.startswith(each, _HEADER))
            start = next(starts, None)
            if len(payload) < _HEADER or payload[0] != 0:
                bad[place] = "It has no header of Confluent's: a zero byte and a schema's number."
            elif number not in groups:
                known = ", ".join(map(str, groups))
                bad[place] = f"It was written by schema {number}; writers = {{ … }} knows {known}."
            elif start is None:
                bad[place] = "It is another message of the schema's file."
            else:
                groups[number].append((place, payload[_HEADER + start :]))
        return self._merged(groups, bad)

    def _merged(
        self, groups: Mapping[int | None, list[tuple[int, bytes]]], bad: dict[int, str]
    ) -> Read:
        """Decode each schema's payloads, and give the rows in the order that they came in."""
        batches: list[pa.RecordBatch] = []
        places: list[int] = []
        for number, group in groups.items():
            if group:
                read = self._decoders[number].read([payload for _, payload in group])
                batches.append(read.rows)
                places += [group[place][0] for place in read.places]
                bad |= {group[place][0]: reason for place, reason in read.bad.items()}
        if len(batches) == 1:
            return Read(batches[0], places, bad)
        order = sorted(range(len(places)), key=places.__getitem__)
        rows = pa.Table.from_batches(batches, self.schema).take(pa.array(order, pa.int64()))
        merged = rows.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], self.schema)]
        return Read(merged[0], [places[row] for row in order], bad)
