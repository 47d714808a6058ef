/* JSON as a stream of events, for files too large for memory: COCO's annotations. One pass, a buffer that holds the
 * longest text. RFC 8259 and no more: UTF-8, no comments, no NaN, one value. */
#ifndef VW_IO_JSON_STREAM_H
#define VW_IO_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

/* Each returns VW_OK, or what ends the reading with a message of its own. Texts are not ended by a zero byte and live
 * until the event returns; numbers are text that has been checked. */
typedef struct vw_json_events {
  vw_status (*null)(void *user);
  vw_status (*boolean)(void *user, bool value);
  vw_status (*number)(void *user, const char *text, size_t n);
  vw_status (*string)(void *user, const char *text, size_t n);
  vw_status (*key)(void *user, const char *text, size_t n);
  vw_status (*begin)(void *user, bool object);
  vw_status (*end)(void *user, bool object);
  /* Asked before `begin`: true: the list or object is checked and passed over without any event. May be NULL. */
  bool (*passes)(void *user, bool object);
} vw_json_events;

enum { VW_JSON_DEPTH = 64 }; /* lists and objects inside each other, at most */

/* Reads a file. Errors: those of vw_foreign_open; VW_ERR_IO; VW_ERR_MEMORY; VW_ERR_INPUT with the byte (from 1) where
 * it is not JSON; what an event returned. */
vw_status vw_json_stream(const char *path, const vw_json_events *events, void *user);

#endif
