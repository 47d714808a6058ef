/* Where the pictures lie that words draw when they are judged, and what they are called:
 *
 *   <in->drawn>/<model>-<data>/<concept>/<label>-<i>.png     picture i of a word
 *   <in->drawn>/<model>-<data>/<concept>/watch/<label>-step-<step>-0.png    its first picture on the way
 *   <in->drawn>/<model>-<data>/<concept>.png                 the contact sheet of a concept
 *
 * Names that no file should have (letters, digits, "-", "_" and "." may stay) are made tame, with a hash of the name
 * behind them, so that two never become one. */
#ifndef VW_TASKS_DRAWN_H
#define VW_TASKS_DRAWN_H

#include "core/durable.h"
#include "tasks/task.h"

enum { VW_DRAWN_LABEL = 192, VW_DRAWN_NAME = 96 };

/* A name that any file system takes: the name itself, or with `odd` or where something had to change, what is left of
 * it and a hash of it. */
void vw_drawn_tame(const char *name, bool odd, char out[VW_DRAWN_NAME]);

/* "dog-0.5-r0": what a trial's pictures are called; and those of a baseline: "anchor-dog", "random-direction-dog-0.5",
 * "random-word". kind: as in vw_baseline_kinds. */
void vw_drawn_trial(const vw_trial *t, char label[VW_DRAWN_LABEL]);
void vw_drawn_baseline(const char *kind, const char *anchor, const char *delta, char label[VW_DRAWN_LABEL]);

/* That of a word that was carried: "from-clip-objects-dog-0.5-r0". data: that it was learned for, "" for words that were
 * not learned; own: what it is called in its own network. */
void vw_drawn_carried(const char *from, const char *data, const char *own, char label[VW_DRAWN_LABEL]);

/* The folder of a concept below DIR/pictures, by names alone; whether it is there is not asked. Errors: VW_ERR_ARG. */
vw_status vw_drawn_folder_of(const char *drawn, const char *model, const char *data, const char *concept,
                             char path[VW_PATH_BYTES]);

/* The folder of a concept; makes it, and those above it below in->drawn, where `make`. Errors: VW_ERR_INPUT (a link or a
 * file is in the way), VW_ERR_IO, VW_ERR_ARG (a path too long). */
vw_status vw_drawn_folder(const vw_task_inputs *in, const char *concept, bool make, char path[VW_PATH_BYTES]);

/* The folder of sample pictures of a concept's words: as above. */
vw_status vw_drawn_samples(const vw_task_inputs *in, const char *concept, bool make, char path[VW_PATH_BYTES]);

/* Picture i of a word in the folder of its concept; the contact sheet beside that folder. Errors: VW_ERR_ARG. */
vw_status vw_drawn_picture(const char *folder, const char *label, int64_t i, char path[VW_PATH_BYTES]);
vw_status vw_drawn_sheet(const char *folder, char path[VW_PATH_BYTES]);

/* Deletes what killed runs left half-written in the folders of a model and data set below in->drawn. */
void vw_drawn_sweep(const vw_task_inputs *in);

#endif
