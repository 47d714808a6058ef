/* The test pictures that what is kept of words was found in, as figures show them: copies below in->drawn, beside what
 * words draw (tasks/generation/drawn.h):
 *
 *   <in->drawn>/<model>-<data>/<concept>/scene-<i>.png     no longer than VW_SHOWN_SIDE pixels */
#ifndef VW_TASKS_SHOWN_H
#define VW_TASKS_SHOWN_H

#include "core/durable.h"
#include "tasks/task.h"

enum { VW_SHOWN_SIDE = 256 };

/* Writes those of a concept; they are small, and written anew each time. Nothing where nothing is shown or kept, or the
 * pictures are only counted; a picture that cannot be read is left out. Not collective. Errors: as of
 * vw_task_kind.shown, vw_png_write; VW_ERR_MEMORY. */
vw_status vw_shown_write(const vw_task_kind *kind, const vw_task_inputs *in, const char *concept);

/* Picture i in the folder of a concept. Errors: VW_ERR_ARG. */
vw_status vw_shown_path(const char *folder, int64_t i, char path[VW_PATH_BYTES]);

#endif
