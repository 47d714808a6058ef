/* Command-line options: one table a subcommand feeds the parser and --help. */
#ifndef VW_CORE_OPTIONS_H
#define VW_CORE_OPTIONS_H

#include "core/status.h"
#include <stdint.h>
#include <stdio.h>

typedef enum vw_option_type {
  VW_OPT_FLAG,
  VW_OPT_STRING,
  VW_OPT_INT,
  VW_OPT_COUNT, /* an integer of 1 or more: what is given as 0 is no wish for the default */
  VW_OPT_DOUBLE,
  VW_OPT_LIST
} vw_option_type;

/* What an option that may be given again and again collects: as many as there are arguments. */
typedef struct vw_option_list {
  int64_t n;
  const char **text; /* the caller's: room for argc entries */
} vw_option_list;

typedef struct vw_option {
  const char *name; /* without the dashes; NULL ends the table */
  char letter;      /* short form; 0: none */
  vw_option_type type;
  void *value;          /* bool, const char *, int64_t, double, vw_option_list */
  const char *argument; /* what stands for the value in --help: "FILE" */
  const char *help;
} vw_option;

typedef struct vw_command_line {
  const char *command;   /* "run" */
  const char *arguments; /* of the usage line: "STUDY.yaml -o DIR" */
  const char *summary;
  const vw_option *options;
  const char *const *positional_names; /* for messages; min_positional of them must be given */
  int min_positional, max_positional;
} vw_command_line;

/* Parses argv[0..argc) (without the program and command names). Positional arguments are written to positional[]
 * (max_positional entries, NULL where absent). `--` ends the options. `--name value`, `--name=value`, `-n value`.
 * Errors: VW_ERR_ARG naming the option, with a suggestion for a misspelt one. *help: --help or -h was given (nothing
 * else is checked then). */
vw_status vw_parse_options(const vw_command_line *c, int argc, char **argv, const char **positional, bool *help);

void vw_print_usage(const vw_command_line *c, FILE *to);

/* The nearest of n names within a small edit distance, for "did you mean"; NULL: none is near. */
const char *vw_near_miss(const char *word, const char *const *names, int64_t n);

#endif
