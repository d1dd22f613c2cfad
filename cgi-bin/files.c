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

static const struct fynq_field sign_out[] = {
	FYNQ_OUT("url", STRING,
	    "The link: a URL, or its path where FYNQ_PUBLIC_URL is not set. Whoever has it "
	    "may read the file."),
	FYNQ_OUT("expires_at", TIME, "When it stops working."),
	FYNQ_FIELD_END,
};

static const enum fynq_err content_errors[] = { FYNQ_E_PRECONDITION_FAILED, FYNQ_E_RANGE,
	FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err link_errors[] = { FYNQ_E_BAD_LINK, FYNQ_E_PRECONDITION_FAILED,
	FYNQ_E_RANGE, FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err sign_errors[] = { FYNQ_E_STORAGE_UNAVAILABLE, FYNQ_OK };

static const struct fynq_field list_in[] = {
	FYNQ_FIELD(
	    list_in, purpose, FYNQ_IN_QUERY, "Only those for this.", .values = fynq_purposes),
	FYNQ_FIELDS_PAGE(list_in),
	FYNQ_FIELD_END,
};

static const struct fynq_field upload_in[] = {
	FYNQ_FIELD(upload_in, file, FYNQ_IN_BODY | FYNQ_EITHER,
	    "The file. What it is, its content says; a Content-Type that says otherwise is "
	    "refused.",
	    .max = FYNQ_FILE_MOST),
	FYNQ_FIELD(upload_in, files, FYNQ_IN_BODY | FYNQ_EITHER,
	    "Instead of it, several: parts of this name, of which all are kept or none.",
	    .max = FYNQ_FILE_MOST, .items = FILES_AT_ONCE),
	FYNQ_FIELD(upload_in, purpose, FYNQ_IN_BODY,
	    "What for: a picture of a chat, which is prepared as POST /chat/image does; a "
	    "document, "
	    "which it is without this; or content of the library, for teachers and admins.",
	    .values = fynq_purposes),
	FYNQ_FIELD_END,
};

/* A file's members; what a reply need not have is marked by its flags. */
#define FILE_OUT(have)                                                                           \
	FYNQ_OUT("id", UUID, "The file's id.", .flags = (have)),                                 \
	    FYNQ_OUT(                                                                            \
		"purpose", STRING, "What it is for.", .flags = (have), .values = fynq_purposes), \
	    FYNQ_OUT(                                                                            \
		"name", STRING, "What its sender calls it.", .flags = (have) | FYNQ_NULLABLE),   \
	    FYNQ_OUT("media_type", STRING, "What it is, such as image/jpeg.", .flags = (have)),  \
	    FYNQ_OUT("bytes", INT, "Its size.", .flags = (have)),                                \
	    FYNQ_OUT(                                                                            \
		"sha256", STRING, "The SHA-256 of its bytes, in hexadecimal.", .flags = (have)), \
	    FYNQ_OUT("width", INT, "Of a picture, in pixels, where it was prepared.",            \
		.flags = (have) | FYNQ_NULLABLE),                                                \
	    FYNQ_OUT("height", INT, "The same.", .flags = (have) | FYNQ_NULLABLE),               \
	    FYNQ_OUT("created_at", TIME, "When it was stored.", .flags = (have)),                \
	    FYNQ_OUT(                                                                            \
		"url", STRING, "Where its bytes are; they need the same token.", .flags = (have))

static const struct fynq_field file_out[] = { FILE_OUT(0), FYNQ_FIELD_END };

static const struct fynq_field upload_out[] = {
	FILE_OUT(FYNQ_OPTIONAL),
	FYNQ_OUT("items", ARRAY,
	    "Where several were sent: these, in their order, and nothing else.",
	    .flags = FYNQ_OPTIONAL, .sub = file_out),
	FYNQ_FIELD_END,
};

static const enum fynq_err upload_errors[] = { FYNQ_E_STORAGE_QUOTA, FYNQ_E_NOT_FOUND,
	FYNQ_E_KEY_REUSED, FYNQ_E_RATE_LIMITED, FYNQ_E_PICTURES_UNAVAILABLE, FYNQ_OK };
static const enum fynq_err delete_errors[] = { FYNQ_E_CONFLICT, FYNQ_OK };

/* A form's texts, and the heads of its parts, beside the bytes of its files. */
enum { FRAME_BYTES = 1 << 20 };

static const struct fynq_route routes[] = {
	{ FYNQ_POST, "/api/v1/files/upload", FYNQ_USER, .header = "Idempotency-Key",
	    .in = upload_in, .body_max = FYNQ_FILE_MOST + FRAME_BYTES, .status = 201,
	    .out = upload_out, .errors = upload_errors, .handler = post_upload,
	    .admit = admit_upload, .summary = "Store a file of the caller's, or several." },
	{ FYNQ_GET, "/api/v1/files", FYNQ_USER, list_in, .status = 200, .out = file_out,
	    .paged = true, .handler = get_files,
	    .summary = "The caller's files, the newest first." },
	{ FYNQ_GET, "/api/v1/files/{id}", FYNQ_USER, .header = "If-None-Match", .in = file_in,
	    .status = 200, .out = file_out, .handler = get_file,
	    .summary =
		"What is known of a file of the caller's, or of a content that the caller sees." },
	{ FYNQ_GET, "/api/v1/files/{id}/content", FYNQ_USER, .header = "If-None-Match",
	    .in = file_in, .status = 200, .also = "*/*", .ranges = true, .errors = content_errors,
	    .handler = get_content, .summary = "The bytes of such a file." },
	{ FYNQ_DELETE, "/api/v1/files/{id}", FYNQ_USER, .in = file_in, .status = 204,
	    .errors = delete_errors, .handler = delete_file,
	    .summary = "Delete one of the caller's files; a message whose picture it is stays." },

	{ FYNQ_GET, "/api/v1/files/{id}/link", FYNQ_ANYONE, .header = "If-None-Match",
	    .in = link_in, .status = 200, .also = "*/*", .ranges = true, .errors = link_errors,
	    .handler = get_link, .summary = "The bytes of a file, by a link." },
	{ FYNQ_POST, "/api/v1/files/{id}/sign", FYNQ_USER, .in = sign_in, .status = 200,
	    .out = sign_out, .errors = sign_errors, .handler = post_sign,
	    .summary = "Make a link that reads such a file without a token." },
	{ 0 }
};

int
main(int argc, char **argv)
{
	return fynq_serve(argc, argv, "files", routes, NULL);
}
