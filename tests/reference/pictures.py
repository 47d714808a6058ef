"""Pictures of every kind that io/pictures/image.c reads, and what Pillow and transformers' CLIPImageProcessor make of them.

    python tests/reference/pictures.py       writes tests/reference/fixtures/pictures/

Per picture: <name>.(png|jpg). expected.safetensors holds, per picture, `<name>.rgb` (Pillow's convert("RGB"), uint8
[H, W, 3]; `odd/<name>` for the rarer kinds) and, for the preprocessing cases, `<name>.<size>.<crop>` (uint8 [crop, crop, 3]) and `.norm` (float32).
Made with Pillow 13.0.0, transformers 4.57.6, numpy, Python 3.11.
"""
import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps
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


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path, w, h, bits, colour, row, interlaced=False, palette=None, transparency=None):
    """A PNG by hand, as Pillow does not write all kinds; row(pixels) gives the bytes of a row of that many pixels."""
    raw = b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x0, y0, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        columns, rows = -(-(w - x0) // dx), -(-(h - y0) // dy)
        if columns > 0:
            raw += b"".join(b"\0" + row(columns) for _ in range(rows))
    chunks = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, colour, 0, 0, interlaced))
    chunks += chunk(b"PLTE", palette) if palette else b""
    chunks += chunk(b"tRNS", transparency) if transparency else b""
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def write_png16(path, pixels):
    rows = iter(pixels)
    write_png(path, pixels.shape[1], pixels.shape[0], 16, 2, lambda n: next(rows).tobytes())


def odd_kinds(expected):
    """Every PNG colour type and depth, plain and interlaced, and JPEGs as cameras and print shops write them."""
    names = []
    for interlaced in (False, True):
        for colour, channels, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (3, 1, (1, 2, 4, 8)),
                                         (4, 2, (8, 16)), (6, 4, (8, 16))):
            for bits in depths:
                data = lambda n: bytes(rng.integers(0, 256, n, dtype=np.uint8))
                name = f"kind_{colour}_{bits}{'_interlaced' if interlaced else ''}.png"
                write_png(HERE / name, 7, 5, bits, colour, lambda n: data((n * channels * bits + 7) // 8), interlaced,
                          data(3 << bits) if colour == 3 else None, b"\x40" if colour == 3 and bits > 1 else None)
                names.append(name)
    deep = rng.integers(0, 400, (3, 5)).astype(">u2")
    rows = iter(deep)
    write_png(HERE / "dark_16.png", 5, 3, 16, 0, lambda n: next(rows).tobytes())
    write_png(HERE / "transparent_grey.png", 5, 3, 8, 0, lambda n: bytes(range(n)), transparency=b"\0\1")
    write_png(HERE / "transparent_rgb.png", 5, 3, 8, 2, lambda n: bytes(range(3 * n)), transparency=b"\0\0\0\1\0\2")
    rgb = Image.fromarray(picture(9, 17))
    rgb.save(HERE / "sampled_420.jpg", quality=40, subsampling=2)
    rgb.save(HERE / "sampled_422.jpg", quality=40, subsampling=1)
    rgb.save(HERE / "restart.jpg", quality=40, restart_marker_blocks=1)
    rgb.save(HERE / "rgb_coded.jpg", quality=60, keep_rgb=True)
    exif = Image.Exif()
    exif[0x112] = 6
    rgb.save(HERE / "turned.jpg", quality=60, exif=exif)
    out = io.BytesIO()
    Image.fromarray(picture(9, 17, 4), "CMYK").save(out, "JPEG", quality=60)
    data = out.getvalue()
    adobe = data.index(b"Adobe") - 4
    (HERE / "cmyk_plain.jpg").write_bytes(data[:adobe] + data[adobe + 2 + struct.unpack(">H", data[adobe + 2:adobe + 4])[0]:])
    (HERE / "ycck.jpg").write_bytes(data[:adobe + 15] + b"\2" + data[adobe + 16:])
    names += ["dark_16.png", "transparent_grey.png", "transparent_rgb.png", "sampled_420.jpg", "sampled_422.jpg",
              "restart.jpg", "rgb_coded.jpg", "turned.jpg", "cmyk_plain.jpg", "ycck.jpg"]
    for name in names:
        expected["odd/" + name] = np.asarray(Image.open(HERE / name).convert("RGB"))


def turned(expected):
    """The eight orientations of EXIF, and a PNG's."""
    exif = Image.Exif()
    names = [f"turned_{orientation}.jpg" for orientation in range(1, 9)] + ["turned.png"]
    for orientation, name in enumerate(names, 1):
        exif[0x112] = min(orientation, 8)
        Image.fromarray(picture(4, 7)).save(HERE / name, exif=exif)
        image = ImageOps.exif_transpose(Image.open(HERE / name))
        expected["turned/" + name] = np.ascontiguousarray(image.convert("RGB"))


CASES = [("wide", 37, 90, 32, 32), ("tall", 101, 64, 32, 32), ("small", 9, 11, 32, 32), ("odd", 33, 47, 31, 24),
         ("even", 48, 64, 32, 28), ("same", 32, 32, 32, 32), ("row", 16, 33, 16, 16), ("line", 3, 50, 24, 24),
         ("dot", 1, 1, 8, 8), ("large", 200, 150, 14, 14)]


def preprocessing(expected, cases):
    # the order of channels is said: a picture of 3 or 1 rows would be taken for channels first
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
    preprocessing(expected, CASES)
    odd_kinds(expected)  # last: what is drawn before stays as it was
    turned(expected)
    preprocessing(expected, [("tower", 70, 30, 24, 24), ("column", 75, 17, 16, 16)])  # height first since Pillow 13
    save_file(expected, HERE / "expected.safetensors", metadata={"made_by": "tests/reference/pictures.py"})
    print(len(expected), "tensors")
