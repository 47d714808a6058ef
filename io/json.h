/* JSON files of model directories: errors name the file and the key. Others than io see the structs that are read, and
 * use the watch below. */
#ifndef VW_IO_JSON_H
#define VW_IO_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

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

/* ---- output ---- */

/* A new reference to the text; bytes that are not UTF-8, which JSON cannot hold, are escaped (core/text.h). NULL: out
 * of memory. For file names: json_string and json_pack give NULL for them. */
json_t *vw_json_name(const char *text);

/* As json_dumpf, but no character reaches a terminal that vw_text_escape would escape: inside JSON's texts, where alone
 * they can stand, they become \u escapes, which read as the same characters. `value` may be NULL: null. False: the
 * stream failed, or no memory. */
bool vw_json_print(const json_t *value, size_t flags, FILE *out);

#endif
