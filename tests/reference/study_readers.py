#!/usr/bin/env python3
"""Reads every variable of a study.h5 with h5py, netCDF4, h5netcdf and xarray (both engines, and open_datatree where this
version of xarray has it) and asks for the same names, dimensions, units and values from all of them.

    study_readers.py STUDY.h5 ...

netCDF's C library before 4.9.1 writes behind its memory when it reads an array of fixed-length texts at once
(github.com/Unidata/netcdf-c, issue 2159). With such a version texts are read one by one, and xarray's netcdf4 engine is
asked for the numbers only; h5netcdf reads everything.
"""

import sys

import h5netcdf
import h5py
import netCDF4
import numpy
import xarray

TEXT_ARRAYS = tuple(int(part) for part in netCDF4.__netcdf4libversion__.split("-")[0].split(".")[:3]) >= (4, 9, 1)


def plain(values):
    """Values as a NumPy array of numbers, or of str without the zeros that pad them."""
    assert not numpy.ma.is_masked(values), "masked"
    values = numpy.asarray(values)
    if values.dtype.kind in "SUO":
        texts = [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values.ravel()]
        values = numpy.array([v.rstrip("\0") for v in texts], dtype=object).reshape(values.shape)
    return values


def is_text(data):
    return data.dtype.kind == "S"


def same(values, want):
    values, want = plain(values), plain(want)
    if values.shape != want.shape or (values.dtype != want.dtype):
        return False
    return numpy.array_equal(values, want, equal_nan=want.dtype.kind == "f")


class Study:
    """What h5py says: {path: data set}, the groups, and the names of each data set's dimensions."""

    def __init__(self, path):
        self.file = h5py.File(path, "r")
        self.data = {}
        self.file.visititems(lambda name, item: self.data.update({name: item}) if isinstance(item, h5py.Dataset) else None)
        self.groups = sorted({name.rsplit("/", 1)[0] for name in self.data})
        self.checked = 0

    def dimensions(self, name):
        data = self.data[name]
        if h5py.h5ds.is_scale(data.id):
            return (name.rsplit("/", 1)[1],)
        return tuple(d[0].name.rsplit("/", 1)[1] for d in data.dims)

    def of_group(self, group):
        return [name for name in self.data if name.rsplit("/", 1)[0] == group]

    def check(self, who, name, dimensions, units, values):
        data = self.data[name]
        assert tuple(dimensions) == self.dimensions(name), f"{who}, {name}: dimensions {dimensions}"
        assert plain(units) == plain(data.attrs["units"]), f"{who}, {name}: units {units}"
        assert same(values, data[()]), f"{who}, {name}: {plain(values)!r}, expected {plain(data[()])!r}"
        self.checked += 1


def read_h5py(study):
    """Every dimension has one scale of its length, in the group of the data set or above; types that netCDF knows."""
    for name, data in study.data.items():
        assert data.dtype != numpy.float16, f"{name}: fp16"
        assert not is_text(data) or data.dtype.itemsize > 1, f"{name}: texts of one byte are characters to netCDF"
        assert "units" in data.attrs, name
        for i, d in enumerate(data.dims):
            if h5py.h5ds.is_scale(data.id):
                continue
            assert len(d) == 1 and d[0].shape == (data.shape[i],), f"{name}: scales of dimension {i}"
            assert ("/" + name).startswith(d[0].name.rsplit("/", 1)[0] + "/"), f"{name}: scale {d[0].name}"


def read_netcdf4(study, path):
    with netCDF4.Dataset(path) as f:
        for name, data in study.data.items():
            v = f[name]
            if is_text(data) and data.ndim and not TEXT_ARRAYS:
                values = numpy.array([v[i] for i in range(len(data))], dtype=object)
            else:
                values = v[...]
            study.check("netCDF4", name, v.dimensions, v.units, values)


def read_h5netcdf(study, path):
    with h5netcdf.File(path, "r") as f:
        for name in study.data:
            v = f[name]
            study.check("h5netcdf", name, v.dimensions, v.attrs["units"], v[...])


def check_xarray(study, who, group, dataset, left_out=()):
    names = study.of_group(group)
    here = {name.rsplit("/", 1)[1] for name in names}
    assert here - set(left_out) <= set(dataset.variables), f"{who}, {group}: {sorted(here - set(dataset.variables))}"
    for name in names:
        short = name.rsplit("/", 1)[1]
        if short in left_out:
            continue
        v = dataset[short]
        study.check(who, name, v.dims, v.attrs["units"], v.values)


def read_xarray(study, path, engine):
    for group in study.groups:
        left_out = ()
        if engine == "netcdf4" and not TEXT_ARRAYS:
            left_out = [n.rsplit("/", 1)[1] for n in study.of_group(group) if is_text(study.data[n]) and study.data[n].ndim]
        with xarray.open_dataset(path, group=group, engine=engine, drop_variables=list(left_out)) as dataset:
            check_xarray(study, f"xarray {engine}", group, dataset, left_out)
    if hasattr(xarray, "open_datatree") and (engine == "h5netcdf" or TEXT_ARRAYS):
        with xarray.open_datatree(path, engine=engine) as tree:
            for group in study.groups:
                check_xarray(study, f"open_datatree {engine}", group, tree["/" + group])


def main():
    for path in sys.argv[1:]:
        study = Study(path)
        assert len(study.data) > 50, f"{path}: only {len(study.data)} data sets"
        read_h5py(study)
        read_netcdf4(study, path)
        read_h5netcdf(study, path)
        for engine in ("netcdf4", "h5netcdf"):
            read_xarray(study, path, engine)
        print(f"{path}: {len(study.data)} data sets, {study.checked} readings")
    tree = "open_datatree" if hasattr(xarray, "open_datatree") else "no open_datatree"
    texts = "" if TEXT_ARRAYS else "; texts one by one: this netCDF cannot read arrays of them"
    print(
        f"h5py {h5py.__version__} (HDF5 {h5py.version.hdf5_version}), netCDF4 {netCDF4.__version__} (netCDF "
        f"{netCDF4.__netcdf4libversion__}), h5netcdf {h5netcdf.__version__}, xarray {xarray.__version__}, {tree}{texts}"
    )


if __name__ == "__main__":
    main()
