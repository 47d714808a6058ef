#include "io/versions.h"

#include <stdio.h>

#include <jansson.h>

#include <hdf5.h>
#include <jpeglib.h>
#include <png.h>
#include <utf8proc.h>
#include <webp/decode.h>
#include <yaml.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

static void set(vw_library *l, const char *name, const char *version) {
  l->name = name;
  (void)snprintf(l->version, sizeof l->version, "%s", version);
}

void vw_io_libraries(vw_library library[VW_LIBRARIES]) {
  unsigned major = 0, minor = 0, patch = 0;
  char hdf5[VW_VERSION_TEXT];
  (void)H5get_libversion(&major, &minor, &patch);
#ifdef H5_HAVE_PARALLEL
  static const char *const how = "parallel";
#else
  static const char *const how = "NOT parallel";
#endif
  (void)snprintf(hdf5, sizeof hdf5, "%u.%u.%u, %s", major, minor, patch, how);
  set(&library[0], "HDF5", hdf5);
  set(&library[1], "libyaml", yaml_get_version_string());
  set(&library[2], "jansson", JANSSON_VERSION);
#ifdef LIBJPEG_TURBO_VERSION
  set(&library[3], "libjpeg", "turbo " TEXT(LIBJPEG_TURBO_VERSION));
#else
  set(&library[3], "libjpeg", TEXT(JPEG_LIB_VERSION));
#endif
  set(&library[4], "libpng", png_get_libpng_ver(NULL));
  set(&library[5], "utf8proc", utf8proc_version());
  const unsigned webp = (unsigned)WebPGetDecoderVersion();
  char text[VW_VERSION_TEXT];
  (void)snprintf(text, sizeof text, "%u.%u.%u", webp >> 16, webp >> 8 & 0xff, webp & 0xff);
  set(&library[6], "libwebp", text);
}
