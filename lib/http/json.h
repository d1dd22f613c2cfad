/*
 * JSON from outside (RFC 8259), read strictly into json-c's objects.
 *
 * json-c's tokener, strict as it can be told to be, still takes NaN, 00 and 'name', lets control
 * characters, halves of surrogate pairs and \u0000 into strings, keeps the last of two members of
 * one name, cuts a name at its NUL and bends integers to 64 bits. None of that passes here.
 */
#ifndef FYNQ_HTTP_JSON_H
#define FYNQ_HTTP_JSON_H

#include <json-c/json_object.h>

#include "base/arena.h"

enum {
	FYNQ_JSON_DEPTH = 16,	  /* objects and arrays inside one another */
	FYNQ_JSON_VALUES = 10000, /* names and values in all: json-c takes 800 bytes for a "{}" */
	FYNQ_JSON_NUMBER = 63	  /* bytes of a number */
};

/*
 * Read a text that is one JSON object. The tree belongs to the arena. False where the text is not
 * JSON, not an object, not UTF-8, past the limits above, or holds a name twice, \u0000, or a number
 * that no double holds; why_r, in the arena, then says so to the client in one sentence.
 *
 * An integer of more than 64 bits is refused too, except as a member of the object itself: there
 * json-c's bent one is passed on, since whoever reads the member checks bounds and can name it.
 */
bool fynq_json_parse(struct fynq_arena *a, struct fynq_str text, struct json_object **object_r,
    struct fynq_str *why_r);

/*
 * Whether a Content-Type is application/json, with no other parameter than charset=utf-8 (RFC 9110
 * section 8.3.1).
 */
bool fynq_json_is_type(struct fynq_str content_type);

#endif
