/* JSON files of model directories: errors name the file and the key. Others than io see the structs that are read, and
 * use the watch below. */
#ifndef VW_IO_JSON_H
#define VW_IO_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "core/status.h"

/* Jansson does not say whether memory or the text was the trouble; without memory it even parses a text with a
 * character less, and what is built without looking at every result lacks a member. Watching notes, for this thread,
 * whether Jansson got the memory it asked for since: what was made while it did not is not to be used. */
void vw_json_watch(void);
bool vw_json_starved(void);

/* A file whose top is an object; the caller calls json_decref. Python also writes NaN, Infinity and -Infinity, which
 * JSON does not have: such a value reads as null, that is as if the key were absent. Errors: VW_ERR_IO, VW_ERR_MEMORY,
 * VW_ERR_INPUT (with the line). */
vw_status vw_json_read(const char *path, json_t **object);

/* As vw_json_read, but *object is NULL when there is no such file. */
vw_status vw_json_read_optional(const char *path, json_t **object);

/* Members of an object (NULL or absent key or null: the fallback). `path` and `where` ("text_config.") are for
 * messages. */
vw_status vw_json_int(const char *path, const char *where, const json_t *object, const char *key, int64_t least,
                      int64_t most, int64_t fallback, int64_t *out);
vw_status vw_json_double(const char *path, const char *where, const json_t *object, const char *key, double fallback,
                         double *out);
/* The text is borrowed from the object. */
vw_status vw_json_text(const char *path, const char *where, const json_t *object, const char *key, const char *fallback,
                       const char **out);

#endif
