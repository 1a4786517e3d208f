"""Requests for the fuzzer of tensors to start from: each form, each datatype."""

import struct
from pathlib import Path

import numpy as np

TEXTS = ("Bonn", "é", "")
TIMES = ("2013-01-31", "2013-01-31T23:59:59.123456", "2013-01-31 00:00")
COLUMNS = {
    "x": ("FP64", [0.5, -1.0, 7.0]),
    "n": ("INT64", [-1, 0, 2**62]),
    "s": ("BYTES", TEXTS),
    "ok": ("BOOL", [True, False, True]),
    "t": ("BYTES", TIMES),
}
CONTENTS = {"FP64": "fp64", "INT64": "int64", "BYTES": "bytes", "BOOL": "bool"}


def blob(datatype: str, values) -> bytes:
    """Write a tensor in binary."""
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(each.encode())) + each.encode() for each in values)
    name = datatype.lower().replace("fp", "float")
    return np.array(values, name).tobytes()


def write_tensors(folder: Path) -> None:
    """Write the requests."""
    from tensor_bytes import message, rows, tensors

    inputs = [{"name": n, "shape": [3], "datatype": kind} for n, (kind, _) in COLUMNS.items()]
    data = [each | {"data": list(COLUMNS[each["name"]][1])} for each in inputs]
    blobs = [blob(kind, values) for kind, values in COLUMNS.values()]
    sized = [
        each | {"parameters": {"binary_data_size": len(part)}}
        for each, part in zip(inputs, blobs, strict=True)
    ]
    by_row = [{n: COLUMNS[n][1][i] for n in COLUMNS} for i in range(3)]
    contents = [
        each | {"contents": {f"{CONTENTS[kind]}_contents": elements(kind, values)}}
        for each, (kind, values) in zip(inputs, COLUMNS.values(), strict=True)
    ]
    seeds = {
        "json": tensors(b"0", data),
        "binary": tensors(b"0", sized, blobs),
        "rows": rows(b"0", by_row),
        "odd": rows(b"2", [{'the "x"': 1, "a\\b": None}]),
        "packed": rows(b"0", by_row, packed=True),
        "contents": message(b"0", contents),
        "raw": message(b"0", inputs, blobs),
    }
    for kind in ("FP16", "FP32", "INT8", "INT16", "INT32", "UINT8", "UINT16", "UINT32", "UINT64"):
        part = blob(kind, [1, 2, 100])
        both = [
            {"name": name, "shape": [3, 1], "datatype": kind,
             "parameters": {"binary_data_size": len(part)}} for name in ("x", "y")
        ]  # fmt: skip
        seeds[kind] = tensors(b"1", both, [part, part])
    for name, content in seeds.items():
        (folder / name).write_bytes(content)


def elements(kind: str, values) -> list:
    """Give elements as gRPC's messages have them."""
    return [each.encode() for each in values] if kind == "BYTES" else list(values)
