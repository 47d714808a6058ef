#include "cluster/sections.h"

#include "core/text.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void set_name(char out[VW_SECTION_NAME], const char *name) {
  (void)snprintf(out, VW_SECTION_NAME, "%s", name);
}

void vw_sections_add(vw_sections *s, const char *stage, const char *name, double seconds) {
  char cut_stage[VW_SECTION_NAME], cut_name[VW_SECTION_NAME];
  int i = 0;
  set_name(cut_stage, stage), set_name(cut_name, name);
  while (i < s->n && (strcmp(s->row[i].stage, cut_stage) != 0 || strcmp(s->row[i].name, cut_name) != 0)) i++;
  if (i == VW_MAX_SECTIONS) i--; /* timing must not stop a run */
  if (i == s->n) {
    s->row[s->n] = (vw_section){.seconds = 0}; /* names are compared and sent with the zeros behind them */
    (void)strcpy(s->row[s->n].stage, cut_stage), (void)strcpy(s->row[s->n].name, cut_name);
    s->n++;
  }
  s->row[i].seconds += seconds, s->row[i].calls++;
}

/* The row of these names, made if need be: after the last of its stage, so that stages stay together. */
static vw_section_stats *find(vw_section_stats *stats, int64_t *n, const vw_section *of) {
  int64_t at = *n;
  for (int64_t i = 0; i < *n; i++) {
    if (strcmp(stats[i].stage, of->stage) != 0) continue;
    if (strcmp(stats[i].name, of->name) == 0) return &stats[i];
    at = i + 1;
  }
  memmove(stats + at + 1, stats + at, (size_t)(*n - at) * sizeof *stats);
  stats[at] = (vw_section_stats){.min = INFINITY};
  set_name(stats[at].stage, of->stage), set_name(stats[at].name, of->name);
  (*n)++;
  return &stats[at];
}

/* Until `complete`, mean holds the sum and imbalance the number of ranks that had the section. */
static void add_rank(vw_section_stats *stats, int64_t *n, const vw_section *rows, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    vw_section_stats *s = find(stats, n, &rows[i]);
    s->min = fmin(s->min, rows[i].seconds), s->max = fmax(s->max, rows[i].seconds);
    s->mean += rows[i].seconds, s->calls += rows[i].calls, s->imbalance += 1;
  }
}

static void complete(vw_section_stats *s, int ranks) {
  if (s->imbalance < ranks) s->min = 0;
  s->mean /= ranks;
  s->imbalance = s->mean > 0 ? s->max / s->mean : 1;
}

vw_status vw_sections_gather(const vw_ranks *ranks, const vw_sections *mine, vw_section_stats **stats, int64_t *n) {
  void *all = NULL;
  vw_status st = VW_OK;
  *stats = NULL, *n = 0;
  int64_t *bytes = calloc((size_t)ranks->size, sizeof *bytes), total = 0, at = 0;
  VW_GOTO(vw_agree_message(ranks, bytes ? VW_OK : VW_RAISE(VW_ERR_MEMORY, "times: out of memory")));
  VW_GOTO(vw_ranks_gather(ranks, mine->row, mine->n * (int64_t)sizeof *mine->row, &all, bytes));
  if (ranks->rank != 0) goto cleanup;
  for (int i = 0; i < ranks->size; i++) total += bytes[i] / (int64_t)sizeof(vw_section);
  if (!(*stats = calloc((size_t)total + 1, sizeof **stats))) VW_GOTO(VW_RAISE(VW_ERR_MEMORY, "times: out of memory"));
  for (int i = 0; i < ranks->size; i++) {
    const int64_t count = bytes[i] / (int64_t)sizeof(vw_section);
    add_rank(*stats, n, (const vw_section *)all + at, count);
    at += count;
  }
  for (int64_t i = 0; i < *n; i++) complete(&(*stats)[i], ranks->size);
cleanup:
  free(all), free(bytes);
  return st;
}

void vw_sections_print(FILE *out, const vw_section_stats *stats, int64_t n, int ranks) {
  double total = 0;
  const char *stage = "";
  for (int64_t i = 0; i < n; i++) total += stats[i].mean;
  (void)vw_print(out, "%-10s %-18s %9s %9s %9s %9s %6s %9s\n", "stage", "section", "min s", "mean s", "max s",
                 "imbalance", "share", "calls");
  for (int64_t i = 0; i < n; i++) {
    const vw_section_stats *s = &stats[i];
    (void)vw_print(out, "%-10s %-18s %9.2f %9.2f %9.2f %9.2f %5.1f%% %9" PRId64 "\n",
                   strcmp(stage, s->stage) ? s->stage : "", s->name, s->min, s->mean, s->max, s->imbalance,
                   total > 0 ? 100 * s->mean / total : 0, s->calls);
    stage = s->stage;
  }
  (void)vw_print(out, "%-10s %-18s %9s %9.2f %9s %9s %6s  on %d rank%s\n", "total", "", "", total, "", "", "", ranks,
                 ranks == 1 ? "" : "s");
}
