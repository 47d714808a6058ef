/* One `key=value` line a message on standard error, with time, rank and host; warnings and errors always, the rest by
 * level. Control characters are escaped (core/text.h). Not for results: those go to standard output. */
#ifndef VW_CORE_LOG_H
#define VW_CORE_LOG_H

typedef enum vw_log_level { VW_LOG_ERROR, VW_LOG_WARN, VW_LOG_INFO, VW_LOG_DEBUG } vw_log_level;

void vw_log_set_level(vw_log_level level);
void vw_log_set_rank(int rank); /* -1 (default): no MPI, no rank printed */
/* Also appends every line as JSON to the file descriptor; -1 ends that. The caller owns the descriptor. */
void vw_log_set_file(int fd);
void vw_log(vw_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
