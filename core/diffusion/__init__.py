"""Latent diffusion: models in Stable Diffusion's layout, and the loops that sample from them.

model_sources.py          where a model is on this machine; needs no torch
model_folders.py          whether the known models are here and whole; needs no torch
hub.py                    brings one from a model hub; the only file that knows huggingface_hub
weight_files.py           heads of safetensors files, and in one line what weights lack; needs no torch
part_loading.py           one part of a model by the class that its index names
loading.py                loads a model that our own sampling draws with
editor/                   inpainting and editing pipelines of diffusers as they are
found_models.py           models and adapters that a person put into the models folder; needs no torch
adapter_files.py          LoRA and textual-inversion files, told by their tensors; needs no torch
adapter_fit.py            whether an adapter is for a model; needs no torch
adapters.py               adapters in a loaded model for a while
backbone.py               a loaded model, and functions on it: latents, predictions
joint_denoiser.py         a transformer for picture and prompt together (Z-Image), called as a UNet is
conditioning.py           what a model is told: token states, the prompt as a whole, extras by name
noise_schedule.py         x_t = a(t) x_0 + s(t) eps, and what is predicted of it: noise, v, x_0 or a flow's velocity
tokens.py                 prompts to token ids; placeholder words of k vectors
prompt_encoding.py        token ids to what a model reads: CLIP, two encoders, a chat model
sampling.py               one loop with step hooks; DDIM, DPM-Solver++(2M), LCM, TCD, guidance, inversion
attention.py              controllers of the attention, installed for a while
joint_attention.py        the same where picture and prompt are one sequence
word_attention.py         where words look, recorded and weighted
attention_reweighting.py  AnomalyDiffusion's: more attention where the anomaly is hardly seen
inpainting.py             generation inside a mask, pasted back at native resolution
model_crop.py             what a model sees of a photo, and how it is pasted back
prompt_to_prompt.py       an edited prompt that looks where the photo's own did
"""
