/*
 * Supabase Auth's HTTP API, which its makers call GoTrue.
 *
 * One call is one request to FYNQ_SUPABASE_URL/auth/v1 with a deadline of FYNQ_SUPABASE_TIMEOUT_MS
 * for all its tries. Errors are told apart by their code, never by status or message: both change
 * from version to version. What a user typed goes into bodies alone, never into a URL or the log.
 */
#ifndef FYNQ_IDENTITY_GOTRUE_H
#define FYNQ_IDENTITY_GOTRUE_H

#include "http/request.h"
#include "identity/provider.h"

enum {
	FYNQ_GOTRUE_MAX = 65536,       /* bytes of an answer */
	FYNQ_GOTRUE_REFRESH_MAX = 512, /* bytes of a refresh token: what the routes take */
};

struct fynq_gotrue {
	const char *method, *path; /* below /auth/v1, with its query */
	struct fynq_str id;	   /* a UUID that follows the path, or absent */
	struct fynq_str body;	   /* JSON, or absent */
	struct fynq_str token;	   /* the access token of the user who acts, or absent */
	bool admin;		   /* with the secret key in place of the publishable one */
	bool client;	 /* made for the client of the request: its address and words go along */
	bool repeatable; /* done twice it is as done once: tried again where an answer was lost */
	enum fynq_err refusal; /* what it is when the input is refused; FYNQ_OK for INVALID */
};

struct fynq_gotrue_answer {
	long status;		  /* 0 where none came */
	struct json_object *json; /* of a success, an object; NULL for an empty one */
	struct fynq_str code;	  /* of a failure, such as weak_password; absent without one */
	int64_t retry_after;	  /* in seconds, -1 where it does not say */
};

/*
 * Ask and wait. Not recorded, so that the caller may take a failure for a success. Beside what the
 * table of codes in gotrue.c has: AUTH_UNAVAILABLE where no answer came, where it makes no sense or
 * says that they have failed or that the settings are wrong; what an admin needs is logged then.
 */
enum fynq_err fynq_gotrue_ask(struct fynq_req *rq, const struct fynq_gotrue *ask,
    struct fynq_gotrue_answer *answer_r) FYNQ_MUST_CHECK;

/* Record the failure e of a call: with Retry-After, and the field at fault for INVALID. */
enum fynq_err fynq_gotrue_fail(
    struct fynq_req *rq, enum fynq_err e, const struct fynq_gotrue_answer *answer);

/* Is this the code of the answer? */
bool fynq_gotrue_is(const struct fynq_gotrue_answer *answer, const char *code);

/*
 * Read an answer of that status and body; for fynq_gotrue_ask() and its tests. FYNQ_OK for 2xx with
 * an object or nothing.
 */
enum fynq_err fynq_gotrue_read(struct fynq_arena *a, const struct fynq_gotrue *ask, long status,
    struct fynq_str body, struct fynq_gotrue_answer *answer_r);

/* A member of a JSON object to be sent; one whose value is absent is left out. */
struct fynq_gotrue_member {
	const char *name;
	struct fynq_str value;
	bool json; /* value is JSON already */
};

/* The object of those members, in the arena. */
struct fynq_str fynq_gotrue_object(
    struct fynq_arena *a, const struct fynq_gotrue_member *members, size_t n);

#define FYNQ_GOTRUE_OBJECT(a, ...)                                                  \
	fynq_gotrue_object((a), (const struct fynq_gotrue_member[]){ __VA_ARGS__ }, \
	    sizeof((const struct fynq_gotrue_member[]){ __VA_ARGS__ }) /            \
		sizeof(struct fynq_gotrue_member))

/* An account as an answer describes it; lives as long as the answer. */
struct fynq_gotrue_user {
	struct fynq_uuid id;
	struct fynq_str email;	    /* "" where it has none */
	struct fynq_str created_at; /* RFC 3339 */
	const char *role;	    /* student, teacher or admin; static */
};

/* False where the object is no user, or misses what we need of one. */
bool fynq_gotrue_user(struct json_object *json, struct fynq_gotrue_user *user_r);

/*
 * The tokens of a session, all but session_r->user, and whose it is. False where the object is no
 * session. now is in seconds since 1970.
 */
bool fynq_gotrue_session(struct json_object *json, int64_t now, struct fynq_session *session_r,
    struct fynq_gotrue_user *user_r);

#endif
