"""Requests as bytes, of every form that rows can come in, and the rows that are read of them."""

import json
import zlib
from types import SimpleNamespace

import msgspec
import pyarrow as pa

from foresql.errors import SignatureError
from foresql.ir import ColumnType
from foresql.serving.binary_tensors import split_body
from foresql.serving.bodies import Bodies
from foresql.serving.features import _ARROW, RowFeatures
from foresql.serving.grpc_messages import message_class
from foresql.serving.grpc_methods import _inputs
from foresql.serving.http import Refusal
from foresql.serving.oip import _decoded
from foresql.serving.row_decoder import RowDecoder
from foresql.serving.settings import Limits
from foresql.serving.tensors import read_inputs

KINDS = {
    "x": ColumnType.DOUBLE,
    "n": ColumnType.BIGINT,
    "s": ColumnType.VARCHAR,
    "ok": ColumnType.BOOLEAN,
    "t": ColumnType.TIMESTAMP,
}
NUMBERS = {"x": ColumnType.DOUBLE, "y": ColumnType.DOUBLE}
ODD = {'the "x"': ColumnType.DOUBLE, "a\\b": ColumnType.VARCHAR}
MOST = 100_000
BODIES = Bodies(Limits(body_bytes=MOST))


def served(kinds):
    """What the reader of tensors looks at in a model."""
    return SimpleNamespace(
        kinds=kinds,
        names=[*kinds],
        is_numeric=set(kinds.values()) == {ColumnType.DOUBLE},
        schema=pa.schema([(name, _ARROW[kind]) for name, kind in kinds.items()]),
        reference="m:1",
    )


MODELS = {b"0": served(KINDS), b"1": served(NUMBERS), b"2": served(ODD)}
DECODERS = {number: RowDecoder(model.kinds) for number, model in MODELS.items()}
REQUEST = message_class("ModelInferRequest")


def rows_of(content: bytes):
    """Read a request; None where it is refused, as the client's fault.

    Its first byte says of which form it is, the second one for which model. Raises where the two
    ways to score, row by row and as a batch, would see other rows.
    """
    form, model, body = content[:1], MODELS.get(content[1:2]), content[2:]
    read = FORMS.get(form)
    if read is None or model is None:
        return None
    try:
        features = read(body, content[1:2])
    except Refusal as refusal:
        if refusal.status not in {400, 413} or not str(refusal):
            raise
        refusal.response().body.decode()
        return None
    except SignatureError as error:
        msgspec.json.encode(str(error))
        return None
    if features.rows == 0:  # refused by whoever wants to score it
        return None
    batch = features.batch()
    batch.validate(full=True)
    found = [tuple(row) for row in features.tuples()]
    together = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    if features.rows != batch.num_rows or repr(found) != repr(together):
        raise AssertionError(f"{found[:3]} row by row, {together[:3]} as a batch")
    return found


def _tensors(body: bytes, model: bytes):
    declared, _, rest = body.partition(b"\n")
    text, binary = split_body(rest, declared or None)
    return read_inputs(_decoded(text).inputs, binary, MODELS[model])


def _message(body: bytes, model: bytes):
    try:
        message = REQUEST.FromString(body)
    except Exception as error:  # what protobuf refuses is refused before
        raise Refusal(400, "no message") from error
    tensors, raw = _inputs(message)
    return read_inputs(tensors, raw, MODELS[model])


def _rows(body: bytes, model: bytes):
    rows, _, _ = DECODERS[model].decode(body)
    return RowFeatures(MODELS[model].schema, rows)


def _packed(body: bytes, model: bytes):
    unpacked = BODIES._unpacked(body, b"gzip")
    assert len(unpacked) <= MOST
    return _rows(unpacked, model)


FORMS = {b"t": _tensors, b"g": _message, b"r": _rows, b"z": _packed}


def tensors(model: bytes, inputs: list[dict], blobs: list[bytes] = ()) -> bytes:
    """Write tensors: in JSON, or behind it those that have no data."""
    text = json.dumps({"inputs": inputs}).encode()
    length = str(len(text)).encode() if blobs else b""
    return b"t" + model + length + b"\n" + text + b"".join(blobs)


def rows(model: bytes, values: list[dict], *, packed=False) -> bytes:
    """Write rows by name."""
    text = json.dumps({"rows": values}).encode()
    return b"z" + model + zlib.compress(text, wbits=31) if packed else b"r" + model + text


def message(model: bytes, inputs: list[dict], blobs: list[bytes] = ()) -> bytes:
    """Write a message of gRPC."""
    made = REQUEST(model_name="m", inputs=inputs, raw_input_contents=blobs)
    return b"g" + model + made.SerializeToString()
