"""What a model is told: rows are taken, repeated and joined part by part."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from core.diffusion.conditioning import Conditioning
from core.errors import InputError


def prompts(count: int, whole: bool = True) -> Conditioning:
    states = torch.arange(count * 6.0).reshape(count, 3, 2)
    if not whole:
        return Conditioning(states)
    return Conditioning(states, states[:, 0], {"time_ids": states[:, :, 0]})


def test_rows_are_taken_of_every_part() -> None:
    two = prompts(3).rows([2, 0])
    assert len(two) == 2 and torch.equal(two.states, prompts(3).states[[2, 0]])
    assert two.pooled is not None and two.pooled[:, 0].tolist() == [12, 0]
    assert two.extras["time_ids"].tolist() == [[12, 14, 16], [0, 2, 4]]
    assert prompts(2, whole=False).rows(torch.tensor([1, 1])).pooled is None


def test_one_prompt_serves_all_rows_and_no_other_number_does() -> None:
    many = prompts(1).expanded(4)
    assert len(many) == 4 and many.pooled is not None and many.pooled.shape == (4, 2)
    assert torch.equal(prompts(4).expanded(4).states, prompts(4).states)
    with pytest.raises(InputError, match="expected 1 or 3 prompts"):
        prompts(2).expanded(3)


def test_prompts_are_joined_in_order_and_only_with_their_like() -> None:
    joined = Conditioning.cat([prompts(1), prompts(2)])
    assert len(joined) == 3 and torch.equal(joined.states[1:], prompts(2).states)
    assert joined.extras["time_ids"].shape == (3, 3)
    with pytest.raises(InputError, match="of one model"):
        Conditioning.cat([prompts(1), prompts(1, whole=False)])


def test_it_moves_as_one() -> None:
    half = prompts(2).to("cpu", torch.float16)
    assert half.pooled is not None
    assert {half.states.dtype, half.pooled.dtype, half.extras["time_ids"].dtype} == {torch.float16}


@pytest.mark.parametrize(
    "made",
    [
        lambda: Conditioning(torch.zeros(2, 3)),
        lambda: Conditioning(torch.zeros(2, 3, 4), torch.zeros(1, 4)),
        lambda: Conditioning(torch.zeros(2, 3, 4), extras={"time_ids": torch.zeros(3, 6)}),
    ],
)
def test_parts_of_other_lengths_are_refused_in_one_line(made: Callable[[], Conditioning]) -> None:
    with pytest.raises(InputError, match="conditioning: expected") as caught:
        made()
    assert "\n" not in str(caught.value)
