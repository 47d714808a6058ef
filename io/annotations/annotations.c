#include "io/annotations/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void vw_annotations_destroy(vw_annotations *a) {
  if (!a) return;
  free(a->classes), free(a->pictures), free(a->boxes);
  vw_pool_fini(&a->pool);
  free(a);
}

vw_status vw_list_grow(void **list, int64_t n, int64_t *room, size_t bytes, const char *what) {
  if (n < *room) return VW_OK;
  const int64_t more = *room ? 2 * *room : 256;
  void *grown = realloc(*list, (size_t)more * bytes);
  VW_CHECK(grown, VW_ERR_MEMORY, "no memory for more than %" PRId64 " %s", n, what);
  *list = grown, *room = more;
  return VW_OK;
}

vw_status vw_boxes_by_picture(vw_annotations *a) {
  int64_t *first = calloc((size_t)a->n_pictures + 2, sizeof *first);
  vw_annotated_box *sorted = malloc(((size_t)a->n_boxes + 1) * sizeof *sorted);
  if (!first || !sorted) {
    free(first), free(sorted);
    return VW_RAISE(VW_ERR_MEMORY, "no memory to order %" PRId64 " boxes", a->n_boxes);
  }
  for (int64_t i = 0; i < a->n_boxes; i++) first[a->boxes[i].picture + 1]++;
  for (int64_t p = 0; p < a->n_pictures; p++) first[p + 1] += first[p];
  for (int64_t i = 0; i < a->n_boxes; i++) sorted[first[a->boxes[i].picture]++] = a->boxes[i];
  free(a->boxes), free(first);
  a->boxes = sorted;
  return VW_OK;
}

bool vw_name_stays_below(const char *name) {
  if (!*name || *name == '/') return false;
  for (const char *p = name; *p;) {
    const size_t n = strcspn(p, "/");
    if (n == 2 && p[0] == '.' && p[1] == '.') return false;
    p += n + (p[n] == '/');
  }
  return true;
}
