"""The Open Inference Protocol, in JSON and in bytes."""

import json
import random
import struct

import numpy as np
import pytest

PATH = "/v2/models/late/infer"


def inputs(**changes):
    tensors = {
        "distance": {"shape": [2], "datatype": "FP64", "data": [100, 2000.5]},
        "dep delay": {"shape": [2, 1], "datatype": "FP64", "data": [[None], [90.0]]},
        "carrier": {"shape": [2], "datatype": "BYTES", "data": ["AA", "naïve ☃"]},
    }
    for name, change in changes.items():
        tensors[name.replace("_", " ")] |= change
    return [{"name": name} | tensor for name, tensor in tensors.items()]


ROWS = [
    {"distance": 100, "dep delay": None, "carrier": "AA"},
    {"distance": 2000.5, "dep delay": 90.0, "carrier": "naïve ☃"},
]


def error(response, status=400) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    return response.json()["error"]


def packed(content, *blobs):
    text = json.dumps(content).encode()
    headers = {"inference-header-content-length": str(len(text))}
    return text + b"".join(blobs), headers


def texts(*values):
    return b"".join(struct.pack("<I", len(v.encode())) + v.encode() for v in values)


def test_metadata(shared):
    assert shared.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in ("late", "late@champion", "late/versions/1"):
        found = shared.get(f"/v2/models/{path}").json()
        assert (found["name"], found["versions"]) == ("late", ["1"])
        assert {each["name"]: each["datatype"] for each in found["inputs"]} == {
            "distance": "FP64",
            "dep delay": "FP64",
            "carrier": "BYTES",
        }
        assert shared.get(f"/v2/models/{path}/ready").json() == {"name": "late", "ready": True}
    kinds = {i["name"]: i["datatype"] for i in shared.get("/v2/models/kinds").json()["inputs"]}
    assert list(kinds.values()) == ["INT64", "BYTES", "BOOL", "BYTES"]
    outputs = shared.get("/v2/models/kinds").json()["outputs"]
    assert [(o["datatype"], o["shape"]) for o in outputs] == [("INT64", [-1]), ("FP64", [-1, 3])]
    assert outputs[1]["parameters"] == {"labels": ["0", "10", "20"]}
    assert shared.get("/v2/models/pair").json()["outputs"][0]["shape"] == [-1, 2]


def test_health(shared):
    assert shared.get("/v2/health/live").json() == {"live": True}
    ready = shared.get("/v2/health/ready").json()
    assert ready == {"ready": True, "live": True, "degraded": False}


def test_json(shared):
    expected = shared.post("/predict/late", {"rows": ROWS}).json()["answers"]
    for path in (PATH, "/v2/models/late/versions/1/infer"):
        answer = shared.post(path, {"id": "a-7", "inputs": inputs()}).json()
        assert (answer["model_name"], answer["model_version"], answer["id"]) == ("late", "1", "a-7")
        label, share = answer["outputs"]
        assert label == {
            "name": "predict",
            "datatype": "BYTES",
            "shape": [2],
            "data": [each["value"] for each in expected],
        }
        assert share["data"] == [each["probability"] for each in expected]
    assert "id" not in shared.post(PATH, {"inputs": inputs()}).json()


def of_delay(**changes):
    tensors = {
        "distance": {"shape": [2], "datatype": "FP64", "data": [733.0, 2000.5]},
        "dep delay": {"shape": [2], "datatype": "FP64", "data": [4.0, 90.25]},
    }
    tensors["dep delay"] |= changes
    return [{"name": name} | tensor for name, tensor in tensors.items()]


def test_columns_of_floats_alone(shared):
    """They are checked at once; in another order, with a null or an integer, one by one."""
    path = "/v2/models/delay/infer"
    rows = [{"distance": 733.0, "dep delay": 4.0}, {"distance": 2000.5, "dep delay": 90.25}]
    answers = shared.post("/predict/delay", {"rows": rows}).json()["answers"]
    expected = [answer["value"] for answer in answers]
    for tensors in (
        of_delay(),
        of_delay()[::-1],
        of_delay(data=[4, 90.25]),
        of_delay(shape=[2, 1]),
        of_delay(parameters={}),
    ):
        [output] = shared.post(path, {"inputs": tensors}).json()["outputs"]
        assert output["data"] == expected
    without = shared.post(path, {"inputs": of_delay(data=[4.0, None])}).json()
    assert without["outputs"][0]["data"][0] == expected[0]
    for change in (
        {"shape": [3]}, {"data": [4.0]}, {"data": []}, {"data": None}, {"datatype": "BOOL"},
        {"data": [4.0, "x"]}, {"shape": []}, {"parameters": {"binary_data_size": 16}},
    ):  # fmt: skip
        assert error(shared.post(path, {"inputs": of_delay(**change)}))
    empty = [tensor | {"shape": [0], "data": []} for tensor in of_delay()]
    assert error(shared.post(path, {"inputs": empty}))


def test_some_outputs(shared):
    asked = {"inputs": inputs(), "outputs": [{"name": "predict_proba"}]}
    assert [o["name"] for o in shared.post(PATH, asked).json()["outputs"]] == ["predict_proba"]
    asked["outputs"] = [{"name": "margin"}]
    assert "no output 'margin'" in error(shared.post(PATH, asked))


def test_bytes_in_and_out(shared):
    expected = shared.post(PATH, {"inputs": inputs()}).json()["outputs"]
    blobs = [
        np.array([100, 2000.5], "<f8").tobytes(),
        np.array([np.nan, 90], "<f4").tobytes(),
        texts("AA", "naïve ☃"),
    ]
    tensors = inputs(dep_delay={"datatype": "FP32"})
    for tensor, blob in zip(tensors, blobs, strict=True):
        del tensor["data"]
        tensor["parameters"] = {"binary_data_size": len(blob)}
    body, headers = packed({"inputs": tensors}, *blobs)
    assert shared.post(PATH, body, headers=headers).json()["outputs"] == expected
    content = {"inputs": tensors, "parameters": {"binary_data_output": True}}
    body, headers = packed(content, *blobs)
    response = shared.post(PATH, body, headers=headers)
    end = int(response.headers["inference-header-content-length"])
    found = json.loads(response.content[:end])["outputs"]
    sizes = [tensor["parameters"]["binary_data_size"] for tensor in found]
    assert response.content[end : end + sizes[0]] == texts(*expected[0]["data"])
    assert np.frombuffer(response.content[end + sizes[0] :]).tolist() == expected[1]["data"]
    content["outputs"] = [{"name": "predict", "parameters": {"binary_data": False}}]
    body, headers = packed(content, *blobs)
    assert shared.post(PATH, body, headers=headers).json()["outputs"] == expected[:1]


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP64", [1, 2.5]), ("FP32", [0.1, None]), ("FP16", [1.5, 65504]), ("INT8", [-128, 127]),
        ("UINT8", [0, 255]), ("INT64", [-(2**63), 2**63 - 1]), ("UINT64", [0, 2**64 - 1]),
        ("INT32", [None, 7]),
    ],
)  # fmt: skip
def test_datatypes_of_numbers(shared, datatype, data):
    tensors = inputs(distance={"datatype": datatype, "data": data})
    found = shared.post(PATH, {"inputs": tensors})
    dtype = np.dtype(datatype.lower().replace("fp", "float"))
    exact = [None if d is None else float(dtype.type(d)) for d in data]
    rows = [row | {"distance": number} for row, number in zip(ROWS, exact, strict=True)]
    expected = shared.post("/predict/late", {"rows": rows}).json()["answers"]
    assert found.json()["outputs"][1]["data"] == [each["probability"] for each in expected]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"datatype": "INT8", "data": [128, 0]}, "128 is beyond INT8"),
        ({"datatype": "UINT64", "data": [-1, 0]}, "-1 is beyond UINT64"),
        ({"datatype": "INT64", "data": [2**64, 0]}, "beyond INT64"),
        ({"datatype": "INT64", "data": [1.0, 0]}, "no INT64: 1.0"),
        ({"datatype": "FP32", "data": [1e39, 0]}, "too large for FP32"),
        ({"data": [10**400, 0]}, "'distance'"),
        ({"data": ["1", 0]}, "no FP64: '1'"),
        ({"data": [True, 0]}, "no FP64: True"),
        ({"data": [1]}, "1 elements, not the 2 of its shape"),
        ({"data": [[1], [2]]}, "no FP64: [1]"),
        ({"shape": [2, 1], "data": [[1, 2], [3, 4]]}, "no FP64: [1, 2]"),
        ({"shape": [2, 1], "data": [[1], 2]}, "no FP64: [1]"),
        ({"shape": [2, 1], "data": [[[1]], [[2]]]}, "no FP64: [1]"),
        ({"shape": [1, 2]}, "the shape [rows] or [rows, 1]"),
        ({"shape": [-2]}, "the shape [rows] or [rows, 1]"),
        ({"shape": []}, "the shape [rows] or [rows, 1]"),
        ({"datatype": "BYTES", "data": ["1", "2"]}, "send FP64"),
        ({"datatype": "BOOL", "data": [True, False]}, "send FP64"),
        ({"datatype": "fp64"}, "send FP64"),
        ({"data": None}, "has no data"),
        ({"parameters": {"binary_data_size": 16}}, "has data, and bytes"),
        ({"parameters": {"binary_data_size": 16}, "data": None}, "claims 16 bytes, and 0 are left"),
        ({"parameters": {"binary_data_size": -1}, "data": None}, "claims -1 bytes"),
        ({"parameters": {"binary_data_size": "x"}}, "binary_data_size"),
        ({"name": "dep delay"}, "given twice"),
        ({"name": "x"}, "no input 'x'. Its inputs are 'distance', 'dep delay', 'carrier'."),
    ],
)
def test_a_wrong_tensor_is_named(shared, change, words):
    message = error(shared.post(PATH, {"inputs": inputs(distance=change)}))
    assert words in message


def test_rows_that_do_not_match(shared):
    shorter = {"shape": [1], "data": ["AA"]}
    message = error(shared.post(PATH, {"inputs": inputs(carrier=shorter)}))
    assert message == "Input 'carrier' has 1 rows, and the first one 2."
    assert "is missing" in error(shared.post(PATH, {"inputs": inputs()[:2]}))
    assert error(shared.post(PATH, {"inputs": []}))
    none = {"shape": [0], "data": []}
    empty = inputs(distance=none, dep_delay=none, carrier=none)
    assert "no rows" in error(shared.post(PATH, {"inputs": empty}))


@pytest.mark.parametrize("length", ["x", "-1", "99999", "1e3", "", "9" * 400, "12"])
def test_wrong_header_lengths(shared, length):
    body, headers = packed({"inputs": inputs()})
    headers = {"inference-header-content-length": length}
    assert error(shared.post(PATH, body, headers=headers))


def test_bytes_that_belong_to_nothing(shared):
    body, headers = packed({"inputs": inputs()}, b"12345678")
    assert "belong to no input" in error(shared.post(PATH, body, headers=headers))


@pytest.mark.parametrize(
    "blob",
    [b"", b"\0", b"\2\0\0\0A", b"\xff\xff\xff\xff", texts("AA"), texts("A", "B", "C"),
     texts("A") + b"\1\0\0\0\xff", texts("A", "B") + b"\0"],
)  # fmt: skip
def test_wrong_texts(shared, blob):
    tensor = inputs()[2] | {"parameters": {"binary_data_size": len(blob)}}
    del tensor["data"]
    body, headers = packed({"inputs": [*inputs()[:2], tensor]}, blob)
    assert "'carrier'" in error(shared.post(PATH, body, headers=headers))


def test_wrong_flags(shared):
    row = {
        'the "hour"': ("INT64", [7]),
        "carrier": ("BYTES", ["AA"]),
        "at": ("BYTES", ["2013-01-01"]),
    }
    tensors = [
        {"name": name, "shape": [1], "datatype": datatype, "data": data}
        for name, (datatype, data) in row.items()
    ]
    for flag, status in ((b"\1", 200), (b"\2", 400)):
        tensor = {"name": "weekend", "shape": [1], "datatype": "BOOL"}
        tensor["parameters"] = {"binary_data_size": 1}
        body, headers = packed({"inputs": [*tensors, tensor]}, flag)
        found = shared.post("/v2/models/kinds/infer", body, headers=headers)
        assert found.status_code == status, found.text


def test_random_edits_of_a_binary_request(shared):
    """Every edit is answered: with an answer, or with an error in JSON that blames the request."""
    rng = random.Random(20261123)  # noqa: S311 - the same edits in every run
    blobs = [np.arange(2.0).tobytes(), np.arange(2.0).tobytes(), texts("AA", "UA")]
    tensors = inputs()
    for tensor, blob in zip(tensors, blobs, strict=True):
        del tensor["data"]
        tensor["parameters"] = {"binary_data_size": len(blob)}
    body, headers = packed({"inputs": tensors}, *blobs)
    statuses = set()
    for _ in range(800):
        edited = bytearray(body)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(edited))
            match rng.randrange(4):
                case 0:
                    edited[place] = rng.randrange(256)
                case 1:
                    edited[place] ^= 1 << rng.randrange(8)
                case 2:
                    del edited[place : place + rng.randrange(1, 9)]
                case _:
                    edited[place:place] = rng.randbytes(rng.randrange(1, 9))
        length = headers["inference-header-content-length"]
        if rng.random() < 0.2:
            length = str(int(length) + rng.randint(-40, 40))
        response = shared.post(
            PATH, bytes(edited), headers={"inference-header-content-length": length}
        )
        statuses.add(response.status_code)
        if response.status_code != 200:
            assert error(response, response.status_code)
    assert statuses <= {200, 400, 422}
    assert {200, 400} <= statuses
