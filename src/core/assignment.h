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

#endif
