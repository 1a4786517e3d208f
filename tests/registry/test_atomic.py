import errno
import os
import stat

import pytest

from foresql.errors import RegistryError
from foresql.registry.atomic import (
    TEMPORARY_PREFIX,
    make_folder,
    publish_file,
    remove_temporaries,
    restore_file,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_with(number):
    def fail(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return fail


def test_publish(tmp_path):
    publish_file(tmp_path / "a", b"one")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


def test_a_taken_name_stays_as_it_is(tmp_path):
    publish_file(tmp_path / "a", b"one")
    with pytest.raises(FileExistsError):
        publish_file(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"one"
    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="Windows cannot unlink read-only files")
def test_a_published_file_is_read_only_and_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        publish_file(tmp_path / "a", b"one")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o440


@pytest.mark.skipif(os.name == "nt", reason="Windows syncs folders by itself")
def test_the_file_is_on_disk_before_it_has_its_name_and_the_folder_after(tmp_path, monkeypatch):
    calls = []

    def sync(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        calls.append("sync folder" if is_folder else "sync file")

    def link(source, target):
        calls.append("link")
        real_link(source, target)

    real_link = os.link
    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    publish_file(tmp_path / "a", b"one")
    assert calls == ["sync file", "link", "sync folder"]
    with pytest.raises(FileExistsError):
        publish_file(tmp_path / "a", b"two")
    assert calls[3:] == ["sync file", "link", "sync folder"]  # the winner's file is on disk, too


def test_a_link_whose_answer_was_lost_was_made(tmp_path, monkeypatch):
    def link(source, target):
        real_link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    real_link = os.link
    monkeypatch.setattr(os, "link", link)
    publish_file(tmp_path / "a", b"one")
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_links_is_refused(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "link", fail_with(number))
    with pytest.raises(RegistryError, match=rf"{tmp_path}.*without hard links"):
        publish_file(tmp_path / "a", b"one")
    assert names(tmp_path) == []


@pytest.mark.parametrize("call", ["open", "fsync", "link"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, call):
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail_with(errno.ENOSPC))
        with pytest.raises(RegistryError, match="a cannot be written: No space left"):
            publish_file(tmp_path / "a", b"one")
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_synced_is_no_reason_to_fail(tmp_path, monkeypatch):
    def sync(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            fail_with(errno.EINVAL)()

    monkeypatch.setattr(os, "fsync", sync)
    publish_file(tmp_path / "a", b"one")
    assert names(tmp_path) == ["a"]


def test_restore(tmp_path):
    publish_file(tmp_path / "a", b"one")
    before = (tmp_path / "a").stat()
    restore_file(tmp_path / "a", b"one")
    assert (tmp_path / "a").stat().st_ino == before.st_ino
    restore_file(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert names(tmp_path) == ["a"]


def test_make_folder(tmp_path):
    assert make_folder(tmp_path, "a", "b") == tmp_path / "a/b"
    assert make_folder(tmp_path, "a", "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(RegistryError, match="file cannot be written: a file has its place"):
        make_folder(tmp_path, "file", "b")


def test_temporary_files_are_removed_when_they_are_old(tmp_path):
    publish_file(tmp_path / "a", b"one")
    old, new = (tmp_path / f"{TEMPORARY_PREFIX}{age}" for age in ("old", "new"))
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    assert remove_temporaries(tmp_path, 3600) == (old,)
    assert names(tmp_path) == [new.name, "a"]
