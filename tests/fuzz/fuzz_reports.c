/* What `viswords report` reads beside results: figures/index.json, and after a 0 byte log/times.jsonl. */
#include "results/figures/figures.h"
#include "results/report/report.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

void fuzz_one(const uint8_t *data, size_t size) {
  static vw_stage_times times;
  const uint8_t *part;
  size_t n;
  vw_figure *figures = NULL;
  int64_t n_figures = 0;
  fuzz_part(&data, &size, &part, &n);
  (void)fuzz_file("figures/index.json", part, n);
  (void)fuzz_file("log/times.jsonl", data, size);
  if (vw_figures_read(FUZZ_FOLDER, &figures, &n_figures) == VW_OK)
    for (int64_t i = 0; i < n_figures; i++)
      if (!figures[i].kind || !figures[i].name[0] || strchr(figures[i].name, '/')) abort();
  free(figures);
  memset(&times, 0, sizeof times);
  vw_times_read(FUZZ_FOLDER, &times);
  if (times.n > VW_MOST_STAGES) abort();
  for (int i = 0; i < times.n; i++)
    if (!times.stage[i].name[0] || !times.stage[i].runs || strstr(times.stage[i].with, "(null)")) abort();
}
