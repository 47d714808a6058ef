/* The texts of a data set's classes in the sentences of learning and judging: many texts are encoded once, shared by
 * the ranks and kept in files below the cache, a few thousand texts a file; few are encoded where they are wanted. */
#ifndef VW_TASKS_CLASS_TEXTS_H
#define VW_TASKS_CLASS_TEXTS_H

#include "tasks/task.h"

/* How many texts are kept in files, for progress; 0: so few that none is. */
int64_t vw_class_texts_kept(const vw_task_inputs *in);

/* How many texts will be encoded: of those that are kept what has no file. Not collective. */
vw_status vw_class_texts_missing(const vw_task_inputs *in, int64_t *n);

/* Files that such texts are kept in, which ranks take from a queue one by one. */
int64_t vw_class_texts_files(int64_t texts);

/* Collective: the ranks share out what is missing. *computed counts what this rank encoded; *stopped as
 * vw_task_kind.cache has it. A stop loses what is encoded of one file. Errors: VW_ERR_INPUT (a text is too long),
 * VW_ERR_IO, VW_ERR_MEMORY. */
vw_status vw_class_texts_ensure(const vw_task_inputs *in, const vw_ranks *ranks, const vw_task_hooks *hooks,
                                int64_t *computed, bool *stopped);

/* Features [classes, p] in one sentence, from the files or encoded now. */
vw_status vw_class_texts_load(const vw_task_inputs *in, const char *sentence, void *out);

#endif
