/* /summary/loss, /summary/constraint and /summary/performant of study.h5. */
#include "results/collect/collect_writer.h"

#include <stdlib.h>

#define COLUMNS(table) (table), (int64_t)(sizeof(table) / sizeof *(table))

static const vw_column quartile_columns[] = {
    VW_TEXT(vw_quartile_row, model, "model", "name in the study"),
    VW_TEXT(vw_quartile_row, data, "data", "data set, name in the study"),
    VW_TEXT(vw_quartile_row, quantity, "quantity",
            "training loss | watched loss | distance over radius | kkt: of /loss, /loss_watch, /trials"),
    VW_NUMBER(vw_quartile_row, delta, VW_F64, "delta", "1", "of the words; inf: free"),
    VW_NUMBER(vw_quartile_row, n, VW_I64, "n", "1", "how many words"),
    VW_NUMBER(vw_quartile_row, low, VW_F64, "quartile_1", "1", "a quarter of them is below"),
    VW_NUMBER(vw_quartile_row, median, VW_F64, "median", "1", "half of them is below"),
    VW_NUMBER(vw_quartile_row, high, VW_F64, "quartile_3", "1", "three quarters of them are below"),
    VW_NUMBER(vw_quartile_row, step, VW_I64, "step", "1", "training step"), /* the last: of losses alone */
};

static const vw_column performant_columns[] = {
    VW_TEXT(vw_performant_row, model, "model", "name in the study"),
    VW_TEXT(vw_performant_row, data, "data", "data set, name in the study"),
    VW_TEXT(vw_performant_row, quantity, "quantity", "what of the words (docs/protocol.md)"),
    VW_NUMBER(vw_performant_row, delta, VW_F64, "delta", "1", "of the words; 0: untouched anchors; inf: free"),
    VW_TEXT(vw_performant_row, metric, "metric", "of performance; empty: of none"),
    VW_NUMBER(vw_performant_row, i.n, VW_I64, "n", "1", "how many concepts, or words"),
    VW_NUMBER(vw_performant_row, i.mean, VW_F64, "mean", "1", "their mean"),
    VW_NUMBER(vw_performant_row, i.low, VW_F64, "low", "1", "mean - 1.96 standard errors over concepts, or words"),
    VW_NUMBER(vw_performant_row, i.high, VW_F64, "high", "1", "mean + 1.96 standard errors over concepts, or words"),
    VW_NUMBER(vw_performant_row, i.boot_low, VW_F64, "boot_low", "1",
              "2.5 % of a bootstrap over concepts (and anchors, where there is a number a word)"),
    VW_NUMBER(vw_performant_row, i.boot_high, VW_F64, "boot_high", "1", "97.5 % of it"),
};

/* Rows [n] of a group; rank 0 brings all. */
static vw_status write_rows(const vw_writer *w, const char *group, const char *scale, const void *rows, size_t stride,
                            int64_t n, const vw_column *columns, int64_t n_columns) {
  VW_TRY(vw_writer_count(w, scale, "row of the summary", n));
  return vw_writer_table(w, group, scale, rows, stride, n, columns, n_columns);
}

/* The quartiles of losses, or the others. */
static vw_status write_quartiles(const vw_writer *w, bool of_losses, const char *group, const char *scale) {
  const vw_collected *c = w->c;
  vw_quartile_row *rows = malloc((size_t)(c->n_quartiles + 1) * sizeof *rows);
  int64_t n = 0;
  vw_status st = vw_writer_memory(w, rows != NULL);
  for (int64_t i = 0; rows && i < c->n_quartiles; i++)
    if ((c->quartiles[i].of <= VW_QUARTILES_WATCH) == of_losses) rows[n++] = c->quartiles[i];
  if (st == VW_OK && n)
    st = write_rows(w, group, scale, rows, sizeof *rows, n, quartile_columns,
                    (int64_t)(sizeof quartile_columns / sizeof *quartile_columns) - !of_losses);
  free(rows);
  return st;
}

vw_status vw_write_spread(const vw_writer *w) {
  VW_TRY(write_quartiles(w, true, "/summary/loss", "/summary/loss/row"));
  VW_TRY(write_quartiles(w, false, "/summary/constraint", "/summary/constraint/row"));
  return w->c->n_performant ? write_rows(w, "/summary/performant", "/summary/performant/row", w->c->performant,
                                         sizeof *w->c->performant, w->c->n_performant, COLUMNS(performant_columns))
                            : VW_OK;
}
