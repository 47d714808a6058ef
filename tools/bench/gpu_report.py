"""Markdown tables for docs/benchmarks.md from a folder of tools/gpu-check.sh: see tools/gpu-report.sh.

Only the standard library. A file that a run left out gives no rows, and its step stands in the list of what was not measured.
"""

import json
import os
import re
import sys

LEAST_BYTES = 8e6  # of a call that a copy bounds: smaller ones last as long as a launch
WORDS = ("word", "torch-word", "torch-word-compiled")


def load(folder, name):
    """A JSON file of the folder; None where it is missing, empty or cut off."""
    try:
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return None


def text(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def number(x):
    """Three or four digits that count, thousands apart."""
    if x is None:
        return ""
    return f"{x:,.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def percent(x):
    return f"{100 * x:.0f} %"


def table(head, rows):
    if not rows:
        return []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows] + [""]


def settled(row):
    if "settled" not in row:
        return "shortest run"
    return f"{'settled' if row['settled'] else 'NOT settled'} in {row['measured_s']:.0f} s"


def machine(folder):
    log = text(folder, "machine.log")
    gpu = re.search(r"^(NVIDIA[^,\n]*), ([\d.]+),", log, re.M)
    version = re.search(r"^viswords .*", log, re.M)
    torch = re.search(r"^torch .*", log, re.M)
    found = [gpu and f"{gpu[1]}, driver {gpu[2]}", version and version[0], torch and torch[0]]
    return "; ".join(x for x in found if x) or "machine unknown: no machine.log"


def sd_rows(folder, name):
    data = load(folder, name)
    return data["rows"] if data else []


def words(folder):
    """A step to the word: ours at each batch, and PyTorch's at the same one."""
    theirs = {name: {r["pictures"]: r for r in sd_rows(folder, f"{name}.json")} for name in WORDS[1:]}
    rows = []
    for r in sd_rows(folder, "word-word.json"):
        eager, compiled = (theirs[name].get(r["pictures"]) for name in WORDS[1:])
        ratio = [number(r["pictures_per_s"] / t["pictures_per_s"]) if t else "" for t in (eager, compiled)]
        rate = [number(t["pictures_per_s"]) if t else "" for t in (eager, compiled)]
        rows.append([f"word, {r['pictures']}", f"{number(r['pictures_per_s'])} samples/s", settled(r),
                     number(r["gflops"] / 1e3), rate[0], rate[1], ratio[0], ratio[1]])
    for name, label in (("word-timed-word.json", "timed algorithms"), ("word-own-word.json", "own kernels alone")):
        rows += [[f"word, {r['pictures']}, {label}", f"{number(r['pictures_per_s'])} samples/s", settled(r),
                  number(r["gflops"] / 1e3), "", "", "", ""] for r in sd_rows(folder, name)]
    return table(["pass, samples", "viswords", "how timed", "TFLOP/s counted", "eager", "compiled", "x eager", "x compiled"], rows)


def passes(folder):
    files = ("sd-unet.json", "autoencoder-decode.json", "autoencoder-encode.json")
    torch = {r["pictures"]: r["pictures_per_s"] for r in sd_rows(folder, "torch-unet.json") if r["pass"] == "unet"}
    rows = [[f"{r['pass']}, {r['pictures']}", f"{number(r['pictures_per_s'])} pictures/s", settled(r), number(r["gflops"] / 1e3),
             f"{r['bytes_planned'] / 1e9:.2f}, {r['bytes_held'] / 1e9:.2f} GB",
             number(torch.get(r["pictures"])) if r["pass"] == "unet" else ""]
            for name in files for r in sd_rows(folder, name)]
    return table(["pass, pictures", "viswords", "how timed", "TFLOP/s counted", "planned, held", "torch, compiled"], rows)


def ops(folder, name, title):
    out = []
    for r in sd_rows(folder, name):
        rows = [[o["op"], str(o["calls"]), f"{1e3 * o['seconds']:.2f} ms", percent(o["share_of_time"]),
                 percent(o["share_of_ceiling"]), number(o.get("bytes", 0) / 1e6 / r["pictures"])]
                for o in r.get("ops", []) if o["share_of_time"] >= 0.005]
        if rows:
            out += [f"{title}, {r['pictures']} at once, each call alone:", ""]
            out += table(["op", "calls", "time", "of time", "of its ceiling", "MB a sample"], rows)
    return out


def clip(folder):
    bench, timed, torch = (load(folder, f"{name}.json") for name in ("bench", "timed", "torch"))
    if not bench:
        return []
    ceilings = bench["ceilings"]
    out = [f"Ceilings: copy {number(ceilings['copy_gb_per_s'])} GB/s; products of order {ceilings['order']}: "
           + ", ".join(f"{k} {number(v)}" for k, v in ceilings["products_tflops"].items()) + " TFLOP/s.", ""]
    best = {}
    for r in (torch or {}).get("networks", []):
        key = (r["network"], r["batch"])
        if "rate" in r and r.get("way") != "loop" and r["rate"] > best.get(key, {"rate": 0})["rate"]:
            best[key] = r
    faster = {(r["network"], r["batch"]): r["rate"] for r in (timed or {}).get("networks", []) if "rate" in r}
    rows = []
    for r in bench["networks"]:
        key = (r["network"], r["batch"])
        if "rate" not in r:
            rows.append([r["network"], str(r["batch"]), r.get("error", ""), "", "", "", ""])
            continue
        b = best.get(key)
        rows.append([r["network"], str(r["batch"]), f"{number(r['rate'])} {r['unit']}/s", number(faster.get(key)),
                     percent(r["share_of_roofline"]), f"{number(b['rate'])} ({b['precision']}, {b['run']})" if b else "",
                     number(r["rate"] / b["rate"]) if b else ""])
    return out + table(["network", "batch", "viswords", "timed algorithms", "of the roofline", "PyTorch's best", "ratio"], rows)


def owl(folder):
    return table(["pass, batch", "viswords", "TFLOP/s counted", "planned, held"],
                 [[f"{r['pass']}, {r['batch']}", f"{number(r['per_second'])} {r['unit']}/s", number(r["gflops"] / 1e3),
                   f"{r['bytes_planned'] / 1e9:.2f}, {r['bytes_held'] / 1e9:.2f} GB"] for r in sd_rows(folder, "owl.json")])


def maps(folder):
    return table(["points", "in all", "iterations", "divergence"],
                 [[f"{r['points']:,} x {r['width']:,}", f"{number(r['seconds'])} s" + ("" if r["on_device"] else " on the processor"),
                   f"{r['iterations']:,}", f"{r['kl']:.4f}"] for r in sd_rows(folder, "tsne.json")])


def memory_bound(folder):
    """Calls that a copy bounds: the goal is 85 % of it."""
    rows, seen = [], set()
    for name in ("bench.json", "word-ops-word.json", "autoencoder-decode.json"):
        data = load(folder, name) or {}
        for network in data.get("networks", data.get("rows", [])):
            for k in network.get("kernels", []):
                key = (k["op"], tuple(k["in"]))
                if k["bound"] != "copy" or k["share_of_time"] < 0.005 or k["bytes"] < LEAST_BYTES or key in seen:
                    continue
                seen.add(key)
                rows.append([k["op"], k["in"][0], f"{1e6 * k['seconds']:.1f} us", f"{number(k['gb_per_s'])} GB/s",
                             percent(k["share_of_ceiling"]), percent(k["share_of_time"])])
    return table(["op", "first input", "a call", "moved", "of copy", "of the step"], rows)


def patches(folder):
    """The entry of CLIP's towers, in bf16 and with fp32 rounded to TF32."""
    rows = []
    for name in ("bench.json", "patches.json"):
        for network in (load(folder, name) or {}).get("networks", []):
            rows += [[k["in"][0], k["out"][0], f"{1e6 * k['seconds']:.1f} us", number(k["tflops"]), number(k["gb_per_s"]),
                      f"{percent(k['share_of_ceiling'])} of {k['bound']}", percent(k["share_of_time"])]
                     for k in network.get("kernels", []) if k["op"] == "patch_embed"]
    return table(["pixels", "result", "a call", "TFLOP/s", "GB/s", "reached", "of the tower"], rows)


def summary(folder):
    lines = text(folder, "summary.txt").splitlines()
    bad = [re.sub(r"\s+", " ", x) for x in lines if x.startswith(("FAILED", "skipped", "left out"))]
    passed = sum(x.startswith("ok ") for x in lines)
    out = [f"{passed} steps passed. {lines[-1] if lines else 'No summary.txt: the run was cut off'}.", ""]
    return out + ([f"- {x}" for x in bad] + [""] if bad else [])


def report(folder):
    out = [f"Measured on {machine(folder)}.", ""]
    sections = (
        ("What ran", summary(folder)),
        ("Stable Diffusion 2.1-base, 512 px: a step to the word", words(folder)),
        ("Its other passes", passes(folder)),
        ("By op", ops(folder, "word-ops-word.json", "A word step") + ops(folder, "autoencoder-decode.json", "Decoding")),
        ("CLIP ViT-L/14", clip(folder)),
        ("Patches of pictures", patches(folder)),
        ("OWL-v2 base", owl(folder)),
        ("Exact t-SNE", maps(folder)),
        ("Passes that a copy bounds", memory_bound(folder)),
    )
    for title, lines in sections:
        out += [f"**{title}**", ""] + (lines or ["Not measured.", ""])
    drawn = re.search(r"^16 pictures.*", text(folder, "draw.log"), re.M)
    return out + ([drawn[0] + ".", ""] if drawn else [])


def main():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        sys.exit(f"gpu_report.py: '{' '.join(sys.argv[1:])}' is no folder of gpu-check.sh")
    print("\n".join(report(sys.argv[1])).rstrip())


if __name__ == "__main__":
    main()
