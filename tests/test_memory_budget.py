"""One budget over all caches: the least recently used goes first, wherever it lies."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import pytest

from core import memory_budget
from core.errors import InputError
from core.memory_budget import MemoryBudget, WarmCache, default_limit, image_key


def cache(budget: MemoryBudget, most: int | None = None) -> WarmCache[str, bytes]:
    return WarmCache(len, most, budget)


def test_a_value_is_built_once() -> None:
    one, calls = cache(MemoryBudget(10)), []
    for _ in range(3):
        assert one.get("a", lambda: calls.append(1) or b"abc") == b"abc"
    assert calls == [1] and "a" in one and len(one) == 1


def test_the_least_recently_used_of_all_goes_first() -> None:
    budget = MemoryBudget(10)
    photos, models = cache(budget), cache(budget)
    photos.put("old", b"1234")
    models.put("model", b"1234")
    photos.put("new", b"")
    models.put("other", b"")
    assert budget.used == 8
    photos.peek("old")
    photos.put("next", b"1234")
    assert models.keys() == ["other"] and photos.keys() == ["new", "old", "next"] and budget.used == 8


def test_what_each_cache_used_last_stays() -> None:
    budget = MemoryBudget(10)
    models, photos = cache(budget), cache(budget)
    models.put("large", b"x" * 50)
    for name in "abc":
        photos.put(name, b"1234")
    assert models.keys() == ["large"] and photos.keys() == ["c"] and budget.used == 54
    models.put("small", b"x")
    assert models.keys() == ["small"] and budget.used == 5


def test_a_cache_may_have_a_number_of_its_own() -> None:
    one = cache(MemoryBudget(100), most=2)
    for name in "abc":
        one.put(name, b"1")
    assert one.keys() == ["b", "c"]
    one.drop("b")
    one.drop("not there")
    one.clear()
    assert len(one) == 0 and one._budget.used == 0


def test_a_cache_that_is_gone_holds_nothing() -> None:
    budget = MemoryBudget(10)
    one, other = cache(budget), cache(budget)
    one.put("a", b"12345678")
    other.put("b", b"12")
    del one
    gc.collect()
    assert budget.used == 2
    other.put("c", b"12345678")
    assert other.keys() == ["b", "c"]


def test_threads_share_it() -> None:
    budget = MemoryBudget(1000)
    caches = [cache(budget) for _ in range(3)]
    wrong: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(2000):
            key = str(rng.integers(40))
            if caches[rng.integers(3)].get(key, lambda key=key: key.encode() * 30) != key.encode() * 30:
                wrong.append(key)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and budget.used <= 1000
    assert budget.used == sum(len(one.peek(key) or b"") for one in caches for key in one.keys())


def test_the_limit_is_told_or_a_third_of_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLAWSMITH_CACHE_MB", "250")
    assert default_limit() == MemoryBudget().limit == 250_000_000
    monkeypatch.setenv("FLAWSMITH_CACHE_MB", "much")
    with pytest.raises(InputError, match="FLAWSMITH_CACHE_MB='much': expected a whole number of megabytes"):
        default_limit()
    monkeypatch.delenv("FLAWSMITH_CACHE_MB")
    container = tmp_path / "memory.max"
    monkeypatch.setattr(memory_budget, "_CONTAINER_LIMIT", container)
    whole = default_limit()
    container.write_text("900000000\n")
    assert default_limit() == 300_000_000 < whole
    container.write_text("max\n")
    assert default_limit() == whole


def test_equal_pixels_have_equal_keys() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert image_key(image) == image_key(np.asfortranarray(image)) != image_key(image.reshape(4, 2, 3))
