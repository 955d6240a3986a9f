"""Where the app listens and who may log in: refused in one line, and passwords hashed."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli import run
from app.server.access import Access, checked_port, free_port
from core.errors import InputError


def test_a_port_in_use_and_an_unknown_host_are_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"--port {port}: another program listens there"):
            checked_port("127.0.0.1", port)
    with pytest.raises(InputError, match="no such address"):
        free_port("no.such.host.invalid")


def test_the_network_needs_a_login_or_a_word() -> None:
    with pytest.raises(InputError, match="--auth FILE"):
        Access("0.0.0.0")
    assert Access("0.0.0.0", without_login=True).host == "0.0.0.0"
    assert Access("::1").auth is None


def test_users_are_kept_hashed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "users"
    answers: Callable[[], str] = iter(["anna-anna\n", "short\n"]).__next__
    monkeypatch.setattr("sys.stdin", type("Given", (), {"isatty": lambda s: False, "readline": lambda s: answers()})())
    assert run(["users", "add", str(file), "anna"]) == 0
    assert run(["users", "add", str(file), "bert"]) == 2
    assert "anna-anna" not in file.read_text()
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert run(["users", "list", str(file)]) == 0
    assert capsys.readouterr().out.endswith("anna: admin, all projects\n")
    file.write_text("carl:plain-text\nanna:also-plain\n")
    assert run(["users", "hash", str(file)]) == 0
    assert "plain-text" not in file.read_text()
    assert run(["users", "remove", str(file), "anna"]) == 0
    assert run(["users", "list", str(file)]) == 0
    assert capsys.readouterr().out.endswith("carl: admin, all projects\n")
