/* JSON files of model directories. Errors name the file and the key. Inside io: others see the structs that are read.
 */
#ifndef VW_IO_JSON_H
#define VW_IO_JSON_H

#include <jansson.h>

#include "core/status.h"

/* A file whose top is an object; the caller calls json_decref. Python also writes NaN, Infinity and -Infinity, which
 * JSON does not have: such a value reads as null, that is as if the key were absent. Errors: VW_ERR_IO, VW_ERR_INPUT
 * (with the line). */
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
