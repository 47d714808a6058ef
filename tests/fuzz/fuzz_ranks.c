/* log/ranks.jsonl: lines with a 0 byte between them, each given its checksum, as a writer gone mad would; else few inputs
 * came past it. A first byte of 1 takes the rest as the file itself. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rank_line.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void look(const char *text, int64_t bytes) {
  static volatile double sum;
  vw_run_record run;
  vw_rank_record *ranks = NULL;
  vw_rank_totals t;
  if (vw_rank_file_parse("input", text, bytes, &run, &ranks) != VW_OK) return;
  vw_rank_totals_of(&run, ranks, &t);
  if (t.slowest >= run.ranks || t.heard > run.ranks || isnan(t.left)) abort();
  for (int64_t i = 0; i < run.ranks; i++) {
    if (ranks[i].rank != i) abort();
    sum = sum + vw_rank_rate(&ranks[i]) + vw_rank_item_left(&ranks[i]) + (double)strlen(ranks[i].item);
  }
  free(ranks);
}

void fuzz_one(const uint8_t *data, size_t size) {
  enum { MOST = 8 };
  char text[MOST * VW_RANK_RECORD];
  int64_t lines = 0;
  if (size && data[0] == 1) {
    look((const char *)data + 1, (int64_t)size - 1);
    return;
  }
  for (; lines < MOST && size; lines++) {
    const uint8_t *end = memchr(data, 0, size);
    const size_t n = end ? (size_t)(end - data) : size;
    (void)fuzz_rank_line(text + lines * VW_RANK_RECORD, data, n);
    data += end ? n + 1 : n, size -= end ? n + 1 : n;
  }
  look(text, lines * VW_RANK_RECORD);
}
