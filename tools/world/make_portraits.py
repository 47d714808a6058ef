"""Make the pictures from which words are learned for the embedded Stable Diffusion.

    python tools/world/make_portraits.py --out data/portraits

A folder per target (held-out concepts and the known targets), 16 pictures of 32 px with one thing
in the middle of a pale ground: what that network draws. They show the drawings that
data/objects/train shows. Same drawings, same files.
"""
import argparse
import shutil
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

import concepts
import diffusion
import scenes

PICTURES = 16


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--drawings", type=Path, default=Path("data/drawings"))
    ap.add_argument("--out", type=Path, default=Path("data/portraits"))
    ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    bank = scenes.load_bank(a.drawings, roles=("known", "held_out"))
    shutil.rmtree(a.out / "train", ignore_errors=True)
    for label, c in enumerate(bank):
        if c.name in concepts.HELD_OUT + concepts.TARGETS:
            folder = a.out / "train" / c.name
            folder.mkdir(parents=True)
            for n in range(PICTURES):
                r = np.random.default_rng([a.seed, zlib.crc32(c.name.encode()), n])
                picture = Image.fromarray(diffusion.portrait(r, bank, label, "train"))
                picture.save(folder / f"{n:02d}.png", optimize=True)


if __name__ == "__main__":
    main()
