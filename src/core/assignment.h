/* The cheapest assignment: every row gets a column of its own (Kuhn 1955; by shortest augmenting paths as Jonker and
 * Volgenant 1987). For detection rows are a picture's true boxes and columns its patches. */
#ifndef VW_CORE_ASSIGNMENT_H
#define VW_CORE_ASSIGNMENT_H

#include "core/status.h"

#include <stdint.h>

/* cost [rows, columns], rows <= columns; column[rows] receives what each row gets. The sum of costs is least; which of
 * several cheapest assignments comes out depends on `cost` alone. O(rows^2 columns). Errors: VW_ERR_ARG (more rows than
 * columns, a cost that is not finite), VW_ERR_MEMORY. */
vw_status vw_assign(const double *cost, int64_t rows, int64_t columns, int64_t *column);

/* The same without memory of its own: costs are a table (one of both types) plus a number a column. */
typedef struct vw_assignment {
  int64_t rows, columns; /* rows <= columns */
  const double *cost64;  /* [rows, columns], or NULL and cost32 */
  const float *cost32;
  double *more;                     /* [columns] added to each row's costs: the caller fills it */
  int32_t *column;                  /* [rows] the result */
  double *row_price, *column_price; /* reduced cost = cost - row_price - column_price >= 0 */
  double *shortest;                 /* [columns] length of the best path found so far */
  int32_t *from;                    /* [columns] the row before the column on it */
  int32_t *owner;                   /* [columns] the row that has it, -1: free */
  int32_t *done;                    /* [columns] 1: its shortest path is known */
} vw_assignment;
/* Bytes of room for at most `rows`, a multiple of 64; and the arrays in it (aligned to 8). The caller sets rows (fewer
 * where it likes), one of the tables, and more. */
size_t vw_assignment_bytes(int64_t rows, int64_t columns);
vw_assignment vw_assignment_in(void *room, int64_t rows, int64_t columns);
/* Of equally cheap columns a free one is taken, then the first: the same result on every machine. Costs that are not
 * finite give some assignment. */
void vw_assignment_solve(vw_assignment *a);

#endif
