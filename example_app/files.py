"""File permissions: only the owner can read the database, which holds people's messages, and its folder."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import make_url

OWNER_READS_AND_WRITES = 0o600
OWNER_ENTERS = 0o700

# SQLite gives them the mode of the database, but may have created them before that was corrected.
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")

logger = logging.getLogger(__name__)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, or restrict an existing one."""
    folder.mkdir(mode=OWNER_ENTERS, parents=True, exist_ok=True)
    _restrict(folder, OWNER_ENTERS)


def keep_database_private(database_url: str, instance_folder: Path) -> None:
    """Restrict an SQLite database to its owner, whether it is new or not.

    Args:
        database_url: The database's URL. Anything but an SQLite file is left alone.
        instance_folder: The application's own folder, which relative paths start from. Other folders keep their modes: others
            may use them too.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or url.database in {None, "", ":memory:"} or "uri" in url.query:
        return
    path = instance_folder / str(url.database)
    if path.is_relative_to(instance_folder):
        make_private_folder(instance_folder)
    if not path.exists():
        # Created here: SQLite would create it readable by everyone until its mode is changed.
        path.touch(OWNER_READS_AND_WRITES)
    for file in (path.with_name(path.name + suffix) for suffix in SQLITE_SUFFIXES):
        # A folder or device named in DATABASE_URL by mistake keeps its mode; SQLite refuses it.
        if file.is_file():
            _restrict(file, OWNER_READS_AND_WRITES)


def _restrict(path: Path, mode: int) -> None:
    try:
        path.chmod(mode)
    except PermissionError:
        # Another user's file: starting matters more, and its owner chose the mode.
        logger.warning("%s belongs to another user, who decides who can read it", path)
