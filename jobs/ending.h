/* How a process of this program begins and ends, whatever its subcommand: standard streams and exit code. */
#ifndef VW_JOBS_ENDING_H
#define VW_JOBS_ENDING_H

/* First in main. A standard stream that was closed gets a descriptor that refuses (or swallows, for stderr), so that no
 * file of ours is opened under its number and printed into. */
void vw_streams_begin(void);

/* Before a subcommand begins: leaves a line "begin" in the file that VISWORDS_EXIT_NOTE names, if it names one that is
 * there. tools/mpirun.sh makes it: launchers lose exit codes. */
void vw_exit_note_begin(void);

/* The line "end CODE" there: of a process that ends on the way, from any thread. */
void vw_exit_note_end(int code);

/* The line "alarm" there: the watchdog ends the job, so its launcher has nothing to wait for. From any thread. */
void vw_exit_note_alarm(void);

/* Last in main: what standard output still holds goes out, and where it did not (a full disk, a closed stream) a
 * message goes to stderr and VW_EXIT_OK becomes VW_EXIT_FAILED; other codes stay. Leaves "end CODE" in the file above.
 * Returns the process' exit code. */
int vw_ending(int code);

#endif
