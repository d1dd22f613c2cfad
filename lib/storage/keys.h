/*
 * Keys of objects that are set aside, in a file without a name: however many there are, they take
 * no memory.
 */
#ifndef FYNQ_STORAGE_KEYS_H
#define FYNQ_STORAGE_KEYS_H

#include "storage/store.h"

struct fynq_keys;

/* Of none yet; its file goes with the arena. STORAGE_UNAVAILABLE where there can be no file. */
enum fynq_err fynq_keys_new(struct fynq_req *rq, struct fynq_keys **keys_r) FYNQ_MUST_CHECK;

/* Set one aside, behind the others. Where it cannot be written, fynq_keys_rewind() says so. */
void fynq_keys_add(struct fynq_keys *keys, const struct fynq_key_parts *key);

/* All have been added: go to the first. INSUFFICIENT_STORAGE where they did not fit. */
enum fynq_err fynq_keys_rewind(struct fynq_req *rq, struct fynq_keys *keys) FYNQ_MUST_CHECK;

/* The next one. False behind the last. */
bool fynq_keys_next(struct fynq_keys *keys, struct fynq_key_parts *key_r);

#endif
