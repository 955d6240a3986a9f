"""Opening what is not, or no longer, or not yet a project; and bringing old ones up to date."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from core.errors import StoreError
from core.store import Project, database, schema
from core.store.tables import APPLICATION_ID, metadata


def a_project(folder: Path) -> Path:
    with Project.create(folder / "p") as project:
        project.add_normal(b"photo", "png", "a.png", 1, 1, True)
    return folder / "p"


def nothing(folder: Path) -> Path:
    return folder / "absent"


def empty_folder(folder: Path) -> Path:
    return folder


def a_file(folder: Path) -> Path:
    (folder / "f").write_bytes(b"x")
    return folder / "f"


def text_for_database(folder: Path) -> Path:
    (folder / "project.db").write_text("this is not a database, " * 100)
    return folder


def empty_database(folder: Path) -> Path:
    (folder / "project.db").write_bytes(b"")
    return folder


def foreign_database(folder: Path) -> Path:
    with closing(sqlite3.connect(folder / "project.db")) as db:
        db.execute("CREATE TABLE invoices (id)")
        db.commit()
    return folder


def cut_database(folder: Path) -> Path:
    path = a_project(folder)
    data = (path / "project.db").read_bytes()
    (path / "project.db").write_bytes(data[:6000])
    return path


def scribbled_database(folder: Path) -> Path:
    path = a_project(folder)
    with open(path / "project.db", "r+b") as file:
        for page in range(1, path.joinpath("project.db").stat().st_size // 4096):
            file.seek(page * 4096)
            file.write(b"\xff" * 512)
    return path


def without_version(folder: Path) -> Path:
    path = a_project(folder)
    with closing(sqlite3.connect(path / "project.db")) as db:
        db.execute("DELETE FROM alembic_version")
        db.commit()
    return path


def from_the_future(folder: Path) -> Path:
    path = a_project(folder)
    with closing(sqlite3.connect(path / "project.db")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
        db.commit()
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (nothing, "there is no such folder"),
        (empty_folder, "no project.db in it"),
        (a_file, "no project.db in it"),
        (text_for_database, "damaged"),
        (empty_database, "belongs to another program"),
        (foreign_database, "belongs to another program"),
        (cut_database, "damaged"),
        (scribbled_database, "damaged"),
        (without_version, "has no version"),
        (from_the_future, "newer Flawsmith .*9999.*update"),
    ],
)
def test_opening_it_says_why_not(tmp_path, make, says):
    path = make(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    with pytest.raises(StoreError) as caught, Project.open(path) as project:
        project.normals()
    assert re.search(says, str(caught.value)) and "\n" not in str(caught.value) and str(path) in str(caught.value)
    assert {p: p.read_bytes() for p in before} == before


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (a_project, "exists already"),
        (a_file, "a file has this name"),
        (foreign_database, "exists already"),
        (lambda folder: a_file(folder).parent, "new or empty folder, it holds 'f'"),
    ],
)
def test_creating_it_says_why_not(tmp_path, make, says):
    with pytest.raises(StoreError, match=says):
        Project.create(make(tmp_path))


def test_a_creation_that_was_killed_can_be_done_again(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / ".tmp-1234.db").write_bytes(b"half")
    with Project.create(tmp_path) as project:
        assert project.normals() == []


def test_a_locked_project_says_so_and_works_again_afterwards(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    path = a_project(tmp_path)
    with Project.open(path) as project, closing(sqlite3.connect(path / "project.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program has been writing"):
            project.set_setting("a", 1)
        assert project.count_normals() == 1
        other.execute("ROLLBACK")
        project.set_setting("a", 1)
        assert project.get_setting("a") == 1


def test_a_full_disk_loses_nothing(tmp_path):
    with Project.create(tmp_path / "p") as project:
        row = project.add_normal(b"photo", "png", "a.png", 1, 1, True)
        with project.transaction() as _, project._db.write() as db:
            pages = db.exec_driver_sql("PRAGMA page_count").scalar_one()
            db.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="disk is full"):
            project.set_setting("big", "x" * 10**6)
        assert project.normals() == [row] and project.get_setting("big") is None


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_a_folder_that_may_not_be_written_is_read_and_says_so():
    """As root every folder is writable, so a child process drops its rights first."""
    child = textwrap.dedent(
        """
        import os, sys
        from pathlib import Path
        from core.errors import StoreError
        from core.store import Project
        if os.getuid() == 0:
            os.setgid(65534), os.setuid(65534)
        for act, name in ((Project.open, "p"), (Project.create, "new")):
            try:
                with act(Path(sys.argv[1]) / name) as project:
                    print(len(project.normals()), project.only_read)
                    project.set_setting("a", 1)
            except StoreError as error:
                print(error)
        """
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a_project(folder)
        for path in [*folder.rglob("*"), folder]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = subprocess.run([sys.executable, "-c", child, name], capture_output=True, text=True, check=False)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout + done.stderr
    assert lines[0].endswith(" True")
    assert "opened for reading, as its folder cannot be written" in lines[1]
    assert "cannot be written; check its permissions" in lines[2]
    assert done.stderr.count("opened for reading") == 1


def schema_of(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT type, name, tbl_name FROM sqlite_master ORDER BY 1, 2").fetchall()
        lines = [" ".join(row) for row in rows if row[1] != "alembic_version"]
        for table in (row[1] for row in rows if row[0] == "table"):
            for pragma in ("table_xinfo", "foreign_key_list", "index_list"):
                lines += sorted(f"{table} {pragma} {r[1:]}" for r in db.execute(f"PRAGMA {pragma}({table})"))
            names = [r[1] for r in db.execute(f"PRAGMA index_list({table})")]
            lines += [f"{n} {r}" for n in sorted(names) for r in db.execute(f"PRAGMA index_xinfo({n})")]
        return lines


def as_before_the_first_migration(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.commit()


def test_the_migrations_give_the_same_tables_as_a_new_project(tmp_path):
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    schema.create(tmp_path / "new.db", "new")
    as_before_the_first_migration(tmp_path / "migrated.db")
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.NEWEST_REVISION]
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        schema._upgrade(config, tmp_path / "migrated.db", schema.NEWEST_REVISION)
    engine.dispose()
    assert schema_of(tmp_path / "migrated.db") == schema_of(tmp_path / "new.db")
    assert {t.name for t in metadata.sorted_tables} <= {line.split()[1] for line in schema_of(tmp_path / "new.db")}


def test_old_verdicts_learn_who_gave_them(tmp_path):
    from alembic.config import Config

    path, config = tmp_path / "old.db", Config()
    as_before_the_first_migration(path)
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    engine = create_engine(f"sqlite:///{path}")
    said = [
        ("new", ""), ("kept", "passed the rules"), ("kept", ""), ("rejected", "hard seam (9.1 times the photo's own)"),
        ("rejected", "too soft (ask Ada)"), ("kept", "best of its look-alikes"), ("rejected", "not among the best"),
    ]  # fmt: skip
    with engine.begin() as db:
        config.attributes["connection"] = db
        schema._upgrade(config, path, "0002")
        sql = db.exec_driver_sql
        sql("INSERT INTO normals VALUES (1, 'n', 'a.png', 1, 1, 0, '[]', 'f', 0)")
        sql("INSERT INTO verdict_batches VALUES (1, 0, 0)")
        for number, (verdict, reason) in enumerate(said):
            row = (number, str(number), "n", "a", "structural", "e", verdict, reason, 0, "{}", "i", "m", "[]", 0)
            columns = (
                "number, id, normal_id, label, kind, engine, verdict, reason, seed, scores, image, mask, instances"
            )
            sql(f"INSERT INTO samples ({columns}, created) VALUES ({', '.join('?' * len(row))})", row)
            sql("INSERT INTO verdict_changes VALUES (1, ?, 'new', '', ?, ?)", (number, verdict, reason))
        schema._upgrade(config, path, schema.NEWEST_REVISION)
        found = sql("SELECT verdict_by, verdict_name FROM samples ORDER BY number").fetchall()
        changes = sql("SELECT old_verdict_by, new_verdict_by FROM verdict_changes ORDER BY sample").fetchall()
    engine.dispose()
    who = ["", "rule", "person", "rule", "person", "person", "rule"]
    assert found == [(one, "") for one in who] and changes == [("", one) for one in who]


NEXT = """
import sqlalchemy as sa
from alembic import op
revision = "9999"
down_revision = "{head}"
def upgrade():
    with op.batch_alter_table("normals", recreate="always") as table:
        table.add_column(sa.Column("camera", sa.Text, nullable=False, server_default="left"))
    {then}
"""


def with_next_migration(folder: Path, then: str = "pass") -> Path:
    migrations = folder / "migrations"
    shutil.copytree(schema.MIGRATIONS, migrations, ignore=shutil.ignore_patterns("__pycache__"))
    (migrations / "versions" / "9999_next.py").write_text(NEXT.format(head=schema.NEWEST_REVISION, then=then))
    return migrations


def test_an_old_project_is_copied_then_brought_up_to_date(tmp_path):
    path = a_project(tmp_path)
    with Project.open(path) as project:
        photo = project.normals()[0].id
        project.set_region(photo, "nut", b"mask")
    migrations = with_next_migration(tmp_path)
    backup = schema.bring_up_to_date(path / "project.db", migrations, "9999")
    assert backup is not None and backup.name == f"project.db.backup-{schema.NEWEST_REVISION}"
    with closing(sqlite3.connect(path / "project.db")) as db:
        assert db.execute("SELECT id, camera FROM normals").fetchall() == [(photo, "left")]
        assert db.execute("SELECT name FROM regions").fetchall() == [("nut",)]  # rebuilt tables keep their children
        assert db.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    with closing(sqlite3.connect(backup)) as db:
        assert db.execute("SELECT id FROM normals").fetchall() == [(photo,)]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert schema.bring_up_to_date(path / "project.db", migrations, "9999") is None


@pytest.mark.parametrize(
    "then",
    [
        'op.execute("DELETE FROM normals")',  # leaves a region without its photo
        'raise __import__("alembic.util").util.CommandError("no way")',
    ],
)
def test_a_migration_that_fails_leaves_the_project_as_it_was(tmp_path, then):
    path = a_project(tmp_path)
    with Project.open(path) as project:
        project.set_region(project.normals()[0].id, "nut", b"mask")
    before = schema_of(path / "project.db")
    with pytest.raises(StoreError, match="could not be brought up to date"):
        schema.bring_up_to_date(path / "project.db", with_next_migration(tmp_path, then), "9999")
    assert schema_of(path / "project.db") == before
    with Project.open(path) as project:
        assert project.count_normals() == 1 and project.region_names() == {"nut": 1}


def test_a_current_project_opens_without_alembic(tmp_path):
    path = a_project(tmp_path)
    code = "import sys, core.store as s; s.Project.open(sys.argv[1]).close(); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
