"""Fuzz decoders of events: each record is a row or a dead letter, alone as beside others."""

import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["foresql", "fastavro", "json"]):
    from foresql.streams.events.definition import EventsSection
    from foresql.streams.events.formats import open_format
    from foresql.streams.events.records import Record

from event_schemas import COLUMNS, MESSAGE, SEPARATOR, write_schemas

FORMATS = {b"j": "json", b"a": "avro", b"p": "protobuf"}


def openers(folder: Path) -> dict[bytes, object]:
    """Open each format, with all of its types."""
    write_schemas(folder)
    sections = {
        b"j": EventsSection(columns=COLUMNS),
        b"a": EventsSection(format="avro", schema="reading.avsc"),
        b"p": EventsSection(format="protobuf", schema="reading.desc", message=MESSAGE),
    }
    return {first: open_format(section, folder) for first, section in sections.items()}


def decode_all(content: bytes) -> None:
    """Decode records together and one by one, and hold the rows against each other."""
    reader = READERS.get(content[:1])
    if reader is None:
        return
    payloads = content[1:].split(SEPARATOR)
    records = [Record("0", place, 0.0, each, None) for place, each in enumerate(payloads)]
    together = reader.decode(records)
    letters = [letter.record.offset for letter in together.dead]
    if sorted([*together.places, *letters]) != list(range(len(records))):
        message = f"{together.places} are rows, {letters} are dead letters"
        raise AssertionError(message)
    together.rows.validate(full=True)
    singly = [reader.decode([record]) for record in records]
    alone = [place for place, decoded in enumerate(singly) if decoded.rows.num_rows]
    # Their text, since a NaN is not itself.
    rows = [repr(decoded.rows.to_pylist()[0]) for decoded in singly if decoded.rows.num_rows]
    if alone != together.places or rows != list(map(repr, together.rows.to_pylist())):
        message = "records are read otherwise alone than together"
        raise AssertionError(message)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        READERS = openers(Path(place))
    atheris.Setup(sys.argv, decode_all)
    atheris.Fuzz()
