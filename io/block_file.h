/* The files of blocks, below the output directory `dir`:
 *
 *   blocks/<id>.safetensors     the results of a finished block; immutable, checksum in the metadata
 *   blocks/<id>.checkpoint.a|b  a running block's state; the older of the two is overwritten, so one is always whole
 *
 * All are safetensors files written beside, fsynced and renamed. Metadata keys "kind", "block" and "sequence" are set
 * here: a file under another block's name is not taken for it. `id`: letters, digits, '-', '_', '.', at most 128. Not
 * collective; two ranks never write the same block (the queue sees to that). */
#ifndef VW_IO_BLOCK_FILE_H
#define VW_IO_BLOCK_FILE_H

#include "io/safetensors.h"

/* Makes dir/blocks, a real folder, and deletes what killed writers of blocks left there (vw_folder_sweep); other files
 * stay. For the owner of the directory's lock, before the ranks start. Errors: those of vw_subfolder_make. */
vw_status vw_block_folder_open(const char *dir);

/* Writes the results and removes the checkpoints. Errors: VW_ERR_ARG, VW_ERR_IO; an older file is then untouched. */
vw_status vw_block_file_write(const char *dir, const char *id, const vw_safetensors_entry *entries, int64_t n,
                              const vw_keyvalue *metadata, int64_t m);

/* Opens and verifies; close with vw_safetensors_close. Errors: VW_ERR_IO (no such file), VW_ERR_INPUT (damaged or of
 * another block; says to delete it and run again). */
vw_status vw_block_file_open(const char *dir, const char *id, vw_safetensors **file);

/* Is the block finished, its file whole? A damaged one is logged as a warning: it will be learned again. */
bool vw_block_file_exists(const char *dir, const char *id);

/* Removes a file of results; no error when there is none. */
vw_status vw_block_file_remove(const char *dir, const char *id);

/* Writes a checkpoint over the older or damaged one of two. `sequence` grows with every checkpoint of a block (the
 * step). */
vw_status vw_checkpoint_write(const char *dir, const char *id, int64_t sequence, const vw_safetensors_entry *entries,
                              int64_t n, const vw_keyvalue *metadata, int64_t m);

/* The newest whole checkpoint and its sequence; *file is NULL and the status VW_OK when there is none. Damaged ones are
 * logged and passed over. Close with vw_safetensors_close. */
vw_status vw_checkpoint_open(const char *dir, const char *id, vw_safetensors **file, int64_t *sequence);

/* Removes both; no error when there are none. */
vw_status vw_checkpoint_remove(const char *dir, const char *id);

#endif
