/* Leaves of a program by their names. */
#ifndef VW_TASKS_LEAVES_H
#define VW_TASKS_LEAVES_H

#include "graph/graph.h"
#include "kernels/draw.h"

/* Writes the leaf `name` from `data` of this shape and storage type. Errors: VW_ERR_ARG (no such leaf). */
vw_status vw_write_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, const void *data);

/* Reads a value that was given a name. */
vw_status vw_read_leaf(vw_program *p, const vw_graph *g, const char *name, vw_tensor shape, void *data);

/* A pool of the entries first .. first + n - 1, which every stream draws from, `count` of them: the leaves <name>_pool
 * [n], <name>_offset and <name>_count [streams] of vw_step_pool. */
vw_status vw_write_pool(vw_program *p, const vw_graph *g, const char *name, int64_t first, int64_t n, int64_t count,
                        int64_t streams);

/* Leaves of a block whose K words draw from one stream or one each: row_word [K], row_stream [K], key [streams, 2]. */
vw_status vw_write_streams(vw_program *p, const vw_graph *g, const uint64_t *keys, int64_t streams, int64_t K);

/* Those leaves, as a loss reads them. */
vw_draw_pools vw_step_pool(vw_graph *g, const char *name, int64_t entries, int64_t streams);

#endif
