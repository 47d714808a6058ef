/* Values of a study file: YAML nodes to C, with line and column in every message. Private to io/study_*.c. */
#ifndef VW_IO_STUDY_VALUES_H
#define VW_IO_STUDY_VALUES_H

#include "study/keys.h"

#include <yaml.h>

enum { VW_MOST_KEYS = 128, VW_MOST_NAMES = 32768 }; /* names: twins are looked for pair by pair */
enum { VW_MOST_ENTRIES = 1 << 20 };                 /* of all lists: aliases make many of few bytes */

typedef struct vw_reader {
  const char *path; /* in messages, and what relative paths start from */
  yaml_document_t *document;
  const char *text; /* that the document was read from, borrowed; marks of nodes count its characters */
  size_t bytes;
  vw_study_config *config;
  const vw_study_kinds *kinds;
  const char *model;      /* whose sections are read: picks from a map of steps; NULL: those of all */
  vw_pool scratch;        /* until the file is read */
  vw_problems *problems;  /* NULL while a default is read: it must be right */
  bool alone;             /* opens no file */
  const char *key;        /* of the value that is read, in the config's pool */
  int64_t line, column;   /* of the last refusal */
  int64_t entries, pairs; /* of all lists read so far; their squares */
} vw_reader;

/* Raises VW_ERR_INPUT with "file:line:column: " before the message. */
#define VW_AT(r, node, ...) ((void)vw_reader_raise((r), VW_ERR_INPUT, (node), __LINE__, __VA_ARGS__), VW_ERR_INPUT)
vw_status vw_reader_raise(vw_reader *r, vw_status st, const yaml_node_t *node, int line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6), cold));

/* Keeps a refusal in the list of problems, so that reading goes on (VW_OK); other failures come back. */
vw_status vw_reader_keep(vw_reader *r, vw_status st);

/* Remembers where r->key, or an item of its list, stands. Errors: VW_ERR_MEMORY. */
vw_status vw_reader_place(vw_reader *r, int64_t item, const yaml_node_t *node);

/* Parses one YAML document into r->document; the caller deletes it after success. */
vw_status vw_reader_load(vw_reader *r, const char *text, size_t bytes);

yaml_node_t *vw_reader_node(const vw_reader *r, int index);

/* "a.b", or "b" when a is empty; lives until the file is read. NULL: out of memory. */
const char *vw_reader_path(vw_reader *r, const char *a, const char *b);

/* What a node is, for messages: "a list", "a mapping", "nothing", "'text'". */
const char *vw_reader_got(const yaml_node_t *node);

/* `node`, a checked value of learn.steps: where it is a map, *steps is what it says for r->model, else `otherwise`. */
void vw_steps_of(const vw_reader *r, const yaml_node_t *node, int64_t otherwise, int64_t *steps);

/* Converts a node to the option's type, checks it and stores it in the struct at `base`. */
vw_status vw_reader_assign(vw_reader *r, const vw_key *o, void *base, yaml_node_t *node, const char *path);

#endif
