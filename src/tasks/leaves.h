/* Leaves of a program by their names. */
#ifndef VW_TASKS_LEAVES_H
#define VW_TASKS_LEAVES_H

#include "graph/graph.h"

/* Writes the leaf `name` from `data` of this shape and storage type. Errors: VW_ERR_ARG (no such leaf). */
vw_status vw_write_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, const void *data);

/* Reads a value that was given a name. */
vw_status vw_read_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, void *data);

#endif
