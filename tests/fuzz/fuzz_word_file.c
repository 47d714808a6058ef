/* A file of words, of any layout: opened, every word read to its last number. */
#include "io/hub/word_file.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size) {
  static volatile size_t sum;
  vw_word_file f;
  if (vw_word_file_open(&f, fuzz_file("input.safetensors", data, size)) != VW_OK) return;
  for (int64_t i = 0; i < f.n; i++) {
    const vw_file_word *w = &f.words[i];
    const char *texts[] = {w->name, w->key,     w->model,   w->concept,  w->anchor,
                           w->id,   w->network, w->weights, w->protocol, w->embedding};
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) sum = sum + (texts[k] ? strlen(texts[k]) : 0);
    double *x = malloc((size_t)(w->vectors * w->width) * sizeof *x);
    if (x && vw_word_file_read(&f, i, x) == VW_OK) sum = sum + (x[0] > 0);
    for (size_t b = 0; w->anchor_data && b < (size_t)w->width * vw_dtype_bytes(w->type); b++)
      sum = sum + ((const uint8_t *)w->anchor_data)[b];
    free(x);
  }
  vw_word_file_close(&f);
}
