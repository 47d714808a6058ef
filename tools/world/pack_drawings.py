"""Pack a folder of single drawings into the sheets of data/drawings.

    python tools/world/pack_drawings.py --source EMOJI_FOLDER --out data/drawings

Needed once, to make the sheets that the repository ships; everything else starts from the
sheets. EMOJI_FOLDER holds manifest.json and pictures/<folder>/<drawing>.png (96 x 96 RGBA),
taken from the emoji sets named in data/LICENCES.md.

Known and held-out concepts get a sheet each, one tile a drawing; auxiliary concepts, which only
help training, share sheets of smaller tiles, one concept a row. Lossy WebP keeps the whole set
within a few megabytes.
"""
import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

import concepts

CORE_TILE = 64      # the embedded networks look at 64 px
AUX_TILE = 48       # auxiliary drawings may be a little soft
AUX_ROWS = 16       # concepts a shared sheet
WEBP = dict(format="WEBP", quality=74, alpha_quality=60, method=6)
# The networks that are shipped were trained on auxiliary sheets of WEBP's quality; these are what the repository has room for.
AUX_WEBP = dict(WEBP, quality=34, alpha_quality=20)


def load_tile(path, size):
    """The drawing cut to its visible part (alpha > 0.5), centred in a square, resized."""
    im = Image.open(path).convert("RGBA")
    solid = np.asarray(im)[..., 3] > 127
    ys, xs = np.where(solid.any(1))[0], np.where(solid.any(0))[0]
    im = im.crop((xs[0], ys[0], xs[-1] + 1, ys[-1] + 1))
    side = max(im.size)
    square = Image.new("RGBA", (side, side))
    square.paste(im, ((side - im.width) // 2, (side - im.height) // 2))
    return square.resize((size, size), Image.LANCZOS)  # Pillow resizes RGBA premultiplied


def pack_sheet(source, entries, tile, path, webp=WEBP):
    """Write one sheet, a row an entry; return the manifest records."""
    columns = max(len(e["drawings"]) for e in entries)
    sheet = Image.new("RGBA", (columns * tile, len(entries) * tile))
    records = []
    for row, e in enumerate(entries):
        for col, drawing in enumerate(e["drawings"]):
            png = source / "pictures" / e["folder"] / f"{drawing}.png"
            sheet.paste(load_tile(png, tile), (col * tile, row * tile))
        records.append(dict(name=e["name"], role=e["role"], codepoint=e["codepoint"],
                            sheet=path.name, tile=tile, row=row, drawings=e["drawings"],
                            test=e["test"]))
    sheet.save(path, **webp)
    return records


def select(manifest):
    """Manifest entries with their role, core concepts in the order of concepts.py first."""
    by_name = {}
    for e in manifest:
        by_name.setdefault(e["name"].lower(), dict(e, name=e["name"].lower()))
    out = []
    for role, names in (("known", concepts.KNOWN), ("held_out", concepts.HELD_OUT),
                        ("auxiliary", concepts.auxiliary(by_name))):
        for name in names:
            e = by_name[name]
            test = [d for d in e["drawings"] if role != "auxiliary" and concepts.is_test(name, d)]
            out.append(dict(e, role=role, test=test))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--source", type=Path, required=True)
    ap.add_argument("--out", type=Path, default=Path("data/drawings"))
    a = ap.parse_args()
    entries = select(json.loads((a.source / "manifest.json").read_text()))
    a.out.mkdir(parents=True, exist_ok=True)
    core = [e for e in entries if e["role"] != "auxiliary"]
    aux = [e for e in entries if e["role"] == "auxiliary"]
    records = []
    for e in core:
        records += pack_sheet(a.source, [e], CORE_TILE, a.out / f"{e['name']}.webp")
    for i in range(0, len(aux), AUX_ROWS):
        path = a.out / f"auxiliary-{i // AUX_ROWS:02d}.webp"
        records += pack_sheet(a.source, aux[i:i + AUX_ROWS], AUX_TILE, path, AUX_WEBP)
    lines = ",\n".join(json.dumps(r, separators=(",", ":")) for r in records)
    (a.out / "manifest.json").write_text("[\n" + lines + "\n]\n")
    print(f"{len(core)} concepts and {len(aux)} auxiliary ones in {a.out}")


if __name__ == "__main__":
    main()
