/* What `viswords status` shows of a directory's log/ranks.jsonl and .lock, with a 0 byte between the lines of the first
 * (each given its checksum) and an empty part before the second. */
#include "io/json.h"
#include "jobs/status_ranks.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rank_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(const vw_rank_views *views) {
  for (int64_t i = 0; i < views->n; i++) vw_rank_view_print(&views->view[i], 3, "\n");
  json_t *all = vw_rank_views_json(views);
  if ((int64_t)json_array_size(all) != views->n) abort(); /* a run that JSON cannot say is lost */
  for (int64_t i = 0; i < views->n; i++)
    if ((int64_t)json_array_size(json_object_get(json_array_get(all, (size_t)i), "ranks")) != views->view[i].run.ranks)
      abort();
  (void)vw_json_print(all, JSON_COMPACT, stdout);
  json_decref(all);
}

void fuzz_one(const uint8_t *data, size_t size) {
  enum { MOST = 8 };
  static char lines[MOST * VW_RANK_RECORD];
  static bool is_quiet;
  const uint8_t *part;
  size_t n, bytes = 0;
  vw_rank_views views;
  if (!is_quiet && !freopen("/dev/null", "w", stdout)) abort();
  is_quiet = true;
  for (int i = 0; i < MOST && size; i++) {
    fuzz_part(&data, &size, &part, &n);
    if (!n) break;
    bytes += fuzz_rank_line(lines + bytes, part, n);
  }
  (void)fuzz_file("log/ranks.jsonl", lines, bytes);
  fuzz_forget(".lock");
  if (size) (void)fuzz_file(".lock", data, size);
  if (vw_rank_views_look(FUZZ_FOLDER, &views) != VW_OK) abort();
  show(&views);
  vw_rank_views_free(&views);
}
