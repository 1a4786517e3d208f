"""Payloads that something happened to, and decoders over them, for the tests of formats."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from hypothesis import strategies as st

from foresql.streams.events.definition import EventsSection
from foresql.streams.events.formats import Decoded, Format, open_format
from foresql.streams.events.records import Record

PUBLISHED = 1_704_067_200.0  # 2024-01-01
MINUTES = timedelta(minutes=5)


def record(payload: bytes, offset: int = 0, published: float = PUBLISHED) -> Record:
    """Make a record of a payload."""
    return Record("0", offset, published, payload, None)


def records(payloads: list[bytes]) -> list[Record]:
    """Make records of payloads."""
    return [record(payload, offset) for offset, payload in enumerate(payloads)]


def open_events(folder: Path = Path(), **section) -> Format:
    """Open the format of a section."""
    return open_format(EventsSection(**section), folder)


def decode(reader: Format, payloads: list[bytes]) -> Decoded:
    """Decode payloads, and see that each became a row or a dead letter, and none both."""
    decoded = reader.decode(records(payloads))
    assert decoded.rows.schema == reader.schema
    assert decoded.rows.num_rows == len(decoded.places)
    decoded.rows.validate(full=True)
    assert decoded.places == sorted(decoded.places)
    letters = [letter.record.offset for letter in decoded.dead]
    assert letters == sorted(letters)
    assert sorted([*decoded.places, *letters]) == list(range(len(payloads)))
    assert all(letter.reason for letter in decoded.dead)
    return decoded


def reason(reader: Format, payload: bytes) -> str:
    """Decode a payload that is a dead letter, and say why."""
    decoded = decode(reader, [payload])
    assert decoded.rows.num_rows == 0, decoded.rows.to_pylist()
    return decoded.dead[0].reason


def row(reader: Format, payload: bytes) -> dict[str, object]:
    """Decode a payload that is a row."""
    decoded = decode(reader, [payload])
    assert not decoded.dead, decoded.dead[0].reason
    return decoded.rows.to_pylist()[0]


@dataclass(frozen=True)
class Edit:
    """A change of some bytes."""

    start: int
    length: int
    new: bytes

    def apply(self, payload: bytes) -> bytes:
        """Change them, wherever they are in a payload of another length."""
        start = self.start % (len(payload) + 1)
        return payload[:start] + self.new + payload[start + self.length :]


def edits(pieces: list[bytes]) -> st.SearchStrategy[list[Edit]]:
    """Draw changes, also such that insert one of some pieces."""
    new = st.one_of(st.just(b""), st.binary(max_size=3), st.sampled_from(pieces))
    one = st.builds(Edit, st.integers(0, 2**16), st.integers(0, 4), new)
    return st.lists(one, max_size=3)


def broken(payload: bytes, changes: list[Edit]) -> bytes:
    """Change a payload."""
    for change in changes:
        payload = change.apply(payload)
    return payload
