"""Cosines that transformers (float64) finds between texts and shipped pictures, for tests/jobs/test_encode.sh.

    python tests/reference/encode.py       # writes tests/reference/fixtures/encode.txt

One line a picture: its path below data/objects/test, then the cosine with each text. The last line has the ids of the
first text. Made with torch 2.15.0, transformers 4.57.6.
"""

import pathlib

import torch
from PIL import Image

from verify import Reference

ROOT = pathlib.Path(__file__).parents[2]
TEXTS = ["a photo of a dog", "three red foxes", "hammer"]
PICTURES = ["dog/00.jpg", "fox/01.jpg", "hammer/00.jpg"]


def main():
    torch.set_default_dtype(torch.float64)
    ref = Reference(ROOT / "data" / "clip-tiny")
    lines = []
    with torch.no_grad():
        texts = ref.text_features(ref.ids(TEXTS))
        for name in PICTURES:
            picture = Image.open(ROOT / "data" / "objects" / "test" / name).convert("RGB")
            raw = ref.processor(picture, do_rescale=False, do_normalize=False, return_tensors="pt").pixel_values.double()
            mean, std = (torch.tensor(x)[:, None, None] for x in (ref.processor.image_mean, ref.processor.image_std))
            pixels = (raw / 255 - mean) / std  # the processor's own arithmetic is in fp32
            cosine = (ref.image_features(pixels) @ texts.T)[0].tolist()
            lines.append(" ".join([name, *(f"{c:.12f}" for c in cosine)]))
    lines.append("ids " + " ".join(str(i) for i in ref.tokenizer(TEXTS[0]).input_ids))
    (ROOT / "tests" / "reference" / "fixtures" / "encode.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
