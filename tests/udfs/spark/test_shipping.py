"""The file from which Spark's executors take a bundle."""

import pytest

from foresql.udfs.spark import registration


class Session:
    """What a session is asked for when a bundle goes to its executors."""

    def __init__(self):
        self.sent = []

    def addArtifact(self, path, *, file):  # noqa: N802 - Spark's name
        assert file
        self.sent.append(path)


def test_a_bundle_appears_whole_or_not_at_all(monkeypatch, tmp_path):
    monkeypatch.setattr(registration, "_folder", lambda: tmp_path)
    session = Session()

    def torn(path, content):
        with path.open("wb") as stream:
            stream.write(content[:2])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.write_bytes", torn)
        with pytest.raises(OSError, match="No space"):
            registration.ship(session, "a.bundle", b"content")
    assert list(tmp_path.iterdir()) == []
    for _ in range(2):
        registration.ship(session, "a.bundle", b"content")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"content"]
    assert session.sent == [str(tmp_path / "a.bundle")] * 2
