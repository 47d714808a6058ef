"""WebP pictures, and what Pillow makes of them: fixtures/webp/.

    python tests/reference/webp.py

Beside <name>.webp stand <name>.png, Pillow's convert("RGB") with the alpha dropped, and, of transparent pictures,
<name>_on_white.png; of turned.webp, turned.png is what exif_transpose makes of it. Ran with Pillow 13.0.0, libwebp 1.6.0.
"""

import pathlib

import numpy as np
from PIL import Image, ImageOps

OUT = pathlib.Path(__file__).parent / "fixtures" / "webp"


def main():
    OUT.mkdir(exist_ok=True)
    random = np.random.RandomState(7)
    y, x = np.mgrid[0:13, 0:21].astype(float)
    rgb = np.stack([127 + 120 * np.sin((c + 1) * x / 7 + y / (5 + c)) for c in range(3)], -1).astype(np.uint8)
    rgb[3:6, 4:9] = random.randint(0, 256, (3, 5, 3))
    alpha = (255 * (x + y) / 32).astype(np.uint8)[..., None]  # some are 0: their colours count where alpha is dropped
    rgba = np.concatenate([rgb, alpha], -1)
    exif = Image.Exif()
    exif[0x112] = 6
    pictures = {
        "lossless": (rgb, {"lossless": True}), "lossy": (rgb, {"quality": 60}), "grey": (rgb[..., 0], {"quality": 80}),
        "lossless_alpha": (rgba, {"lossless": True, "exact": True}), "lossy_alpha": (rgba, {"quality": 70}),
        "turned": (rgb[:4, :7], {"lossless": True, "exif": exif}),
    }
    for name, (pixels, options) in pictures.items():
        Image.fromarray(pixels).save(OUT / f"{name}.webp", **options)
        image = ImageOps.exif_transpose(Image.open(OUT / f"{name}.webp"))
        image.convert("RGB").save(OUT / f"{name}.png")
        if "alpha" in name:
            white = Image.new("RGBA", image.size, (255, 255, 255, 255))
            Image.alpha_composite(white, image).convert("RGB").save(OUT / f"{name}_on_white.png")
    frames = [Image.fromarray(rgb), Image.fromarray(rgb[::-1])]
    frames[0].save(OUT / "moving.webp", save_all=True, append_images=frames[1:])


if __name__ == "__main__":
    main()
