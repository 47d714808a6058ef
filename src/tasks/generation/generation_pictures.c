#include "tasks/generation/generation_pictures.h"

#include "core/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vw_status draw_null(const vw_task_inputs *in, const char *concept, int64_t *picture, int64_t *n) {
  const vw_picture_set *p = in->pictures;
  const vw_stream stream = {.data = p->data->name, .concept = concept, .replica = 0, .seed = in->seed};
  int32_t *drawn = malloc((size_t)(p->data->train + 1) * sizeof *drawn);
  uint64_t key = 0;
  uint32_t i = 0;
  VW_CHECK(drawn, VW_ERR_MEMORY, "out of memory");
  vw_status st = vw_stream_key(&stream, &key);
  if (st == VW_OK) st = vw_draw_distinct(key, VW_DRAW_NULL, &i, p->class_train, p->data->train, drawn, n);
  for (int64_t k = 0; st == VW_OK && k < *n; k++) picture[k] = drawn[k];
  free(drawn);
  return st;
}

vw_status vw_generation_pictures(const vw_task_inputs *in, const char *concept, bool is_null, int64_t **picture,
                                 int64_t *n) {
  const vw_picture_set *p = in->pictures;
  const int64_t owner = is_null ? -1 : vw_picture_set_find(p, concept);
  vw_status st = VW_OK;
  *n = 0;
  *picture = malloc((size_t)(p->n_train + p->data->train + 1) * sizeof **picture);
  VW_CHECK(*picture, VW_ERR_MEMORY, "out of memory");
  if (is_null)
    st = draw_null(in, concept, *picture, n);
  else if (owner < 0)
    st = VW_RAISE(VW_ERR_ARG, "concept '%s' is not in data set '%s'", concept, p->data->name);
  for (int64_t i = 0; owner >= 0 && i < p->owners[owner].n_train; i++)
    (*picture)[(*n)++] = p->owners[owner].train_first + i;
  if (st == VW_OK && *n == 0)
    st = VW_RAISE(VW_ERR_INPUT, "data set '%s', concept '%s': there is no training picture", p->data->name, concept);
  if (st != VW_OK) free(*picture), *picture = NULL;
  return st;
}

static vw_status mark(const vw_task_inputs *in, const char *concept, bool is_null, uint8_t *wanted) {
  int64_t *picture = NULL, n = 0;
  VW_TRY(vw_generation_pictures(in, concept, is_null, &picture, &n));
  for (int64_t i = 0; i < n; i++) wanted[picture[i]] = 1;
  free(picture);
  return VW_OK;
}

vw_status vw_generation_wanted(const vw_task_inputs *in, int64_t **picture, int64_t *n) {
  const vw_names *concepts = &in->pictures->data->concepts;
  const int64_t all = in->pictures->n_train;
  uint8_t *wanted = calloc((size_t)all + 1, 1);
  vw_status st = VW_OK;
  *picture = malloc((size_t)(all + 1) * sizeof **picture), *n = 0;
  if (!wanted || !*picture) st = VW_RAISE(VW_ERR_MEMORY, "out of memory");
  for (int64_t k = 0; st == VW_OK && k < in->concepts; k++) {
    const bool is_null = k >= concepts->n;
    char name[32];
    (void)snprintf(name, sizeof name, "null-%" PRId64, k - concepts->n);
    st = mark(in, is_null ? name : concepts->name[k], is_null, wanted);
  }
  for (int64_t i = 0; st == VW_OK && i < all; i++)
    if (wanted[i]) (*picture)[(*n)++] = i;
  free(wanted);
  if (st != VW_OK) free(*picture), *picture = NULL;
  return st;
}
