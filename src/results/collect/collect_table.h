/* Arrays of structs as tables of study.h5: one data set a column. Inside jobs/. */
#ifndef VW_RESULTS_COLLECT_TABLE_H
#define VW_RESULTS_COLLECT_TABLE_H

#include "io/study/study_file.h"

typedef struct vw_column {
  const char *name;
  size_t offset;  /* of the member: a number of this type, or a const char * */
  vw_dtype dtype; /* ignored for text */
  bool is_text;
  const char *units, *description;
} vw_column;

#define VW_NUMBER(type, member, dtype, name, units, description)                                                       \
  { (name), offsetof(type, member), (dtype), false, (units), (description) }
#define VW_TEXT(type, member, name, description)                                                                       \
  { (name), offsetof(type, member), VW_U8, true, "utf-8", (description) }
/* The interval `i` of a row, over trials. `counted`: what its n counts. */
#define VW_INTERVAL(type, counted)                                                                                     \
  VW_NUMBER(type, i.n, VW_I64, "n", "1", counted), VW_NUMBER(type, i.mean, VW_F64, "mean", "1", "their mean"),         \
      VW_NUMBER(type, i.low, VW_F64, "low", "1", "mean - 1.96 standard errors over trials"),                           \
      VW_NUMBER(type, i.high, VW_F64, "high", "1", "mean + 1.96 standard errors over trials"),                         \
      VW_NUMBER(type, i.boot_low, VW_F64, "boot_low", "1", "2.5 % of a bootstrap over concepts and anchors"),          \
      VW_NUMBER(type, i.boot_high, VW_F64, "boot_high", "1", "97.5 % of a bootstrap over concepts and anchors")

/* rows[n_rows] of `stride` bytes, complete on all ranks; this rank brings mine[n_mine] of them. */
typedef struct vw_table {
  const char *group, *scale; /* "/trials", "/trials/row" (NULL: none) */
  const void *rows;
  size_t stride;
  int64_t n_rows;
  const int64_t *mine;
  int64_t n_mine;
} vw_table;

/* Collective. Errors: of vw_study_file_write_rows; VW_ERR_MEMORY. */
vw_status vw_table_write(vw_study_file *f, const vw_ranks *ranks, const vw_table *t, const vw_column *columns,
                         int64_t n);

/* Collective. A scale "PATH" of n numbers; rank 0's count. */
vw_status vw_table_scale(vw_study_file *f, const vw_ranks *ranks, const char *path, const char *description,
                         const char *units, const int64_t *numbers, int64_t n);

/* Collective. A scale of n texts, the same on all ranks. */
vw_status vw_table_text_scale(vw_study_file *f, const vw_ranks *ranks, const char *path, const char *description,
                              const char *const *texts, int64_t n);

#endif
