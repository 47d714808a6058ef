/* figures/<name>.csv: the rows of the summary that a figure shows. */
#include "results/collect/collect_format.h"
#include "results/figures/figure.h"

#include "core/text.h"

#include <math.h>
#include <string.h>

typedef struct column {
  const char *name;
  size_t offset;
  bool is_text;
} column;
#define TEXT(member)                                                                                                   \
  { #member, offsetof(vw_figure_row, member), true }
#define NUMBER(member)                                                                                                 \
  { #member, offsetof(vw_figure_row, member), false }
static const column columns[] = {TEXT(model),   TEXT(from),    TEXT(to),       TEXT(data),     TEXT(kind),
                                 TEXT(source),  TEXT(what),    TEXT(quantity), TEXT(position), NUMBER(delta),
                                 NUMBER(layer), NUMBER(depth), NUMBER(layers), NUMBER(step),   TEXT(metric)};
enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *text_of(const vw_figure_row *r, const column *c) {
  const char *text = NULL;
  memcpy(&text, (const char *)r + c->offset, sizeof text);
  return text;
}

static double number_of(const vw_figure_row *r, const column *c) {
  double v = 0;
  memcpy(&v, (const char *)r + c->offset, sizeof v);
  return v;
}

static bool is_used(const column *c, const vw_figure_row *const *rows, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (c->is_text ? text_of(rows[i], c)[0] != 0 : !isnan(number_of(rows[i], c))) return true;
  return false;
}

static void put_number(FILE *out, double v) {
  char text[VW_DELTA_TEXT] = "";
  if (!isnan(v)) vw_delta_text(v, text);
  vw_csv_text(out, text);
}

/* A metric of a task that is a share, or a share of neighbours. */
static bool is_share(const char *metric) {
  for (int k = 0; k < vw_n_kinds; k++)
    for (int i = 0; i < vw_kinds[k].task->n_metrics; i++)
      if (!strcmp(vw_kinds[k].task->metrics[i].name, metric)) return vw_kinds[k].task->metrics[i].is_share;
  return false;
}

static void put_quartiles(FILE *out, const vw_interval *i) {
  (void)vw_print(out, "%lld,%.17g,%.17g,%.17g\n", (long long)i->n, i->mean, i->low, i->high);
}

static void put_rows(FILE *out, const vw_figure_row *const *rows, int64_t n) {
  bool used[COLUMNS];
  for (int k = 0; k < COLUMNS; k++) {
    used[k] = is_used(&columns[k], rows, n);
    if (used[k]) (void)vw_print(out, "%s,", columns[k].name);
  }
  const bool quartiles = n && rows[0]->has_quartiles;
  (void)vw_print(out, quartiles ? "n,median,quartile_1,quartile_3\n" : "n,mean,low,high,boot_low,boot_high\n");
  for (int64_t i = 0; i < n; i++) {
    for (int k = 0; k < COLUMNS; k++)
      if (used[k] && columns[k].is_text)
        vw_csv_text(out, text_of(rows[i], &columns[k]));
      else if (used[k])
        put_number(out, number_of(rows[i], &columns[k]));
    if (quartiles) {
      put_quartiles(out, &rows[i]->i);
      continue;
    }
    const bool is_difference = strstr(rows[i]->quantity, "minus") != NULL;
    const vw_interval shown = is_share(rows[i]->metric) ? vw_share_interval(rows[i]->i, is_difference) : rows[i]->i;
    vw_csv_interval(out, &shown);
  }
}

vw_status vw_figure_csv(vw_figure_drawing *d, const vw_figure_row *const *rows, int64_t n) {
  FILE *out = open_memstream(&d->csv, &d->csv_bytes);
  VW_CHECK(out, VW_ERR_MEMORY, "figures: out of memory");
  put_rows(out, rows, n);
  const bool failed = ferror(out) != 0;
  VW_CHECK(fclose(out) == 0 && !failed, VW_ERR_MEMORY, "figures: out of memory");
  return VW_OK;
}
