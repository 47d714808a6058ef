#include "io/study/hdf.h"

#include <stdio.h>

enum { TEXT_BYTES = 512 };

void vw_hdf_quiet(void) {
  (void)H5dont_atexit(); /* our files are closed by us; one that cannot be closed must not be tried again at the end */
  (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
}

static hid_t half_type(void) {
  const hid_t t = H5Tcopy(H5T_IEEE_F32LE); /* IEEE 754 binary16, as numpy's float16 */
  if (t < 0 || H5Tset_fields(t, 15, 10, 5, 0, 10) < 0 || H5Tset_size(t, 2) < 0 || H5Tset_ebias(t, 15) < 0) return -1;
  return t;
}

hid_t vw_hdf_type(vw_dtype dtype, int64_t text_bytes) {
  if (text_bytes > 0) {
    const hid_t t = H5Tcopy(H5T_C_S1);
    if (t < 0 || H5Tset_size(t, (size_t)text_bytes) < 0 || H5Tset_cset(t, H5T_CSET_UTF8) < 0 ||
        H5Tset_strpad(t, H5T_STR_NULLPAD) < 0)
      return -1;
    return t;
  }
  switch (dtype) {
  case VW_F32:
    return H5Tcopy(H5T_IEEE_F32LE);
  case VW_F64:
    return H5Tcopy(H5T_IEEE_F64LE);
  case VW_F16:
    return half_type();
  case VW_I32:
    return H5Tcopy(H5T_STD_I32LE);
  case VW_I64:
    return H5Tcopy(H5T_STD_I64LE);
  case VW_U32:
    return H5Tcopy(H5T_STD_U32LE);
  case VW_U8:
    return H5Tcopy(H5T_STD_U8LE);
  default:
    return -1;
  }
}

bool vw_hdf_type_known(hid_t type, vw_dtype *dtype, int64_t *text_bytes) {
  static const vw_dtype all[] = {VW_F32, VW_F64, VW_F16, VW_I32, VW_I64, VW_U32, VW_U8};
  *text_bytes = 0, *dtype = VW_U8;
  if (H5Tget_class(type) == H5T_STRING) {
    if (H5Tis_variable_str(type) > 0) return false;
    *text_bytes = (int64_t)H5Tget_size(type);
    return *text_bytes > 0;
  }
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    const hid_t t = vw_hdf_type(all[i], 0);
    const bool same = t >= 0 && H5Tequal(t, type) > 0;
    (void)H5Tclose(t);
    if (same) return *dtype = all[i], true;
  }
  return false;
}

static herr_t keep_first(unsigned n, const H5E_error2_t *error, void *text) {
  if (n == 0) (void)snprintf(text, TEXT_BYTES, "%s", error->desc ? error->desc : "");
  return 0;
}

vw_status vw_hdf_raise(vw_status st, const char *file, int line, const char *path, const char *what) {
  char text[TEXT_BYTES] = "no reason given";
  (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, text);
  (void)H5Eclear2(H5E_DEFAULT);
  return vw_raise(st, file, line, "%s: %s: HDF5: %s", path, what, text);
}
