/* What the parts of study.h5 share. Inside jobs/. */
#ifndef VW_RESULTS_COLLECT_WRITER_H
#define VW_RESULTS_COLLECT_WRITER_H

#include "results/collect/collect.h"
#include "results/collect/collect_table.h"

typedef struct vw_writer {
  const vw_collected *c;
  const vw_ranks *ranks;
  vw_study_file *f;
} vw_writer;

/* Collective: VW_ERR_MEMORY on all ranks when one did not get its memory. */
vw_status vw_writer_memory(const vw_writer *w, bool mine);

/* "GROUP/NAMESUFFIX". Errors: VW_ERR_INPUT: a name that cannot be one of a data set. */
typedef char vw_file_path[320];
vw_status vw_writer_path(vw_file_path path, const char *group, const char *name, const char *suffix);

/* Collective. The scale 0, 1, ..., n - 1. */
vw_status vw_writer_count(const vw_writer *w, const char *path, const char *description, int64_t n);

/* Collective. A table of n rows that rank 0 brings all; `scale` is there already. Errors: as vw_table_write. */
vw_status vw_writer_table(const vw_writer *w, const char *group, const char *scale, const void *rows, size_t stride,
                          int64_t n, const vw_column *columns, int64_t n_columns);

/* Collective. /activations, /tsne, /summary/probe, where something was probed. */
vw_status vw_write_probe(const vw_writer *w);

/* Collective. /summary/loss, /summary/constraint and /summary/performant. */
vw_status vw_write_spread(const vw_writer *w);

/* Collective. /words, /loss, /loss_fixed, /loss_watch. */
vw_status vw_write_models(const vw_writer *w);

/* Collective. /transfer and /summary/transfer; nothing where no word was carried. */
vw_status vw_write_transfer(const vw_writer *w);

/* Collective. /truncation and /summary/truncation; nothing where no word was judged by a cut text encoder. */
vw_status vw_write_truncation(const vw_writer *w);

#endif
