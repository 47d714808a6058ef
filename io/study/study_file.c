#include "io/study/study_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cluster/comm.h"
#include "core/durable.h"
#include "core/fault.h"
#include "core/pulse.h"
#include "io/manifest.h"
#include "io/rows.h"
#include "io/study/hdf.h"
#include "io/write_guard.h"

#include <hdf5_hl.h>

enum { CHUNK_BYTES = 1 << 20, DEFLATE = 4, ATTRIBUTE_BYTES = 60000 };
/* What HDF5 writes beside the values: of a data set (3 KiB on average), and never left to chance (an attribute, a list
 * of references that grows). Together they decide how much free disk a small study asks for. */
enum { SET_BYTES = 1 << 14, SPARE_BYTES = 1 << 17 };

struct vw_study_file {
  const vw_ranks *ranks;
  char path[VW_PATH_BYTES], partial[VW_PATH_BYTES];
  hid_t id, transfer, link_list; /* transfer: collective raw data; link_list: makes groups on the way */
  int folder;                    /* of a path that MPI cannot take; -1: it can */
  int64_t reserved;              /* bytes the file may grow to: rank 0 asks the disk for them before each write */
  vw_status failed;              /* the first failure: nothing is committed after it */
  vw_study_io io;
};

/* Every public function ends here: all ranks learn of a failure, and none commits after it. */
static vw_status settle(vw_study_file *f, vw_status mine) {
  const vw_status st = vw_agree_message(f->ranks, mine);
  f->failed = vw_first(f->failed, st);
  return st;
}

/* After a write that failed, HDF5 1.10 cannot close a parallel file: its ranks wait in different collective calls, in
 * H5Fclose as in the H5_term_library that MPI_Finalize calls. So such a file is left open, and MPI is told to end
 * without finalising. Negative: the system refused; a refused argument leaves HDF5 in order. */
static bool is_broken(const vw_study_file *f) {
  return f->failed < 0;
}

/* Every rank may have its own limit (ulimit -f). */
static vw_status check_limit(const vw_study_file *f, int64_t bytes) {
  struct rlimit most;
  const bool is_limited = getrlimit(RLIMIT_FSIZE, &most) == 0 && most.rlim_cur != RLIM_INFINITY;
  VW_CHECK(!is_limited || (rlim_t)bytes <= most.rlim_cur, VW_ERR_IO,
           "%s: needs up to %.1f MB, files may have %.1f MB here: raise the limit (ulimit -f) and run again",
           f->partial, (double)bytes / 1e6, (double)most.rlim_cur / 1e6);
  return VW_OK;
}

/* `bytes` more, filters and metadata included, or a full disk or a limit is seen before HDF5 sees it. Rank 0 asks for
 * the disk. */
static vw_status reserve(vw_study_file *f, int64_t bytes) {
  f->reserved += bytes + bytes / 64 + SET_BYTES;
  VW_TRY(check_limit(f, f->reserved + SPARE_BYTES));
  if (f->ranks->rank != 0) return VW_OK;
  VW_TRY(vw_fault("writing", f->partial));
  return vw_file_reserve(f->partial, f->reserved + SPARE_BYTES);
}

/* ---- create ---- */

/* All ranks write together, always. Left to itself, ROMIO lets them write alone where their rows do not interleave;
 * then only the rank whose write fails knows, and the others wait for it for ever in HDF5's next collective call. */
static vw_status make_hints(MPI_Info *hints) {
  VW_TRY(VW_MPI(MPI_Info_create, hints));
  return VW_MPI(MPI_Info_set, *hints, "romio_cb_write", "enable");
}

/* ROMIO takes what stands before a colon for a kind of file system and drops it. A path with one reaches the file
 * through its folder, which stays open as long as the file. */
static vw_status name_for_mpi(vw_study_file *f, char name[VW_PATH_BYTES]) {
  const char *slash = strrchr(f->partial, '/'), *file = slash ? slash + 1 : f->partial;
  char folder[VW_PATH_BYTES];
  if (!f->ranks->comms || !strchr(f->partial, ':')) return vw_path_format(name, "%s", f->partial);
  VW_TRY(vw_path_format(folder, "%.*s", slash ? (int)(file - f->partial) : 1, slash ? f->partial : "."));
  f->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  VW_CHECK(f->folder >= 0, VW_ERR_IO, "%s: cannot open: %s", folder, strerror(errno));
  return vw_path_format(name, "/proc/self/fd/%d/%s", f->folder, file);
}

static vw_status open_file(vw_study_file *f) {
  vw_status st = VW_OK;
  char name[VW_PATH_BYTES];
  MPI_Info hints = MPI_INFO_NULL;
  VW_TRY(vw_agree_message(f->ranks, name_for_mpi(f, name))); /* before a collective call */
  const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
  VW_HDF_GOTO(access, f->partial, "cannot prepare");
  if (f->ranks->comms) {
    VW_GOTO(make_hints(&hints));
    VW_HDF_GOTO(H5Pset_fapl_mpio(access, f->ranks->comms->all, hints), f->partial, "parallel access");
    VW_HDF_GOTO(H5Pset_all_coll_metadata_ops(access, true), f->partial, "parallel access");
    VW_HDF_GOTO(H5Pset_coll_metadata_write(access, true), f->partial, "parallel access");
  }
  VW_HDF_GOTO(f->id = H5Fcreate(name, H5F_ACC_TRUNC, H5P_DEFAULT, access), f->partial,
              "cannot create (is the folder there, and is there space?)");
  VW_GOTO(vw_write_guard(f->id, f->ranks, f->partial));
  VW_HDF_GOTO(f->transfer = H5Pcreate(H5P_DATASET_XFER), f->partial, "cannot prepare");
  if (f->ranks->comms)
    VW_HDF_GOTO(H5Pset_dxpl_mpio(f->transfer, H5FD_MPIO_COLLECTIVE), f->partial, "collective access");
  VW_HDF_GOTO(f->link_list = H5Pcreate(H5P_LINK_CREATE), f->partial, "cannot prepare");
  VW_HDF_GOTO(H5Pset_create_intermediate_group(f->link_list, 1), f->partial, "cannot prepare");
cleanup:
  if (access >= 0) (void)H5Pclose(access);
  if (hints != MPI_INFO_NULL) (void)MPI_Info_free(&hints);
  return st;
}

/* A missing folder or permission is found by one rank alone, before a collective call. The name is new and random, so
 * that HDF5, which opens by name, opens this file. HDF5 and MPI-IO lock files themselves: ours is given back. */
static vw_status create_empty(vw_study_file *f) {
  vw_partial p;
  VW_TRY(vw_partial_open(&p, f->path));
  (void)close(p.fd);
  return vw_path_format(f->partial, "%s", p.path);
}

static void free_file(vw_study_file *f) {
  if (f && f->folder >= 0) (void)close(f->folder);
  free(f);
}

static void close_ids(vw_study_file *f) {
  if (f->transfer >= 0) (void)H5Pclose(f->transfer);
  if (f->link_list >= 0) (void)H5Pclose(f->link_list);
  f->transfer = f->link_list = -1;
}

vw_status vw_study_file_create(const vw_ranks *ranks, const char *path, vw_study_file **out) {
  vw_study_file *f = calloc(1, sizeof *f);
  vw_status st = f ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "%s: out of memory", path);
  *out = NULL;
  if (f) {
    *f = (vw_study_file){.ranks = ranks, .id = -1, .transfer = -1, .link_list = -1, .folder = -1};
    st = vw_path_format(f->path, "%s", path);
  }
  vw_hdf_quiet();
  if (st == VW_OK && f && ranks->rank == 0) st = create_empty(f);
  st = vw_agree_message(ranks, st);
  if (st == VW_OK && f) st = vw_ranks_broadcast(ranks, f->partial, sizeof f->partial, 0);
  if (st == VW_OK && f) st = vw_agree_message(ranks, open_file(f));
  if (st == VW_OK) {
    vw_pulse_wait(); /* until it is closed: HDF5's collective calls wait for the slowest rank */
    *out = f;
    return VW_OK;
  }
  if (ranks->comms) ranks->comms->no_finalize = true; /* is_broken says why; some ranks may have it open */
  if (f && ranks->rank == 0 && f->partial[0]) (void)unlink(f->partial);
  free_file(f);
  return st;
}

/* ---- one data set ---- */

/* Is the scale in the group of `path`, or in one above it? */
static bool is_in_reach(const char *scale, const char *path) {
  const size_t group = (size_t)(strrchr(scale, '/') - scale);
  return strncmp(scale, path, group + 1) == 0;
}

/* What netCDF would read wrongly, or fail over, is refused with the rest: see study_file.h. */
static vw_status check_data(const vw_study_data *d) {
  VW_CHECK(d->path && d->path[0] == '/' && d->units, VW_ERR_ARG, "study file: a data set needs /path and units");
  VW_CHECK(d->ndim >= 1 && d->ndim <= VW_MAX_DIMS, VW_ERR_ARG, "%s: %d dimensions; 1 to %d are possible", d->path,
           d->ndim, VW_MAX_DIMS);
  VW_CHECK(d->text_bytes > 0 ? d->text_bytes >= VW_LEAST_TEXT : d->dtype != VW_F16, VW_ERR_ARG,
           "%s: netCDF cannot read %s", d->path, d->text_bytes > 0 ? "texts of one byte" : "fp16");
  for (int i = 0; i < d->ndim; i++) {
    VW_CHECK(d->dim[i] >= 0, VW_ERR_ARG, "%s: dimension %d is %" PRId64, d->path, i, d->dim[i]);
    VW_CHECK(!d->scale[i] || is_in_reach(d->scale[i], d->path), VW_ERR_ARG,
             "%s: netCDF cannot find its scale %s in another group", d->path, d->scale[i]);
  }
  return VW_OK;
}

/* About 1 MiB a chunk, whole rows where they fit: halves the first dimension that can be halved. */
static void choose_chunk(const vw_study_data *d, int64_t element_bytes, hsize_t *chunk) {
  int64_t bytes = element_bytes;
  for (int i = 0; i < d->ndim; i++) chunk[i] = (hsize_t)d->dim[i], bytes *= d->dim[i];
  for (int i = 0; i < d->ndim; i++)
    while (bytes > CHUNK_BYTES && chunk[i] > 1) {
      bytes /= (int64_t)chunk[i];
      chunk[i] = (chunk[i] + 1) / 2;
      bytes *= (int64_t)chunk[i];
    }
}

static vw_status set_fill(hid_t list, const vw_study_data *d, hid_t type) {
  const float f32 = NAN;
  const double f64 = NAN;
  const void *value = d->text_bytes        ? NULL
                      : d->dtype == VW_F32 ? (const void *)&f32
                      : d->dtype == VW_F64 ? (const void *)&f64
                                           : NULL;
  if (value) VW_HDF(H5Pset_fill_value(list, type, value), d->path, "fill value");
  return VW_OK;
}

/* Without times in it, so that the same results give the same file. */
static vw_status creation_list(const vw_study_data *d, hid_t type, hid_t *list) {
  hsize_t chunk[VW_MAX_DIMS];
  int64_t count = 1;
  for (int i = 0; i < d->ndim; i++) count *= d->dim[i];
  VW_HDF(*list = H5Pcreate(H5P_DATASET_CREATE), d->path, "cannot prepare");
  VW_HDF(H5Pset_obj_track_times(*list, false), d->path, "cannot prepare");
  VW_TRY(set_fill(*list, d, type));
  if (count == 0 || d->ndim == 0) return VW_OK; /* nothing to store, or one text: contiguous */
  choose_chunk(d, (int64_t)H5Tget_size(type), chunk);
  VW_HDF(H5Pset_chunk(*list, d->ndim, chunk), d->path, "chunks");
  VW_HDF(H5Pset_shuffle(*list), d->path, "shuffle filter");
  VW_HDF(H5Pset_deflate(*list, DEFLATE), d->path, "deflate filter");
  VW_HDF(H5Pset_fletcher32(*list), d->path, "fletcher32 filter");
  return VW_OK;
}

static vw_status write_attribute(hid_t object, const char *path, const char *name, hid_t type, const void *value) {
  vw_status st = VW_OK;
  hid_t attribute = -1;
  const hid_t space = H5Screate(H5S_SCALAR);
  VW_HDF_GOTO(space, path, name);
  VW_HDF_GOTO(attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), path, name);
  VW_HDF_GOTO(H5Awrite(attribute, type, value), path, name);
cleanup:
  if (attribute >= 0) (void)H5Aclose(attribute);
  if (space >= 0) (void)H5Sclose(space);
  return st;
}

static vw_status write_text_attribute(hid_t object, const char *path, const char *name, const char *text) {
  const size_t n = strlen(text);
  VW_CHECK(n < ATTRIBUTE_BYTES, VW_ERR_ARG, "%s: attribute %s has %zu bytes; write long texts as data sets", path, name,
           n);
  const hid_t type = vw_hdf_type(VW_U8, n ? (int64_t)n : 1);
  VW_HDF(type, path, name);
  const vw_status st = write_attribute(object, path, name, type, text);
  (void)H5Tclose(type);
  return st;
}

static vw_status create_data(vw_study_file *f, const vw_study_data *d, hid_t type, hid_t *set) {
  hsize_t dim[VW_MAX_DIMS];
  hid_t list = -1, space = -1;
  vw_status st = VW_OK;
  for (int i = 0; i < d->ndim; i++) dim[i] = (hsize_t)d->dim[i];
  VW_GOTO(creation_list(d, type, &list));
  VW_HDF_GOTO(space = d->ndim ? H5Screate_simple(d->ndim, dim, NULL) : H5Screate(H5S_SCALAR), d->path, "shape");
  VW_HDF_GOTO(*set = H5Dcreate2(f->id, d->path, type, space, f->link_list, list, H5P_DEFAULT), d->path,
              "cannot create (written twice?)");
  VW_GOTO(write_text_attribute(*set, d->path, "units", d->units));
  if (d->description) VW_GOTO(write_text_attribute(*set, d->path, "description", d->description));
cleanup:
  if (space >= 0) (void)H5Sclose(space);
  if (list >= 0) (void)H5Pclose(list);
  return st;
}

static vw_status attach_scales(vw_study_file *f, const vw_study_data *d, hid_t set) {
  for (int i = 0; i < d->ndim; i++) {
    if (!d->scale[i]) continue;
    const hid_t scale = H5Dopen2(f->id, d->scale[i], H5P_DEFAULT);
    VW_HDF(scale, d->scale[i], "no such dimension scale");
    const hid_t space = H5Dget_space(scale);
    const int64_t n = (int64_t)H5Sget_simple_extent_npoints(space);
    const herr_t err = n == d->dim[i] ? H5DSattach_scale(set, scale, (unsigned)i) : 0;
    (void)H5Sclose(space), (void)H5Dclose(scale);
    VW_CHECK(n == d->dim[i], VW_ERR_ARG, "%s: dimension %d has %" PRId64 " entries, its scale %s has %" PRId64, d->path,
             i, d->dim[i], d->scale[i], n);
    VW_HDF(err, d->path, "cannot attach the dimension scale");
  }
  return VW_OK;
}

/* ---- rows ---- */

static vw_status select_rows(const vw_study_data *d, const vw_row_set *rows, hid_t space) {
  hsize_t start[VW_MAX_DIMS] = {0}, count[VW_MAX_DIMS];
  for (int i = 1; i < d->ndim; i++) count[i] = (hsize_t)d->dim[i];
  VW_HDF(H5Sselect_none(space), d->path, "selection");
  for (int64_t i = 0; i < rows->n; i++) {
    start[0] = (hsize_t)rows->range[i].start, count[0] = (hsize_t)rows->range[i].count;
    VW_HDF(H5Sselect_hyperslab(space, i ? H5S_SELECT_OR : H5S_SELECT_SET, start, NULL, count, NULL), d->path,
           "selection");
  }
  return VW_OK;
}

static vw_status note_mode(vw_study_file *f, const char *path) {
  H5D_mpio_actual_io_mode_t mode = H5D_MPIO_NO_COLLECTIVE;
  uint32_t local = 0, global = 0;
  if (!f->ranks->comms) return VW_OK;
  VW_HDF(H5Pget_mpio_actual_io_mode(f->transfer, &mode), path, "mode");
  VW_HDF(H5Pget_mpio_no_collective_cause(f->transfer, &local, &global), path, "mode");
  f->io.writes++;
  f->io.collective += mode == H5D_MPIO_CHUNK_COLLECTIVE || mode == H5D_MPIO_CONTIGUOUS_COLLECTIVE;
  f->io.causes |= local | global;
  return VW_OK;
}

static vw_status write_selected(vw_study_file *f, const vw_study_data *d, hid_t set, hid_t type,
                                const vw_row_set *rows) {
  static const char nothing[8];
  hid_t space = -1, memory = -1;
  vw_status st = VW_OK;
  hsize_t count = (hsize_t)(rows->total ? rows->total : 1);
  for (int i = 1; i < d->ndim; i++) count *= (hsize_t)d->dim[i];
  VW_HDF_GOTO(space = H5Dget_space(set), d->path, "shape");
  VW_GOTO(select_rows(d, rows, space));
  VW_HDF_GOTO(memory = H5Screate_simple(1, &count, NULL), d->path, "shape");
  if (rows->total == 0) VW_HDF_GOTO(H5Sselect_none(memory), d->path, "selection");
  VW_HDF_GOTO(H5Dwrite(set, type, memory, space, f->transfer, rows->total ? rows->data : nothing), d->path,
              "cannot write (is the disk full?)");
  VW_GOTO(note_mode(f, d->path));
cleanup:
  if (memory >= 0) (void)H5Sclose(memory);
  if (space >= 0) (void)H5Sclose(space);
  return st;
}

/* Two ranks that bring the same row would be a mistake of the caller; together they bring at most all of them. */
static vw_status check_total(vw_study_file *f, const vw_study_data *d, const vw_row_set *rows) {
  int64_t total = rows->total;
  VW_TRY(vw_ranks_reduce(f->ranks, &total, 1, VW_REDUCE_SUM));
  VW_CHECK(total <= d->dim[0], VW_ERR_ARG, "%s: the ranks bring %" PRId64 " rows, it has %" PRId64, d->path, total,
           d->dim[0]);
  return VW_OK;
}

/* `set` stays open for the caller. What may fail on one rank alone is agreed on before the next collective call. */
static vw_status write_data(vw_study_file *f, const vw_study_data *d, const vw_row_range *mine, int64_t n,
                            const void *data, hid_t *set) {
  vw_row_set rows = {0};
  int64_t count = 1;
  vw_status st = check_data(d);
  const hid_t type = st == VW_OK ? vw_hdf_type(d->dtype, d->text_bytes) : -1;
  if (st == VW_OK && type < 0) st = VW_RAISE(VW_ERR_ARG, "%s: no such type in study files", d->path);
  for (int i = 0; st == VW_OK && i < d->ndim; i++) count *= d->dim[i];
  if (st == VW_OK)
    st = vw_row_set_sort(&rows, d->path, d->dim[0], mine, n, data,
                         d->dim[0] ? count / d->dim[0] * (int64_t)H5Tget_size(type) : 0);
  if (st == VW_OK) st = reserve(f, count * (int64_t)H5Tget_size(type));
  st = vw_agree_message(f->ranks, st);
  if (st == VW_OK) st = check_total(f, d, &rows);
  if (st == VW_OK) st = vw_agree_message(f->ranks, create_data(f, d, type, set));
  if (st == VW_OK) st = vw_agree_message(f->ranks, attach_scales(f, d, *set));
  if (st == VW_OK && count > 0) st = write_selected(f, d, *set, type, &rows);
  vw_row_set_free(&rows);
  if (type >= 0) (void)H5Tclose(type);
  return st;
}

static vw_status close_set(hid_t set, const char *path) {
  if (set >= 0) VW_HDF(H5Dclose(set), path, "cannot close");
  return VW_OK;
}

vw_status vw_study_file_write_rows(vw_study_file *f, const vw_study_data *d, const vw_row_range *mine, int64_t n,
                                   const void *rows) {
  hid_t set = -1;
  if (f->failed != VW_OK) return VW_RAISE(f->failed, "%s: an earlier write failed", f->partial);
  vw_status st = vw_agree_message(f->ranks, write_data(f, d, mine, n, rows, &set));
  st = vw_first(st, close_set(set, d->path));
  return settle(f, st);
}

vw_status vw_study_file_write_scale(vw_study_file *f, const vw_study_data *d, const vw_row_range *mine, int64_t n,
                                    const void *rows) {
  hid_t set = -1;
  if (f->failed != VW_OK) return VW_RAISE(f->failed, "%s: an earlier write failed", f->partial);
  vw_status st = vw_agree_message(f->ranks, write_data(f, d, mine, n, rows, &set));
  if (st == VW_OK && H5DSset_scale(set, strrchr(d->path, '/') + 1) < 0)
    st = vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, d->path, "cannot make it a dimension scale");
  st = vw_first(st, close_set(set, d->path));
  return settle(f, st);
}

/* ---- texts, attributes ---- */

/* The text with zeros behind it, `room` bytes long; the caller frees it. */
static vw_status copy_padded(const char *path, const char *text, int64_t bytes, int64_t room, char **padded) {
  VW_CHECK(*padded = calloc(1, (size_t)room), VW_ERR_MEMORY, "%s: out of memory", path);
  if (bytes > 0) memcpy(*padded, text, (size_t)bytes);
  return VW_OK;
}

vw_status vw_study_file_write_text(vw_study_file *f, const char *path, const char *text, int64_t bytes) {
  char *padded = NULL; /* rank 0 */
  hid_t set = -1, type = -1, space = -1;
  vw_status st = VW_OK;
  vw_study_data d = {.path = path, .text_bytes = bytes, .units = "utf-8"};
  if (f->failed != VW_OK) return VW_RAISE(f->failed, "%s: an earlier write failed", f->partial);
  VW_GOTO(vw_ranks_broadcast(f->ranks, &d.text_bytes, (int64_t)sizeof d.text_bytes, 0));
  d.text_bytes = d.text_bytes > 0 ? d.text_bytes + 1 : VW_LEAST_TEXT;
  st = reserve(f, d.text_bytes);
  if (st == VW_OK && f->ranks->rank == 0) st = copy_padded(path, text, bytes, d.text_bytes, &padded);
  VW_GOTO(vw_agree_message(f->ranks, st));
  VW_HDF_GOTO(type = vw_hdf_type(VW_U8, d.text_bytes), path, "type");
  VW_GOTO(create_data(f, &d, type, &set));
  VW_HDF_GOTO(space = H5Dget_space(set), path, "shape");
  if (f->ranks->rank != 0) VW_HDF_GOTO(H5Sselect_none(space), path, "selection");
  VW_HDF_GOTO(H5Dwrite(set, type, space, space, f->transfer, f->ranks->rank == 0 ? padded : ""), path,
              "cannot write (is the disk full?)");
  VW_GOTO(note_mode(f, path));
cleanup:
  free(padded);
  if (space >= 0) (void)H5Sclose(space);
  if (type >= 0) (void)H5Tclose(type);
  st = vw_first(st, close_set(set, path));
  return settle(f, st);
}

/* Opens the object, groups are made; -1 on failure. */
static hid_t open_object(vw_study_file *f, const char *path) {
  if (strcmp(path, "/") == 0 || H5Lexists(f->id, path, H5P_DEFAULT) > 0) return H5Oopen(f->id, path, H5P_DEFAULT);
  return H5Gcreate2(f->id, path, f->link_list, H5P_DEFAULT, H5P_DEFAULT);
}

vw_status vw_study_file_attribute_text(vw_study_file *f, const char *object, const char *name, const char *text) {
  static char all[ATTRIBUTE_BYTES]; /* HDF5 is not thread-safe either */
  if (f->failed != VW_OK) return VW_RAISE(f->failed, "%s: an earlier write failed", f->partial);
  vw_status st = VW_OK;
  if (f->ranks->rank == 0 && snprintf(all, sizeof all, "%s", text) >= (int)sizeof all)
    st = VW_RAISE(VW_ERR_ARG, "%s: attribute %s is too long; write long texts as data sets", object, name);
  st = vw_agree_message(f->ranks, st);
  if (st == VW_OK) st = vw_ranks_broadcast(f->ranks, all, (int64_t)sizeof all, 0);
  if (st != VW_OK) return settle(f, st);
  const hid_t id = open_object(f, object);
  st = id < 0 ? vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, object, "cannot open")
              : write_text_attribute(id, object, name, all);
  if (id >= 0) (void)H5Oclose(id);
  return settle(f, st);
}

vw_status vw_study_file_attribute_number(vw_study_file *f, const char *object, const char *name, double value) {
  if (f->failed != VW_OK) return VW_RAISE(f->failed, "%s: an earlier write failed", f->partial);
  vw_status st = vw_ranks_broadcast(f->ranks, &value, (int64_t)sizeof value, 0);
  if (st != VW_OK) return settle(f, st);
  const hid_t id = open_object(f, object);
  st = id < 0 ? vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, object, "cannot open")
              : write_attribute(id, object, name, H5T_IEEE_F64LE, &value);
  if (id >= 0) (void)H5Oclose(id);
  return settle(f, st);
}

const vw_study_io *vw_study_file_io(const vw_study_file *f) {
  return &f->io;
}

/* ---- close ---- */

/* Rank 0, after HDF5 has let go of the file or will never. */
static vw_status commit(vw_study_file *f, vw_status st) {
  if (st == VW_OK) st = vw_file_trim(f->partial);
  if (st == VW_OK) st = vw_manifest_commit(f->partial, f->path);
  if (st != VW_OK) (void)unlink(f->partial);
  return st;
}

vw_status vw_study_file_close(vw_study_file *f, vw_status mine) {
  if (!f) return mine;
  vw_status st = f->failed;
  if (st == VW_OK && H5Fflush(f->id, H5F_SCOPE_GLOBAL) < 0) /* MPI_File_sync on all ranks */
    st = vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, f->partial, "cannot write (is the disk full?)");
  if (f->failed == VW_OK) st = settle(f, st);
  if (!is_broken(f)) {
    close_ids(f);
    if (H5Fclose(f->id) < 0) st = vw_first(st, vw_hdf_raise(VW_ERR_IO, __FILE__, __LINE__, f->partial, "cannot close"));
  } else if (f->ranks->comms) {
    f->ranks->comms->no_finalize = true;
  }
  st = f->failed == VW_OK ? vw_agree_message(f->ranks, vw_first(mine, st)) : f->failed;
  if (f->ranks->rank == 0) {
    const vw_status done = commit(f, st);
    st = vw_first(st, done);
  }
  if (f->failed == VW_OK) st = vw_agree_message(f->ranks, st);
  vw_pulse_resume();
  free_file(f);
  return st;
}
