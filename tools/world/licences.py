"""Whose drawings may be used: every artist of the manifest must stand in the licence file."""
import json
import re
from pathlib import Path


def check(drawings):
    """Stop where manifest.json has drawings whose author and licence LICENCES.md does not name."""
    drawings = Path(drawings)
    named = set()
    path = drawings.parent / "LICENCES.md"
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = line.split("|")
        if len(cells) == 6:     # | tile | work | author | licence |
            named |= set(re.findall(r"`([a-z0-9-]+)`", cells[1]))
    for entry in json.loads((drawings / "manifest.json").read_text()):
        unknown = set(entry["drawings"]) - named
        if unknown:
            raise SystemExit(f"{drawings}/manifest.json: {entry['name']} has drawings of "
                             f"{', '.join(sorted(unknown))}, which {path} does not name; add their "
                             "author and licence there")
