"""Token ids to what a model reads of them: by CLIP, by the two encoders of Stable Diffusion XL, or by a chat model."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from core.diffusion.backbone import Backbone, part_on_device
from core.diffusion.conditioning import Conditioning


def encode_ids(backbone: Backbone, ids: Tensor) -> Conditioning:
    """The conditioning of padded ids int64 (N, length); gradients flow to placeholder vectors."""
    if backbone.joint:
        return _encode_by_chat_model(backbone, ids)
    if backbone.second_text_encoder is not None:
        return _encode_by_two(backbone, ids)
    encoder = part_on_device(backbone, "text_encoder")
    return Conditioning(encoder(ids.to(backbone.device)).last_hidden_state.float())


def question_around(tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids that a chat model's template puts before and after what a person asks."""
    asked = "QUESTION"
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": asked}], tokenize=False, add_generation_prompt=True, enable_thinking=True
    )
    first, last = (tokenizer(end, add_special_tokens=False).input_ids for end in text.split(asked))
    return tuple(first), tuple(last)


def _encode_by_two(backbone: Backbone, ids: Tensor) -> Conditioning:
    """As Stable Diffusion XL reads a prompt: both encoders' last but one layer, and the second one's pooled state.

    That is taken at the first end token. The encoder's own pooling may take the highest id instead, which is a
    placeholder's. ``time_ids`` say that the picture is of the model's own size and not a crop.
    """
    ids = ids.to(backbone.device)
    ends = (ids == backbone.tokenizer.eos_token_id).int().argmax(dim=1)
    padding = torch.arange(ids.shape[1], device=ids.device) > ends[:, None]
    first = part_on_device(backbone, "text_encoder")(ids, output_hidden_states=True).hidden_states[-2]
    encoder = part_on_device(backbone, "second_text_encoder")
    second = encoder(ids.masked_fill(padding, backbone.second_pad_id), output_hidden_states=True)
    at_end = second.last_hidden_state[torch.arange(len(ids), device=ids.device), ends]
    states = torch.cat([first, second.hidden_states[-2]], dim=2).float()
    pooled = encoder.text_projection(at_end).float()
    if backbone.zero_empty_prompt:
        said = (ends > 1).to(states)
        states, pooled = states * said[:, None, None], pooled * said[:, None]
    size = torch.tensor([[backbone.side, backbone.side, 0, 0, backbone.side, backbone.side]], dtype=torch.float32)
    return Conditioning(states, pooled, {"time_ids": size.expand(len(ids), -1).to(states.device)})


def _encode_by_chat_model(backbone: Backbone, ids: Tensor) -> Conditioning:
    """As Z-Image reads a prompt: a language model's last but one layer, of the question's own tokens alone.

    ``valid`` (N, L) is 1 for these. States after them are zero, so that all prompts are of one length.
    """
    ids = ids.to(backbone.device)
    places = torch.arange(ids.shape[1], device=ids.device)
    known = ids != backbone.tokenizer.pad_token_id
    ends = torch.where(known, places, 0).amax(dim=1)
    valid = places <= ends[:, None]
    longest = int(ends.max()) + 1
    encoder = part_on_device(backbone, "text_encoder")
    found = encoder(
        input_ids=ids[:, :longest], attention_mask=valid[:, :longest].long(), output_hidden_states=True
    ).hidden_states[-2]
    states = F.pad(found.float() * valid[:, :longest, None], (0, 0, 0, ids.shape[1] - longest))
    return Conditioning(states, extras={"valid": valid.float()})
