"""Transparent pictures, and what Pillow makes of them on white, as transformers 5 does: fixtures/white/.

    python tests/reference/white.py

Ran with Pillow 13.0.0. Every opacity is there; palettes and a transparent colour too.
"""

import pathlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(__file__).parent / "fixtures" / "white"


def main():
    random = np.random.RandomState(5)
    a = random.randint(0, 256, (16, 16, 4)).astype(np.uint8)
    a[..., 3] = np.arange(256).reshape(16, 16)
    OUT.mkdir(exist_ok=True)
    Image.fromarray(a).save(OUT / "rgba.png")
    Image.fromarray(np.stack([a[..., 0], a[..., 3]], -1), "LA").save(OUT / "grey.png")
    Image.fromarray(a[..., :3]).quantize(16).save(OUT / "palette.png", transparency=bytes(range(0, 256, 16)))
    Image.fromarray((a[..., :3] // 128 * 255).astype(np.uint8)).save(OUT / "key.png", transparency=(255, 0, 255))
    for name in ("rgba", "grey", "palette", "key"):
        image = Image.open(OUT / f"{name}.png").convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        Image.alpha_composite(white, image).convert("RGB").save(OUT / f"{name}_on_white.png")


if __name__ == "__main__":
    main()
