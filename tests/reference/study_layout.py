#!/usr/bin/env python3
"""The layout of a study.h5, a line a data set: path, type, scales of its dimensions, units; of groups their attributes.
Models' names are written <model> (pairs <from>/<to>), so that
lines of several models are one; scales of the same group are written without it.   study_layout.py FILE"""
import sys

import h5py

TYPES = {"float64": "f64", "float32": "f32", "int64": "i64", "uint8": "u8"}


def main():
    with h5py.File(sys.argv[1], "r") as f:
        models = sorted(set(f["trials/model"].asstr()[:]), key=len, reverse=True)
        lines = {f"/ ({' '.join(sorted(f.attrs))})"}

        def general(path):
            parts = path.strip("/").split("/")
            names = iter(["<from>", "<to>"] if parts[0] == "transfer" else ["<model>"] * 9)
            out = []
            for part in parts:
                model = next((m for m in models if part == m or part.startswith(m + "_")), None)
                out.append(next(names) + part[len(model):] if model else part)
            return ("/" if path.startswith("/") else "") + "/".join(out)

        def visit(path, o):
            own = sorted(a for a in o.attrs if a not in ("CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST", "_Netcdf4Dimid",
                                                         "_Netcdf4Coordinates", "_nc3_strict", "units", "description"))
            attributes = f" ({' '.join(own)})" if own else ""
            if isinstance(o, h5py.Group):
                if own:
                    lines.add(general("/" + path) + attributes)
                return
            assert o.attrs["units"] and (o.ndim == 0 or o.attrs["description"]), path
            kind = "text" if o.dtype.kind == "S" else TYPES[str(o.dtype)]
            is_scale = o.attrs.get("CLASS") == b"DIMENSION_SCALE"
            here = "/" + path.rpartition("/")[0] + "/"
            dims = ["itself" if is_scale else general(d[0].name[len(here) if d[0].name.startswith(here) else 0:]) for d in o.dims]
            assert is_scale or all(len(d) for d in o.dims), f"{path}: a dimension without a scale"
            filters = [n for n, on in (("shuffle", o.shuffle), ("deflate", o.compression), ("fletcher32", o.fletcher32)) if on]
            assert o.ndim == 0 or not o.size or filters == ["shuffle", "deflate", "fletcher32"], (path, filters)
            lines.add(f"{general('/' + path)} {kind} [{', '.join(dims)}] {o.attrs['units'].decode()}{attributes}")

        f.visititems(visit)
    print("\n".join(sorted(lines)))


main()
