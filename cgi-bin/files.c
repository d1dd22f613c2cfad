/*
 * Files: send them, see what is known of them, read them, delete them. This file has the routes;
 * files.h says where their handlers are.
 */
#include "files.h"
#include "storage/link.h"

static const struct fynq_field file_in[] = {
	FYNQ_FIELD(file_in, id, FYNQ_IN_PATH, "The file."),
	FYNQ_FIELD_END,
};

static const struct fynq_field sign_in[] = {
	FYNQ_FIELD(sign_in, id, FYNQ_IN_PATH, "The file."),
	FYNQ_FIELD(sign_in, expires_in, FYNQ_IN_BODY,
	    "How long the link works, in seconds; FYNQ_LINK_DAYS days at most.",
	    .min = FYNQ_LINK_SECONDS_MIN, .max = 365 * 86400, .fallback = FYNQ_LINK_SECONDS),
	FYNQ_FIELD_END,
};

static const struct fynq_field link_in[] = {
	FYNQ_FIELD(link_in, id, FYNQ_IN_PATH, "The file."),
	FYNQ_FIELD(link_in, expires, FYNQ_IN_QUERY | FYNQ_REQUIRED,
	    "When the link expires, in seconds since 1970.", .max = 20),
	FYNQ_FIELD(link_in, key, FYNQ_IN_QUERY | FYNQ_REQUIRED, "Which key it was signed with.",
	    .max = FYNQ_LINK_KEY_SIZE - 1),
	FYNQ_FIELD(link_in, signature, FYNQ_IN_QUERY | FYNQ_REQUIRED | FYNQ_SECRET,
	    "The signature.", .max = FYNQ_LINK_SIGNATURE_SIZE - 1),
	FYNQ_FIELD_END,
};

static const struct fynq_field file_out[] = {
	FYNQ_OUT("id", UUID, "The file's id."),
	FYNQ_OUT("name", STRING, "What its sender calls it.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("media_type", STRING, "What it is, such as image/jpeg."),
	FYNQ_OUT("bytes", INT, "Its size."),
	FYNQ_OUT("sha256", STRING, "The SHA-256 of its bytes, in hexadecimal."),
	FYNQ_OUT("width", INT, "Of a picture, in pixels.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("height", INT, "Of a picture, in pixels.", .flags = FYNQ_NULLABLE),
	FYNQ_OUT("created_at", TIME, "When it was stored."),
	FYNQ_OUT("url", STRING, "Where its bytes are; they need the same token."),
	FYNQ_FIELD_END,
};

static const struct fynq_field sign_out[] = {
	FYNQ_OUT("url", STRING,
	    "The link: a URL, or its path where FYNQ_PUBLIC_URL is not set. Whoever has it may "
	    "read "
	    "the file."),
	FYNQ_OUT("expires_at", TIME, "When it stops working."),
	FYNQ_FIELD_END,
};

static const enum fynq_err content_errors[] = { FYNQ_E_PRECONDITION_FAILED, FYNQ_E_RANGE,
	FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err link_errors[] = { FYNQ_E_BAD_LINK, FYNQ_E_PRECONDITION_FAILED,
	FYNQ_E_RANGE, FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err sign_errors[] = { FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };

static const struct fynq_route routes[] = {
	{ FYNQ_GET, "/api/v1/files/{id}", FYNQ_USER, .header = "If-None-Match", .in = file_in,
	    .status = 200, .out = file_out, .handler = get_file,
	    .summary = "What is known of one of the caller's files." },
	{ FYNQ_GET, "/api/v1/files/{id}/content", FYNQ_USER, .header = "If-None-Match",
	    .in = file_in, .status = 200, .also = "*/*", .ranges = true, .errors = content_errors,
	    .handler = get_content, .summary = "The bytes of one of the caller's files." },
	{ FYNQ_GET, "/api/v1/files/{id}/link", FYNQ_ANYONE, .header = "If-None-Match",
	    .in = link_in, .status = 200, .also = "*/*", .ranges = true, .errors = link_errors,
	    .handler = get_link, .summary = "The bytes of a file, by a link." },
	{ FYNQ_POST, "/api/v1/files/{id}/sign", FYNQ_USER, .in = sign_in, .status = 200,
	    .out = sign_out, .errors = sign_errors, .handler = post_sign,
	    .summary = "Make a link that reads one of the caller's files without a token." },
	{ 0 }
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "files", routes, NULL);
}
