"""Whole workers over Avro and Protobuf: what a batch gives, and dead letters."""

import json
from io import BytesIO

import fastavro
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field
from kafka_mock import PARTITIONS, kafka_mock
from nats_server import nats_server
from worked_flights import flight

COUNT = 300
FRAME = b"\0" + (7).to_bytes(4, "big")
"""What Confluent's writers put before a payload of schema 7."""
AVRO = {
    "type": "record",
    "name": "Flight",
    "fields": [
        {"name": "flight_id", "type": "long"},
        {"name": "distance", "type": ["null", "double"]},
        {"name": "carrier", "type": "string"},
    ],
}
PROTOBUF = descriptor_pb2.FileDescriptorProto(
    name="flight.proto",
    package="shop",
    syntax="proto3",
    message_type=[
        descriptor_pb2.DescriptorProto(
            name="Flight",
            field=[
                Field(name="flight_id", number=1, type=Field.TYPE_INT64, label=1),
                Field(
                    name="distance",
                    number=2,
                    type=Field.TYPE_DOUBLE,
                    label=1,
                    proto3_optional=True,
                    oneof_index=0,
                ),
                Field(name="carrier", number=3, type=Field.TYPE_STRING, label=1),
            ],
            oneof_decl=[{"name": "_distance"}],
        )
    ],
)


@pytest.fixture
def avro_payloads(flights):
    (flights.folder / "flight.avsc").write_text(json.dumps(AVRO))
    schema = fastavro.parse_schema(AVRO)

    def written(number):
        stream = BytesIO()
        fastavro.schemaless_writer(stream, schema, flight(number))
        return FRAME + stream.getvalue()

    return [written(number) for number in range(COUNT)]


@pytest.fixture
def protobuf_payloads(flights):
    made = descriptor_pb2.FileDescriptorSet(file=[PROTOBUF])
    (flights.folder / "flight.desc").write_bytes(made.SerializeToString())
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(PROTOBUF.SerializeToString())
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Flight"))
    return [message(**flight(number)).SerializeToString() for number in range(COUNT)]


def check(flights, payloads, totals):
    """Hold the predictions against the batch over the same flights; one event was cut off."""
    assert totals.events.total() == COUNT + 1
    assert flights.predicted() == flights.expected(range(COUNT))
    [(_, step, reason, payload)] = flights.dead()
    assert (step, payload) == ("decode", payloads[5][:-1])
    assert reason


def test_avro_of_a_topic_with_confluents_numbers(flights, avro_payloads):
    events = 'format = "avro"\nschema = "flight.avsc"\nframing = "confluent"\n'
    events += 'writers = { 7 = "flight.avsc" }'
    with kafka_mock() as broker:
        definition = flights.define(
            broker.url, stream="flights", source="lease = '6 s'", events=events
        )
        sent = [*avro_payloads, avro_payloads[5][:-1]]
        broker.publish("flights", ((n % PARTITIONS, each) for n, each in enumerate(sent)))
        check(flights, avro_payloads, flights.work(definition))


def test_protobuf_of_a_stream(flights, protobuf_payloads):
    events = 'format = "protobuf"\nschema = "flight.desc"\nmessage = "shop.Flight"'
    with nats_server() as server:
        server.make_stream("FLIGHTS", ["f"])
        definition = flights.define(server.url, stream="FLIGHTS", events=events)
        server.publish(("f", each) for each in [*protobuf_payloads, protobuf_payloads[5][:-1]])
        check(flights, protobuf_payloads, flights.work(definition))
