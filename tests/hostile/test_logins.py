"""Passwords are stored as hashes, and wrong ones are slow to try and leave a line in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from app.server import logins
from app.server.accounts import read_accounts
from app.server.logins import LONGEST_WAIT_S, Logins, TooManyTries, Waits
from app.server.passwords import hashed, matches
from core.errors import InputError

T = TypeVar("T")
STORED = hashed("anna-anna")


def finished(work: Coroutine[Any, Any, T]) -> T:
    """What ``work`` returns, in a thread of its own: a browser test in the same process keeps a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def annas_password() -> dict[str, str]:
    return {"anna": STORED}


class Clock:
    """A clock that a test turns on."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_hash_knows_its_password_and_no_other() -> None:
    stored = hashed("correct horse")
    assert "correct" not in stored
    assert stored != hashed("correct horse")
    assert matches("correct horse", stored)
    assert not matches("correct horsf", stored)
    assert not matches("correct horse", "correct horse")


def test_a_short_password_is_refused() -> None:
    with pytest.raises(InputError, match="at least 8"):
        hashed("1234567")


def test_the_file_holds_hashes_alone(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"# team\nanna:{hashed('anna-anna')}\n\n")
    assert list(read_accounts(file)) == ["anna"]
    file.write_text("anna:secret-word\n")
    with pytest.raises(InputError, match="not hashed; run: launch.py users hash") as told:
        read_accounts(file)
    assert "secret-word" not in str(told.value)


@pytest.mark.parametrize("text", ["", "anna\n", "a b:x\n", ":x\n"])
def test_a_broken_file_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "users"
    file.write_text(text)
    with pytest.raises(InputError, match="users"):
        read_accounts(file)


def test_waits_grow_and_are_forgotten() -> None:
    clock = Clock()
    waits, seen = Waits(clock), []
    for _ in range(14):
        waits.wrong("anna", "1.2.3.4")
        seen.append(waits.left("anna", "1.2.3.4"))
        clock.now += seen[-1]
    assert seen[:6] == [0, 0, 1, 2, 4, 8]
    assert seen[-1] == LONGEST_WAIT_S["address"]
    assert waits.left("bert", "5.6.7.8") == 0
    clock.now += 2 * 3600
    waits.wrong("anna", "1.2.3.4")
    assert waits.left("anna", "1.2.3.4") == 0


def test_an_address_waits_whatever_user_it_tries_and_a_user_whatever_address() -> None:
    waits = Waits(Clock())
    for number in range(9):
        waits.wrong(f"user{number}", "1.2.3.4")
        waits.wrong("anna", f"10.0.0.{number}")
    assert waits.left("nobody", "1.2.3.4") > 30
    assert 30 < waits.left("anna", "9.9.9.9") <= LONGEST_WAIT_S["user"]


def test_two_hundred_wrong_passwords_are_mostly_not_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    asked = Logins(annas_password, Waits(clock))
    looked = 0

    async def attack() -> None:
        nonlocal looked
        for number in range(200):
            try:
                assert not await asked.check("anna", f"guess {number}")
                looked += 1
            except TooManyTries:
                clock.now += 0.01

    with caplog.at_level(logging.WARNING, logins.__name__):
        finished(attack())
    assert looked <= 5
    assert len(caplog.records) == 200
    clock.now += 3600
    assert finished(asked.check("anna", "anna-anna"))


def test_many_tries_at_once_are_many_tries() -> None:
    asked = Logins(annas_password, Waits(Clock()))

    async def attack() -> list[object]:
        return await asyncio.gather(*(asked.check("anna", "guess") for _ in range(20)), return_exceptions=True)

    answers = finished(attack())
    assert sum(isinstance(a, TooManyTries) for a in answers) >= 16
