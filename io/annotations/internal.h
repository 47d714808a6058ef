/* What the readers of annotations share: lists that grow, and the order in which they end. */
#ifndef VW_IO_ANNOTATIONS_INTERNAL_H
#define VW_IO_ANNOTATIONS_INTERNAL_H

#include "io/annotations/annotations.h"

/* Makes room for one more item of `bytes` in *list, which has n of *room. Errors: VW_ERR_MEMORY with `what`. */
vw_status vw_list_grow(void **list, int64_t n, int64_t *room, size_t bytes, const char *what);

/* Stable order of the boxes by picture. Errors: VW_ERR_MEMORY. */
vw_status vw_boxes_by_picture(vw_annotations *a);

/* A file name that stays below its folder: not absolute, no ".." on the way. */
bool vw_name_stays_below(const char *name);

#endif
