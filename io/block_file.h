/* The files of blocks, below the output directory `dir`:
 *
 *   blocks/3f/<id>.safetensors     the results of a finished block; immutable, checksum in the metadata
 *   blocks/3f/<id>.checkpoint.a|b  a running block's state; the older of the two is overwritten, so one is always whole
 *
 * 3f are the first two letters of the id, so that thousands of blocks and their pictures are no folder of ten thousand
 * files. Older versions put all into blocks/ itself: a file that stands there is read, replaced and removed there.
 * All are safetensors files written beside, fsynced and renamed. Metadata keys "kind", "block" and "sequence" are set
 * here: a file under another block's name is not taken for it. `id`: letters, digits, '-', '_', '.', at most 128. Not
 * collective; two ranks never write the same block (the queue sees to that). */
#ifndef VW_IO_BLOCK_FILE_H
#define VW_IO_BLOCK_FILE_H

#include "core/durable.h"
#include "io/safetensors.h"

/* Makes dir/blocks, a real folder, and deletes what killed writers of blocks left there and in its sub-folders
 * (vw_folder_sweep); other files stay. For the owner of the directory's lock, before the ranks start. Errors: those of
 * vw_subfolder_make. */
vw_status vw_block_folder_open(const char *dir);

/* Where the results of a block are, or will be. For readers that look first; others use the functions below. */
vw_status vw_block_file_path(char path[VW_PATH_BYTES], const char *dir, const char *id);

/* Visits every file of dir/blocks, in no order and whatever it is called. Returns the visitor's first failure. Errors:
 * VW_ERR_INPUT: there is no such folder. */
typedef vw_status (*vw_block_visit)(void *user, const char *name, const char *path);
vw_status vw_block_files_visit(const char *dir, vw_block_visit visit, void *user);

/* Writes the results and removes the checkpoints. Errors: VW_ERR_ARG, VW_ERR_IO; an older file is then untouched. */
vw_status vw_block_file_write(const char *dir, const char *id, const vw_safetensors_entry *entries, int64_t n,
                              const vw_keyvalue *metadata, int64_t m);

/* Takes a block's file of another directory, with vw_file_link; there is none of that name here yet. */
vw_status vw_block_file_take(const char *dir, const char *id, const char *from);

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
