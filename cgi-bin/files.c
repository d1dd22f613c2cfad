/*
 * Files: send them, see what is known of them, read them, delete them. This file has the routes;
 * files.h says where their handlers are.
 */
#include "files.h"

static const struct fynq_field file_in[] = {
	FYNQ_FIELD(file_in, id, FYNQ_IN_PATH, "The file."),
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

static const enum fynq_err content_errors[] = { FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };

static const struct fynq_route routes[] = {
	{ FYNQ_GET, "/api/v1/files/{id}", FYNQ_USER, .header = "If-None-Match", .in = file_in,
	    .status = 200, .out = file_out, .handler = get_file,
	    .summary = "What is known of one of the caller's files." },
	{ FYNQ_GET, "/api/v1/files/{id}/content", FYNQ_USER, .header = "If-None-Match",
	    .in = file_in, .status = 200, .also = "*/*", .errors = content_errors,
	    .handler = get_content, .summary = "The bytes of one of the caller's files." },
	{ 0 }
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "files", routes, NULL);
}
