/* Shared by `bench gpu` and `bench sd`. */
#ifndef VW_BENCH_GPU_H
#define VW_BENCH_GPU_H

#include "bench/bench.h"

/* How a product's factors are stored and multiplied. */
typedef enum vw_product { VW_PRODUCT_FP64, VW_PRODUCT_FP32, VW_PRODUCT_TF32, VW_PRODUCT_BF16, VW_PRODUCTS } vw_product;
const char *vw_product_name(vw_product p); /* "fp64", ... */

/* What this device reaches, measured in this run. */
typedef struct vw_ceilings {
  double copy;                 /* bytes a second, read and written added up */
  double product[VW_PRODUCTS]; /* operations a second; 0: the backend has no such products */
  int64_t order;               /* of the square products */
} vw_ceilings;

/* Measures them: `order` 0 is the backend's own choice. */
vw_status vw_bench_ceilings(vw_bench *b, int64_t order, vw_ceilings *c);

/* Mean seconds of one run: many are enqueued between two waits. Median of a few rounds of `seconds` together. */
vw_status vw_bench_time_runs(vw_program *p, double seconds, double *one);

/* All calls of a program that have the same op, shapes and storage types. */
typedef struct vw_kernel_row {
  vw_call_view call; /* the first of them */
  int64_t calls;
  double seconds, bytes, flops; /* of one call; bytes: every input and output once */
  vw_product precision;         /* of its products */
  double at_ceiling;            /* seconds of one call on the roofline */
  bool copy_bound;              /* the copy is what bounds it, not the product */
} vw_kernel_row;

typedef struct vw_kernel_table {
  vw_kernel_row *rows; /* by share of the step's time, largest first */
  int64_t n, calls;    /* distinct calls, calls */
  double seconds;      /* of all calls, each timed alone */
  double flops;        /* of all calls */
  double products;     /* seconds of all products at their ceilings */
  double at_ceiling;   /* seconds of all calls on the roofline */
} vw_kernel_table;

/* Times each distinct call of a program that has run, for about `seconds` each. The caller frees rows. */
vw_status vw_kernel_table_measure(vw_bench *b, const vw_ceilings *c, vw_program *p, double seconds, vw_kernel_table *t);
/* Calls, bytes and operations alone, of a program that need not be prepared; the caller frees rows. By op, for a sample
 * of `batch`. */
vw_status vw_kernel_table_count(const vw_bench *b, const vw_program *p, vw_kernel_table *t);
void vw_kernel_table_print_counts(const vw_kernel_table *t, int64_t batch);
void vw_kernel_table_print(const vw_kernel_table *t);
json_t *vw_kernel_table_json(const vw_kernel_table *t); /* a list of rows */
/* The same time added up by op, largest first. */
void vw_kernel_table_print_ops(const vw_kernel_table *t);
json_t *vw_kernel_table_ops_json(const vw_kernel_table *t);

#endif
