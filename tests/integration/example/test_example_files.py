"""Who can read the example's database, and the folder that it is in."""

import stat
from pathlib import Path

import pytest

from example_app.files import keep_database_private
from tests.integration.example_support import Example, running

OPEN_FILE, OPEN_FOLDER = 0o644, 0o755
SUFFIXES = ("", "-wal", "-shm")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_database_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "instance"
    with running("sqlite:///chat.sqlite3", folder, {"JWT_SECRET_KEY": None}) as app:
        bob = Example(app).user("bob")
        assert bob.post("/api/conversations/1/messages", {"content": "secret"}).status_code == 201
        modes = {path.name: mode(path) for path in folder.iterdir()}
    assert modes == dict.fromkeys(["chat.sqlite3", "chat.sqlite3-wal", "chat.sqlite3-shm", "jwt.key", "push.key"], 0o600)
    assert mode(folder) == 0o700


def test_a_database_from_before_becomes_its_owners_alone(tmp_path: Path) -> None:
    folder, database = tmp_path / "instance", tmp_path / "instance" / "chat.sqlite3"
    with running("sqlite:///chat.sqlite3", folder) as app:
        # With a connection open, SQLite's other files are there.
        Example(app).user("bob")
        folder.chmod(OPEN_FOLDER)
        files = [database.with_name(database.name + suffix) for suffix in SUFFIXES]
        for file in files:
            file.chmod(OPEN_FILE)
        with running("sqlite:///chat.sqlite3", folder):
            assert [mode(file) for file in files] == [0o600] * 3
            assert mode(folder) == 0o700


def test_a_folder_that_is_not_the_examples_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(OPEN_FOLDER)
    with running(f"sqlite:///{shared / 'chat.sqlite3'}", tmp_path / "instance"):
        assert mode(shared) == OPEN_FOLDER
        assert mode(shared / "chat.sqlite3") == 0o600


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///file:x?mode=memory&uri=true", "postgresql+x://host/name"]
)
def test_what_is_no_file_is_left_alone(tmp_path: Path, url: str) -> None:
    keep_database_private(url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_named_by_mistake_keeps_its_mode(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(OPEN_FOLDER)
    keep_database_private(f"sqlite:///{folder}", tmp_path / "instance")
    assert mode(folder) == OPEN_FOLDER


def test_a_database_of_another_user_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, _mode: int) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Path, "chmod", refuse)
    keep_database_private(f"sqlite:///{tmp_path / 'chat.sqlite3'}", tmp_path / "instance")
    assert "chat.sqlite3 belongs to another user" in caplog.text
