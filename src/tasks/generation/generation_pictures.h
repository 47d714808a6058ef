/* Which training pictures a concept's words are learned from. */
#ifndef VW_TASKS_GENERATION_PICTURES_H
#define VW_TASKS_GENERATION_PICTURES_H

#include "tasks/task.h"

/* Places in in->pictures->train: the concept's; of a null concept pictures of the classes, drawn as for classification
 * (docs/protocol.md). malloc'ed. Errors: VW_ERR_ARG (no such concept), VW_ERR_INPUT (no pictures), VW_ERR_MEMORY. */
vw_status vw_generation_pictures(const vw_task_inputs *in, const char *concept, bool is_null, int64_t **picture,
                                 int64_t *n);

/* Those of all concepts, null ones counted (in->concepts), each once, ascending. malloc'ed. */
vw_status vw_generation_wanted(const vw_task_inputs *in, int64_t **picture, int64_t *n);

#endif
