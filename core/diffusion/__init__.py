"""Latent diffusion: models in Stable Diffusion's layout, and the loops that sample from and train on them.

locate.py     where a model is on this machine; needs no torch
folders.py    whether the known models are here and whole; needs no torch
fetch.py      brings one from a model hub; the only file that knows huggingface_hub
backbone.py   loads a model; the only file that knows diffusers and transformers
model.py      a loaded model, and functions on it: text, latents, noise
sampling.py   one loop with step hooks; DDIM, DPM-Solver++(2M), guidance, inversion
attention.py  controllers of the attention, installed for a while
blended.py    generation inside a mask, pasted back at native resolution
tokens.py     prompts to token ids; placeholder words of k vectors
lessons.py    what is learned from, encoded once
training.py   one loop for whatever small set of parameters is learned
"""
