"""Pictures made by a formula, as transformers' Owlv2ImageProcessor (the slow one) prepares them.

    preprocess_square.py OUT.safetensors        (tests/reference/fixtures/preprocess_square.safetensors)

Ran with transformers 4.57.6, scipy 1.17.1, numpy 2.4.6, pillow 13.0.0, Python 3.11; no torch."""
import json
import struct
import sys

import numpy as np
from transformers.models.owlv2.image_processing_owlv2 import Owlv2ImageProcessor

# height, width, size of what comes out: shrinking much and little, equal, enlarging, long and thin, very small. Not
# with an edge of 1 or 3: the reference then takes the rows for channels.
CASES = [(150, 97, 32), (40, 64, 36), (48, 48, 48), (20, 31, 40), (4, 200, 24), (5, 2, 16), (2, 2, 8), (333, 250, 16)]


def picture(h, w):
    y, x, c = np.meshgrid(np.arange(h), np.arange(w), np.arange(3), indexing="ij")
    return ((37 * y + 101 * x + 57 * c + (x * y) % 29 * 7 + (y // 5 % 2) * 90) % 256).astype(np.uint8)


def main():
    head, body = {}, b""
    for h, w, size in CASES:
        processor = Owlv2ImageProcessor(size={"height": size, "width": size})
        out = processor(picture(h, w), input_data_format="channels_last", data_format="channels_last",
                        return_tensors="np")["pixel_values"][0].astype(np.float32)
        assert out.shape == (size, size, 3)
        raw = out.tobytes()
        head[f"{h}x{w}-{size}"] = {"dtype": "F32", "shape": list(out.shape),
                                   "data_offsets": [len(body), len(body) + len(raw)]}
        body += raw
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(sys.argv[1], "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + body)


main()
