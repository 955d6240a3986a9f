"""``python -m tools.mini_model``: from nothing to ``assets/models/mini``; each stage goes on where it was stopped.

python -m tools.mini_model all --work DIR                       narrow, one CPU core, about three hours
python -m tools.mini_model all --work DIR --size broad --device cuda --steps 60000 --batch 128
python -m tools.mini_model sheet --work DIR                     sample sheet of the checkpoint as it stands
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from tools.mini_model import autoencoder, bank, denoiser
from tools.mini_model.publish import publish
from tools.mini_model.sizes import SIZES, Size, write_tokenizer
from tools.mini_model.training import restore

OUT = Path(__file__).resolve().parents[2] / "assets" / "models" / "mini"
STAGES = ("autoencoder", "bank", "denoiser", "publish")


def main() -> None:
    """Read the command line and run the stages asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("all", *STAGES, "sheet"))
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints, bank and logs")
    parser.add_argument("--size", choices=tuple(SIZES), default="narrow")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--threads", type=int, default=1, help="CPU threads; two that share a core are slower than one"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--autoencoder-steps", type=int, nargs=2, default=(900, 3000), metavar=("BOTH", "END"))
    parser.add_argument("--steps", type=int, default=4000, help="steps of the denoiser")
    parser.add_argument("--batch", type=int, default=16, help="scenes in a step of the denoiser")
    parser.add_argument("--shards", type=int, nargs=2, default=(0, 13), metavar=("FIRST", "END"))
    parser.add_argument("--figures", type=Path, help="what bench mini --json printed, for the card")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    given.work.mkdir(parents=True, exist_ok=True)
    size = SIZES[given.size]
    for stage in STAGES if given.stage == "all" else (given.stage,):
        run(stage, size, given)


def run(stage: str, size: Size, given: argparse.Namespace) -> None:
    """One stage."""
    work = given.work
    vocabulary = write_tokenizer(work / "tokenizer")
    if stage == "autoencoder":
        both, decoder = given.autoencoder_steps
        autoencoder.train(size, work, decoder, both, 8, 128, given.seed, given.device)
    elif stage == "bank":
        fill(size, work, given.seed, range(*given.shards), given.device)
    elif stage == "denoiser":
        denoiser.train(size, vocabulary, work, given.steps, given.batch, given.seed, given.device)
    elif stage == "publish":
        figures = json.loads(given.figures.read_text()) if given.figures else {}
        print(f"{publish(size, work, OUT, figures) / 1e6:.1f} MB in {OUT}")
    else:
        from tools.mini_model.sheet import sheet

        print(sheet(size, work))


def fill(size: Size, work: Path, seed: int, shards: range, device: str) -> None:
    """Write the shards that are not there yet."""
    from transformers import CLIPTokenizer

    state = restore(work / "autoencoder.pt")
    if state is None:
        raise FileNotFoundError(f"{work}/autoencoder.pt: train the autoencoder first")
    model = autoencoder.autoencoder(size)
    model.load_state_dict(state["average"]["weights"])
    model.to(device).eval()
    tokenizer = CLIPTokenizer.from_pretrained(str(work / "tokenizer"))
    for shard in shards:
        path = work / f"shard{shard:03}.safetensors"
        if not path.is_file():
            bank.write_shard(path, model, tokenizer, seed, shard)
            print(path.name, flush=True)


if __name__ == "__main__":
    main()
