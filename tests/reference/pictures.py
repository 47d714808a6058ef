"""Pictures of every kind that io/image.c reads, and what Pillow and transformers' CLIPImageProcessor make of them.

    python tests/reference/pictures.py       writes tests/reference/fixtures/pictures/

Per picture: <name>.(png|jpg). expected.safetensors holds, per picture, `<name>.rgb` (Pillow's convert("RGB"), uint8
[H, W, 3]) and, for the preprocessing cases, `<name>.<size>.<crop>` (uint8 [crop, crop, 3]) and `.norm` (float32).
Made with Pillow 13.0.0, transformers 4.57.6, numpy, Python 3.11.
"""
import pathlib
import numpy as np
from PIL import Image
from safetensors.numpy import save_file
from transformers import CLIPImageProcessor

HERE = pathlib.Path(__file__).parent / "fixtures" / "pictures"
rng = np.random.default_rng(2406)


def picture(h, w, channels=3):
    """Waves, sharp edges and noise: bicubic overshoots below 0 and above 255."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    out = np.stack([127 + 120 * np.sin((c + 1) * x / 7 + y / (5 + c)) for c in range(channels)], -1)
    out[(x // 9 + y // 7) % 2 == 0] = rng.integers(0, 2, channels) * 255
    noisy = (x + y) % 5 == 0
    out[noisy] = rng.integers(0, 256, (int(noisy.sum()), channels))
    return np.clip(out, 0, 255).astype(np.uint8)


def decoding(expected):
    rgb = Image.fromarray(picture(13, 21))
    kinds = {
        "rgb.png": (rgb, {}), "grey.png": (rgb.convert("L"), {}), "palette.png": (rgb.quantize(7), {}),
        "bilevel.png": (rgb.convert("1"), {}), "rgba.png": (Image.fromarray(picture(13, 21, 4)), {}),
        "grey_alpha.png": (Image.fromarray(picture(13, 21, 2), "LA"), {}),
        "palette_transparent.png": (rgb.quantize(7), {"transparency": 2}),
        "colour.jpg": (rgb, {"quality": 90}), "grey.jpg": (rgb.convert("L"), {"quality": 90}),
        "full.jpg": (rgb, {"quality": 95, "subsampling": 0}), "progressive.jpg": (rgb, {"progressive": True}),
        "cmyk.jpg": (Image.fromarray(picture(13, 21, 4), "CMYK"), {"quality": 95}),
    }
    for name, (image, options) in kinds.items():
        image.save(HERE / name, **options)
        expected[name + ".rgb"] = np.asarray(Image.open(HERE / name).convert("RGB"))
    sixteen = rng.integers(0, 65536, (5, 6, 3)).astype(">u2")  # Pillow writes no 16-bit RGB: built by hand
    write_png16(HERE / "sixteen.png", sixteen)
    expected["sixteen.png.rgb"] = (sixteen >> 8).astype(np.uint8)
    assert (np.asarray(Image.open(HERE / "sixteen.png").convert("RGB")) == expected["sixteen.png.rgb"]).all()


def write_png16(path, pixels):
    import struct, zlib
    h, w, _ = pixels.shape
    chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
    raw = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 16, 2, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def preprocessing(expected):
    # the order of channels is said: a picture of 3 or 1 rows would be taken for channels first
    cases = [("wide", 37, 90, 32, 32), ("tall", 101, 64, 32, 32), ("small", 9, 11, 32, 32), ("odd", 33, 47, 31, 24),
             ("even", 48, 64, 32, 28), ("same", 32, 32, 32, 32), ("row", 16, 33, 16, 16), ("line", 3, 50, 24, 24),
             ("dot", 1, 1, 8, 8), ("large", 200, 150, 14, 14)]
    for name, h, w, size, crop in cases:
        image = Image.fromarray(picture(h, w))
        image.save(HERE / f"{name}.png")
        shape = dict(size={"shortest_edge": size}, crop_size={"height": crop, "width": crop},
                     input_data_format="channels_last", return_tensors="np")
        pixels = CLIPImageProcessor()(image, do_rescale=False, do_normalize=False, **shape)
        pixels = pixels["pixel_values"][0].transpose(1, 2, 0)
        assert pixels.min() >= 0 and pixels.max() <= 255 and (pixels == np.round(pixels)).all()
        expected[f"{name}.png.{size}.{crop}"] = np.ascontiguousarray(pixels.astype(np.uint8))
        norm = CLIPImageProcessor()(image, **shape)["pixel_values"][0].transpose(1, 2, 0)
        expected[f"{name}.png.{size}.{crop}.norm"] = np.ascontiguousarray(norm.astype(np.float32))


if __name__ == "__main__":
    HERE.mkdir(parents=True, exist_ok=True)
    expected = {}
    decoding(expected)
    preprocessing(expected)
    save_file(expected, HERE / "expected.safetensors", metadata={"made_by": "tests/reference/pictures.py"})
    print(len(expected), "tensors")
