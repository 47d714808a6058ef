#include "io/names.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

static bool is_ascii(const char *s) {
  for (; *s; s++)
    if ((unsigned char)*s >= 128) return false;
  return true;
}

bool vw_name_equal(const char *a, const char *b) {
  if (strcmp(a, b) == 0) return true;
  if (is_ascii(a) || is_ascii(b)) return false; /* what composes to ASCII is ASCII, but for a few signs in no name */
  utf8proc_uint8_t *x = utf8proc_NFC((const utf8proc_uint8_t *)a), *y = utf8proc_NFC((const utf8proc_uint8_t *)b);
  const bool equal = x && y && strcmp((const char *)x, (const char *)y) == 0;
  free(x), free(y);
  return equal;
}

int64_t vw_name_place(const char *const *names, int64_t n, const char *name) {
  for (int64_t i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return i;
  for (int64_t i = 0; i < n; i++)
    if (vw_name_equal(names[i], name)) return i;
  return -1;
}
