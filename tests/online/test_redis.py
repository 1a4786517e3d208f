"""What only Redis can do: expire, evict, ask for a password, be gone."""

import json
import logging
import socket
import socketserver
import ssl
import threading

import duckdb
import pytest
from certificates import certificate
from redis_server import redis_server

from foresql.errors import FeatureError
from foresql.online import Wanted, materialize, open_online, redis_target
from foresql.online.redis_server import read_address

ONE = "SELECT i AS id, i * 1.5::DOUBLE AS x FROM range(3000) t(i)"
TWO = "SELECT i AS id, i * 2.5::DOUBLE AS x FROM range(3000) t(i)"
KEYS = [(i,) for i in (*range(2500), 9999)]


def client_of(store):
    return store._client


def test_what_was_replaced_expires_after_a_grace(redis_shop):
    first = redis_shop.materialize("v", "id", query=ONE)
    with redis_shop.open() as store:
        client = client_of(store)
        assert client.ttl(first.place) == -1
        second = redis_shop.materialize("v", "id", query=TWO)
        assert 0 < client.ttl(first.place) <= redis_target.GRACE
        assert client.ttl(second.place) == -1
        # Not refreshed: the old snapshot answers as long as it is there, and then the new one.
        assert store.views["v"].get([(2,)]) == [(2, 3.0)]
        client.delete(first.place)
        found = store.views["v"].get(KEYS)
        assert found == [*((i, i * 2.5) for i in range(2500)), None]
        assert store.views["v"].manifest == second


def test_a_snapshot_that_was_evicted_is_no_missing_entity(redis_shop):
    manifest = redis_shop.materialize("v", "id", query=ONE, missing="null")
    with redis_shop.open() as store:
        client_of(store).delete(manifest.place)
        with pytest.raises(FeatureError, match="was it evicted, or the database flushed"):
            store.views["v"].get([(1,)])
        redis_shop.materialize("v", "id", query=TWO)
        assert store.views["v"].get([(1,)]) == [(1, 2.5)]


def test_a_snapshot_that_lost_rows_is_refused(redis_shop):
    manifest = redis_shop.materialize("v", "id", query=ONE)
    with redis_shop.open() as store:
        client_of(store).hdel(manifest.place, "k7")
    with redis_shop.open() as store:
        assert store.views == {}
        assert "has 2,999 rows, and was written with 3,000" in store.problems["v"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", "is no manifest"),
        (b"{}", "another format"),
        ({"place": "foresql:other:1"}, "is the manifest of something else"),
        ({"view": "w"}, "is the manifest of something else"),
    ],
)
def test_manifests_that_lie(redis_shop, content, message):
    redis_shop.materialize("v", "id", query=ONE)
    with redis_shop.open() as store:
        client, views = client_of(store), store._address.views
        if isinstance(content, dict):
            content = json.dumps(json.loads(client.hget(views, "v")) | content)
        client.hset(views, "v", content)
        store.refresh()
        assert message in store.problems["v"]
        assert store.views["v"].get([(2,)]) == [(2, 3.0)]
        redis_shop.materialize("v", "id", query=TWO)
        store.refresh()
        assert store.problems == {}


def test_a_row_that_is_none_is_an_error(redis_shop):
    manifest = redis_shop.materialize("v", "id", query=ONE)
    with redis_shop.open() as store:
        client_of(store).hset(manifest.place, "k7", b"short")
        with pytest.raises(FeatureError, match="not those of its columns"):
            store.views["v"].get([(7,)])


def test_another_value_in_the_place_of_the_views(redis_shop):
    with redis_shop.open() as store:
        client_of(store).set(store._address.views, "text")
        with pytest.raises(FeatureError, match="WRONGTYPE"):
            redis_shop.open()


def test_a_writer_that_failed_leaves_what_expires(redis_shop, monkeypatch):
    """As one that is killed before the switch does, where nobody can clean up after it."""
    redis_shop.materialize("v", "id", query=ONE)

    def fail(*_):
        raise SystemExit

    monkeypatch.setattr(redis_target.RedisTarget, "_switch", fail)
    with redis_shop.open() as store:
        client = client_of(store)
        monkeypatch.setattr(type(client), "unlink", fail)
        with pytest.raises(SystemExit):
            redis_shop.materialize("v", "id", query=TWO)
        keys = client.keys(f"{store._address.prefix}:v:*")
        assert sorted(client.ttl(key) > 0 for key in keys) == [False, True]
        store.refresh()
        assert store.views["v"].get([(2,)]) == [(2, 3.0)]


class _Forgetful(socketserver.StreamRequestHandler):
    """Passes on what a client says to Redis, and loses the answer to the first switch."""

    def handle(self):
        with socket.create_connection(("127.0.0.1", self.server.redis_port)) as redis:
            while asked := self.connection.recv(2**20):
                redis.sendall(asked)
                answer = redis.recv(2**20)
                if b"PERSIST" in asked and not self.server.lost:
                    self.server.lost.append(answer)
                    return
                self.connection.sendall(answer)


def test_a_switch_whose_answer_was_lost(redis_shop):
    """The client asks again, and finds its own snapshot: it is no older one that may expire."""
    first = redis_shop.materialize("v", "id", query="SELECT 1 AS id")
    address = read_address(redis_shop.into)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Forgetful) as server:
        server.redis_port, server.lost = address.port, []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"redis://127.0.0.1:{server.server_address[1]}/0?prefix={address.prefix}"
        query = "SELECT 1 AS id, 2 AS x"
        [done] = materialize([Wanted(name="v", keys=("id",), query=query)], url)
        server.shutdown()
        thread.join()
    assert done.problem is None
    assert server.lost
    with redis_shop.open() as store:
        assert store.views["v"].get([(1,)]) == [(1, 2)]
        assert client_of(store).ttl(done.manifest.place) == -1
        assert client_of(store).ttl(first.place) > 0


def test_an_interrupt_behind_the_switch(redis_shop, monkeypatch):
    """Readers were switched to the snapshot, so that it stays."""
    switch = redis_target.RedisTarget._switch

    def interrupted(target, manifest):
        switch(target, manifest)
        raise KeyboardInterrupt

    monkeypatch.setattr(redis_target.RedisTarget, "_switch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        redis_shop.materialize("v", "id", query=ONE)
    with redis_shop.open() as store:
        assert store.views["v"].get([(2,)]) == [(2, 3.0)]


def test_a_slow_writer_puts_nothing_older_over_what_is_newer(redis_shop, tmp_path):
    """There is no lock in Redis: another run may read later, and be done before."""
    source = tmp_path / "source.parquet"
    query = f"SELECT * FROM '{source}'"

    def write(x):
        duckdb.sql(f"SELECT 1 AS id, {x} AS x").write_parquet(str(source))

    def overtaken(*_):
        write(2)
        [done] = materialize(wanted, redis_shop.into)
        assert done.problem is None

    def places():
        with redis_shop.open() as store:
            return {*client_of(store).keys("*:v:*")}

    wanted = [Wanted(name="v", keys=("id",), query=query)]
    for there in (False, True):
        before = places()
        write(1)
        if there:
            redis_shop.materialize("v", "id", query=query)
        [done] = materialize(wanted, redis_shop.into, progress=overtaken)
        assert "Another run has put a newer snapshot of v in place" in done.problem
        with redis_shop.open() as store:
            assert store.views["v"].get([(1,)]) == [(1, 2)]
            lives = [client_of(store).ttl(place) for place in places() - before]
            assert max(lives) <= redis_target.GRACE, "a refused snapshot does not stay for long"
    # The one that was overtaken is not refused when it reads again.
    redis_shop.materialize("v", "id", query=query)


class _Encrypted(_Forgetful):
    """Passes on what a client says by TLS."""

    def setup(self):
        self.server.lost = [b""]
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self):
        super().finish()
        self.request.close()


class _Quiet(socketserver.ThreadingTCPServer):
    def handle_error(self, *_):
        """A client that does not trust it ends the connection."""


def test_tls_proves_whose_the_server_is(redis_shop, tmp_path, monkeypatch):
    (authority, _, _), signer = certificate(tmp_path, "authority")
    (pem, key, _), _ = certificate(tmp_path, "localhost", signer)
    redis_shop.materialize("v", "id", query=ONE)
    address = read_address(redis_shop.into)
    with _Quiet(("127.0.0.1", 0), _Encrypted) as server:
        server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.tls.load_cert_chain(pem, key)
        server.redis_port = address.port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"rediss://{{}}:{server.server_address[1]}/0?prefix={address.prefix}"
        try:
            with pytest.raises(FeatureError, match="certificate verify failed"):
                open_online(url.format("localhost"))
            monkeypatch.setenv("SSL_CERT_FILE", str(authority))
            with open_online(url.format("localhost")) as store:
                assert store.views["v"].get([(2,)]) == [(2, 3.0)]
            with pytest.raises(FeatureError, match="IP address mismatch"):
                open_online(url.format("127.0.0.1"))
        finally:
            server.shutdown()
            thread.join()


def test_two_writers_and_the_last_one_stays(redis_shop):
    """The switch compares with what is there: each snapshot that lost is let go."""
    places = [redis_shop.materialize("v", "id", query=query).place for query in (ONE, TWO, ONE)]
    with redis_shop.open() as store:
        ttls = [client_of(store).ttl(place) for place in places]
        assert [ttl > 0 for ttl in ttls] == [True, True, False]


def test_a_server_that_is_full():
    """Nothing is evicted for the new snapshot: it is refused, and the old one stays."""
    with redis_server("--maxmemory", "3mb", "--maxmemory-policy", "noeviction") as server:
        small = Wanted(name="v", keys=("id",), query=ONE)
        large = Wanted(
            name="v",
            keys=("id",),
            query="SELECT i AS id, repeat(i::VARCHAR, 50) AS x FROM range(40000) t(i)",
        )
        assert materialize([small], server.url())[0].problem is None
        problem = materialize([large], server.url())[0].problem
        assert "used memory > 'maxmemory'" in problem
        assert "HSET" not in problem
        with open_online(server.url()) as store:
            assert store.views["v"].get([(2,)]) == [(2, 3.0)]


def test_a_password_comes_from_the_environment_and_is_never_said(monkeypatch, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    with redis_server("--requirepass", "s3cr3t") as server:
        wanted = [Wanted(name="v", keys=("id",), query=ONE)]
        for password in (None, "wr0ng"):
            if password:
                monkeypatch.setenv("FORESQL_REDIS_PASSWORD", password)
            for act in (
                lambda: materialize(wanted, server.url()),
                lambda: open_online(server.url()),
            ):
                with pytest.raises(FeatureError, match="FORESQL_REDIS_PASSWORD") as caught:
                    act()
                assert "wr0ng" not in str(caught.value)
        monkeypatch.setenv("FORESQL_REDIS_PASSWORD", "s3cr3t")
        assert materialize(wanted, server.url())[0].problem is None
        with open_online(server.url()) as store:
            assert store.views["v"].get([(2,)]) == [(2, 3.0)]
            assert "s3cr3t" not in repr(store) + store.location
        with_password = server.url().replace("127", ":s3cr3t@127")
        with pytest.raises(FeatureError, match="leave it out") as caught:
            open_online(with_password)
        assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in caplog.text + "".join(capfd.readouterr())


def test_a_server_that_goes_is_an_error_and_one_that_comes_is_used():
    with redis_server() as server:
        materialize([Wanted(name="v", keys=("id",), query=ONE)], server.url())
        with open_online(server.url()) as store:
            server.kill()
            with pytest.raises(FeatureError, match="Reading redis://127"):
                store.views["v"].get([(1,)])
            with pytest.raises(FeatureError, match="Reading redis://127"):
                store.refresh()
        with pytest.raises(FeatureError, match="Connecting to redis://127"):
            materialize([Wanted(name="v", keys=("id",), query=ONE)], server.url())


@pytest.mark.parametrize(
    "location",
    [
        "redis://",
        "redis:///0",
        "redis://host:port/0",
        "redis://host:99999/0",
        "redis://host/a",
        "redis://host/0/1",
        "redis://host/0?password=x",
        "redis://host/0?prefix=a:b",
        "redis://host/0?prefix=",
        "redis://user@host/0",
        "redis://user:pass@host/0",
        "redis://[::1/0",
    ],
)
def test_addresses_that_are_none(location):
    with pytest.raises(FeatureError, match="The address of Redis") as caught:
        read_address(location)
    assert "pass@" not in str(caught.value)


def test_addresses():
    assert read_address("redis://host").title == "redis://host:6379/0?prefix=foresql"
    found = read_address("rediss://[::1]:7000/3?prefix=shop")
    assert found.title == "rediss://[::1]:7000/3?prefix=shop"
    assert (found.host, found.is_encrypted) == ("::1", True)


def test_a_lookup_is_one_question(redis_shop):
    redis_shop.materialize("v", "id", query=ONE)
    with redis_shop.open() as store:
        before = client_of(store).info("stats")["total_commands_processed"]
        store.views["v"].get(KEYS[:500])
        after = client_of(store).info("stats")["total_commands_processed"]
    assert after - before == 2  # with the second INFO


def test_both_places_answer_alike(redis_shop, tmp_path):
    """Ten thousand rows of many types, by keys that are there and that are not."""
    query = (
        "SELECT 'k' || hash(i) AS a, (i % 7)::TINYINT AS b, sin(i) AS x, cos(i)::FLOAT AS y, "
        "(i * 7 % 1000)::DECIMAL(12,3) AS z, CASE WHEN i % 3 = 0 THEN repeat('é', i % 11) END AS s,"
        "DATE '2000-01-01' + i::INTEGER AS d, i % 2 = 0 AS e, "
        "TIMESTAMP '2000-01-01' + to_microseconds(i * 977) AS t FROM range(10000) t(i)"
    )
    wanted = [Wanted(name="v", keys=("a", "b"), query=query)]
    folder = str(tmp_path / "online")
    for into in (folder, redis_shop.into):
        assert materialize(wanted, into)[0].problem is None
    rows = duckdb.sql(query).fetchall()
    keys = [row[:2] for row in rows] + [(row[0], row[1] + 1) for row in rows]
    with open_online(folder) as one, redis_shop.open() as other:
        found = one.views["v"].get(keys)
        assert found == other.views["v"].get(keys)
        assert found == rows + [None] * len(rows)
