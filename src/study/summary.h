/* What a study says: means and intervals of its words and of what they are compared with, by model, data set and delta;
 * the verdict on each word. The same rows are /summary/<task> of study.h5, summary.csv, the table on the
 * terminal and the figure. Pure arithmetic. */
#ifndef VW_STUDY_SUMMARY_H
#define VW_STUDY_SUMMARY_H

#include "study/metrics.h"

enum {
  VW_SUMMARY_METRICS = 16,                 /* of a task, at most */
  VW_NOTHING_LEARNED = VW_SUMMARY_METRICS, /* 1: the word's headline does not exceed its untouched anchor's */
};

/* What a model's words are judged by: metrics of its task, and the one of verdicts. */
typedef struct vw_summary_metrics {
  int n, headline;
} vw_summary_metrics;

typedef enum vw_measured {
  VW_OF_ANCHOR, /* an untouched anchor: delta 0 */
  VW_OF_WORD,
  VW_OF_NULL, /* the word of a null concept */
  VW_OF_NAME,
  VW_OF_RANDOM_WORD,
  VW_OF_RANDOM_DIRECTION,
  VW_OF_KINDS
} vw_measured;
extern const char *const vw_measured_names[VW_OF_KINDS];

/* One judged word. Numbers that are not finite are not available. */
typedef struct vw_measure {
  vw_measured what;
  int64_t model, data, concept, anchor, replica; /* places in the study; anchor 0 where there is none */
  double delta;                                  /* INFINITY: free; 0: an anchor; NaN: does not apply */
  double metric[VW_SUMMARY_METRICS];
} vw_measure;

typedef enum vw_quantity {
  VW_VALUE,
  VW_MINUS_ANCHOR,  /* word minus its own untouched anchor, paired */
  VW_MINUS_SMALLER, /* this delta minus the next smaller one, paired by concept, anchor and replica */
  VW_QUANTITIES
} vw_quantity;
extern const char *const vw_quantity_names[VW_QUANTITIES];

typedef struct vw_summary_row {
  vw_measured what;
  vw_quantity quantity;
  int64_t model, data;
  double delta; /* as in vw_measure */
  int metric;   /* of the model's task, or VW_NOTHING_LEARNED */
  vw_interval interval;
} vw_summary_row;

/* by[n_models]. verdict[i] of m[i]: 1 nothing learned, 0 learned, -1 no verdict (no word, not judged, no anchor to
 * compare with). Errors: VW_ERR_MEMORY. */
vw_status vw_verdicts(const vw_measure *m, int64_t n, const vw_summary_metrics *by, signed char *verdict);

/* All rows: models, data sets, kinds in the order of vw_measured, quantities, deltas ascending, metrics; the last runs
 * fastest. keys[n_data]: of the bootstrap. Only kinds that are measured have rows. *rows is malloc'ed, the caller
 * frees it. Errors: VW_ERR_MEMORY. */
vw_status vw_summarise(const vw_measure *m, int64_t n, const vw_summary_metrics *by, int64_t n_models, int64_t n_data,
                       const uint64_t *keys, vw_summary_row **rows, int64_t *n_rows);

/* The row of these; NULL: there is none. delta NaN finds NaN. */
const vw_summary_row *vw_summary_find(const vw_summary_row *rows, int64_t n, int64_t model, int64_t data,
                                      vw_measured what, vw_quantity quantity, double delta, int metric);

#endif
