#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/durable.h"
#include "io/hdf.h"
#include "io/manifest.h"
#include "io/study_file.h"

struct vw_study_reader {
  char path[VW_PATH_BYTES];
  hid_t file;
  vw_study_data *data; /* strings owned */
  int64_t n, room;
  vw_status st; /* of the walk */
};

/* An attribute of fixed-length text, malloc'ed; NULL when there is none. */
static char *attribute(hid_t set, const char *name) {
  char *text = NULL;
  if (H5Aexists(set, name) <= 0) return NULL;
  const hid_t a = H5Aopen(set, name, H5P_DEFAULT), type = a < 0 ? -1 : H5Aget_type(a);
  if (type >= 0 && H5Tget_class(type) == H5T_STRING && H5Tis_variable_str(type) == 0)
    text = calloc(1, H5Tget_size(type) + 1);
  if (text && H5Aread(a, type, text) < 0) free(text), text = NULL;
  if (type >= 0) (void)H5Tclose(type);
  if (a >= 0) (void)H5Aclose(a);
  return text;
}

static vw_status describe(vw_study_reader *r, hid_t set, const char *name, vw_study_data *d) {
  hsize_t dim[H5S_MAX_RANK];
  const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  const bool known = type >= 0 && vw_hdf_type_known(type, &d->dtype, &d->text_bytes);
  d->ndim = space < 0 ? -1 : H5Sget_simple_extent_dims(space, dim, NULL);
  for (int i = 0; i < d->ndim && i < VW_MAX_DIMS; i++) d->dim[i] = (int64_t)dim[i];
  if (type >= 0) (void)H5Tclose(type);
  if (space >= 0) (void)H5Sclose(space);
  VW_CHECK(known && d->ndim >= 0 && d->ndim <= VW_MAX_DIMS, VW_ERR_INPUT,
           "%s: data set %s has a type or a number of dimensions that study files do not have", r->path, name);
  return VW_OK;
}

static vw_status add(vw_study_reader *r, hid_t set, const char *name) {
  if (r->n == r->room) {
    const int64_t room = r->room ? 2 * r->room : 64;
    vw_study_data *more = realloc(r->data, (size_t)room * sizeof *more);
    VW_CHECK(more, VW_ERR_MEMORY, "%s: out of memory", r->path);
    r->data = more, r->room = room;
  }
  vw_study_data *d = &r->data[r->n];
  *d = (vw_study_data){0};
  VW_TRY(describe(r, set, name, d));
  char *path = malloc(strlen(name) + 2);
  VW_CHECK(path, VW_ERR_MEMORY, "%s: out of memory", r->path);
  (void)sprintf(path, "/%s", name);
  d->path = path, d->units = attribute(set, "units"), d->description = attribute(set, "description");
  r->n++;
  return VW_OK;
}

static herr_t visit(hid_t file, const char *name, const H5O_info_t *info, void *argument) {
  vw_study_reader *r = argument;
  if (info->type != H5O_TYPE_DATASET) return 0;
  const hid_t set = H5Dopen2(file, name, H5P_DEFAULT);
  r->st = set < 0 ? vw_hdf_raise(VW_ERR_INPUT, __FILE__, __LINE__, name, "cannot open") : add(r, set, name);
  if (set >= 0) (void)H5Dclose(set);
  return r->st == VW_OK ? 0 : -1;
}

static int by_path(const void *a, const void *b) {
  return strcmp(((const vw_study_data *)a)->path, ((const vw_study_data *)b)->path);
}

vw_status vw_study_reader_open(const char *path, vw_study_reader **out) {
  vw_study_reader *r = NULL;
  vw_status st = VW_OK;
  *out = NULL;
  VW_TRY(vw_manifest_verify(path));
  vw_hdf_quiet();
  r = calloc(1, sizeof *r);
  VW_CHECK(r, VW_ERR_MEMORY, "%s: out of memory", path);
  r->file = -1;
  VW_GOTO(vw_path_format(r->path, "%s", path));
  VW_HDF_GOTO(r->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), path, "cannot open");
  if (H5Ovisit2(r->file, H5_INDEX_NAME, H5_ITER_INC, visit, r, H5O_INFO_BASIC) < 0)
    VW_GOTO(r->st != VW_OK ? r->st : vw_hdf_raise(VW_ERR_INPUT, __FILE__, __LINE__, path, "cannot list"));
  if (r->n) qsort(r->data, (size_t)r->n, sizeof *r->data, by_path);
  *out = r;
cleanup:
  if (st != VW_OK) vw_study_reader_close(r);
  return st;
}

void vw_study_reader_close(vw_study_reader *r) {
  if (!r) return;
  for (int64_t i = 0; i < r->n; i++)
    free((char *)r->data[i].path), free((char *)r->data[i].units), free((char *)r->data[i].description);
  free(r->data);
  if (r->file >= 0) (void)H5Fclose(r->file);
  free(r);
}

int64_t vw_study_reader_count(const vw_study_reader *r) {
  return r->n;
}

const vw_study_data *vw_study_reader_data(const vw_study_reader *r, int64_t i) {
  return i >= 0 && i < r->n ? &r->data[i] : NULL;
}

const vw_study_data *vw_study_reader_find(const vw_study_reader *r, const char *path) {
  const vw_study_data key = {.path = path};
  return r->n ? bsearch(&key, r->data, (size_t)r->n, sizeof key, by_path) : NULL;
}

vw_status vw_study_reader_read(const vw_study_reader *r, const char *path, void **values) {
  vw_status st = VW_OK;
  hid_t set = -1, type = -1;
  const vw_study_data *d = vw_study_reader_find(r, path);
  *values = NULL;
  VW_CHECK(d, VW_ERR_INPUT, "%s: no data set %s in it", r->path, path);
  size_t count = 1;
  for (int i = 0; i < d->ndim; i++) count *= (size_t)d->dim[i];
  VW_HDF_GOTO(set = H5Dopen2(r->file, path, H5P_DEFAULT), path, "cannot open");
  VW_HDF_GOTO(type = H5Dget_type(set), path, "type");
  if (!(*values = calloc(1, count * H5Tget_size(type) + 1)))
    VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "%s: %s: out of memory", r->path, path));
  if (count) VW_HDF_GOTO(H5Dread(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *values), path, "cannot read");
cleanup:
  if (type >= 0) (void)H5Tclose(type);
  if (set >= 0) (void)H5Dclose(set);
  if (st != VW_OK) free(*values), *values = NULL;
  return st;
}
