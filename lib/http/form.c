#include <string.h>

#include "base/config.h"
#include "http/form.h"
#include "http/json.h"

/*
 * Large enough that system calls cost little beside the SHA-256 of a large body: in 64 KB it takes
 * a third longer, in 16 KB half as long again.
 */
enum { PIECE = 256 << 10 };

/* What reads a form. */
struct reader {
	struct fynq_req *rq;
	const struct fynq_field *table;
	struct fynq_multipart parser;
	struct fynq_digest *digest;
	struct fynq_buf texts;		/* of all parts so far */
	size_t text_from;		/* where in them this part's begins */
	struct fynq_form_part *part;	/* the one that is open */
	const struct fynq_field *field; /* that takes its bytes; NULL where none does */
	enum fynq_err error;		/* why a call said that it is enough */
	char *pieces[2];		/* of size: one is read while the other's digest is taken */
	size_t size;
	int turn, begun; /* the piece that is read, and whose digest was begun last; -1 for none */
};

static bool
is_file(const struct fynq_field *f)
{
	return (f->flags & FYNQ_IN_BODY) != 0 &&
	       (f->type == FYNQ_T_FILE || f->type == FYNQ_T_FILES);
}

bool
fynq_form_wanted(const struct fynq_field *table)
{
	for (; table != NULL && table->name != NULL; table++)
		if (is_file(table))
			return true;
	return false;
}

bool
fynq_form_alone(const struct fynq_field *table)
{
	bool either = false, others = false;

	for (; table != NULL && table->name != NULL; table++) {
		if (is_file(table) && (table->flags & FYNQ_REQUIRED) != 0)
			return true;
		either |= is_file(table) && (table->flags & FYNQ_EITHER) != 0;
		others |= !is_file(table) && (table->flags & FYNQ_EITHER) != 0;
	}
	return either && !others;
}

/* How many parts before this one have its name. */
static int64_t
same_before(const struct fynq_form *form, const struct fynq_form_part *part)
{
	int64_t n = 0;

	for (const struct fynq_form_part *other = form->parts; other < part; other++)
		n += fynq_str_eq(other->name, part->name);
	return n;
}

/*
 * Find the field that takes the part's bytes: none for a part that is a fault. INVALID where its
 * field has as many as it takes, since to read on would only cost.
 */
static enum fynq_err
find_field(struct reader *r, const struct fynq_form_part *part)
{
	int64_t n = same_before(r->rq->form, part), most;

	r->field = NULL;
	for (const struct fynq_field *f = r->table; f->name != NULL && r->field == NULL; f++)
		if ((f->flags & FYNQ_IN_BODY) != 0 && is_file(f) == part->is_file &&
		    fynq_str_eq(part->name, fynq_str_of(f->name)))
			r->field = f;
	if (r->field == NULL || n == 0)
		return FYNQ_OK;
	if (r->field->type != FYNQ_T_FILES) {
		r->field = NULL;
		return FYNQ_OK;
	}
	most = r->field->items > 0 ? r->field->items : FYNQ_FILES_ITEMS;
	if (n < most)
		return FYNQ_OK;
	fynq_fault(
	    r->rq, part->name, "too_long", "It must have at most %lld files.", (long long)most);
	return FYNQ_E_INVALID;
}

static bool
begin(void *arg, const struct fynq_part *head)
{
	struct reader *r = arg;
	struct fynq_form *form = r->rq->form;
	struct fynq_form_part *part = &form->parts[form->n++];
	struct fynq_arena *a = r->rq->arena;

	part->name = fynq_arena_copy(a, head->name);
	part->is_file = head->filename.p != NULL;
	part->upload.fd = -1;
	r->part = part;
	r->text_from = r->texts.n;
	r->error = find_field(r, part);
	if (r->error == FYNQ_OK && r->field != NULL && part->is_file)
		r->error = fynq_upload_open(r->rq, &part->upload);
	if (r->error != FYNQ_OK || !part->is_file)
		return r->error == FYNQ_OK;
	part->upload.name = fynq_arena_copy(a, head->filename);
	part->upload.media_type = fynq_arena_copy(a, head->media_type);
	return true;
}

/* Which file it is to the client: "image", or "files.2". */
static struct fynq_str
file_name(const struct reader *r)
{
	struct fynq_str name = fynq_str_of(r->field->name);

	if (r->field->type == FYNQ_T_FILES)
		name = fynq_arena_printf(
		    r->rq->arena, "%s.%lld", name.p, (long long)same_before(r->rq->form, r->part));
	return name;
}

static enum fynq_err
add_to_file(struct reader *r, struct fynq_str bytes)
{
	struct fynq_upload *u = &r->part->upload;
	int64_t min, max;

	fynq_field_bounds(r->field, &min, &max);
	if (r->rq->file_max > 0 && r->rq->file_max < max)
		max = r->rq->file_max;
	if ((int64_t)bytes.n > max - u->bytes)
		return fynq_fail(r->rq, FYNQ_E_TOO_LARGE, "%.*s may have at most %lld bytes.",
		    FYNQ_STR_ARG(file_name(r)), (long long)max);
	r->begun = r->turn;
	return fynq_upload_add(r->rq, u, r->digest, bytes);
}

static enum fynq_err
add_to_texts(struct reader *r, struct fynq_str bytes)
{
	fynq_buf_add(&r->texts, bytes);
	if (!r->texts.full)
		return FYNQ_OK;
	return fynq_fail(r->rq, FYNQ_E_TOO_LARGE,
	    "The form's texts may have at most %zu bytes together.", r->texts.max);
}

static bool
data(void *arg, struct fynq_str bytes)
{
	struct reader *r = arg;

	if (r->field != NULL)
		r->error = r->part->is_file ? add_to_file(r, bytes) : add_to_texts(r, bytes);
	return r->error == FYNQ_OK;
}

static bool
end(void *arg)
{
	struct reader *r = arg;
	struct fynq_str text = { r->texts.p, r->texts.n - r->text_from };

	if (r->part->is_file && r->field != NULL)
		fynq_upload_end(&r->part->upload, r->digest);
	if (r->part->is_file)
		return true;
	text = text.n > 0 ? (struct fynq_str){ text.p + r->text_from, text.n } : FYNQ_STR("");
	r->part->text = fynq_arena_copy(r->rq->arena, text);
	return true;
}

static void
release_texts(void *arg)
{
	fynq_buf_release(arg);
}

static struct reader *
new_reader(struct fynq_req *rq, const struct fynq_field *table, struct fynq_str boundary)
{
	static const struct fynq_multipart_calls calls = { begin, data, end };
	struct reader *r = fynq_arena_alloc(rq->arena, sizeof(*r));

	rq->form = fynq_arena_alloc(rq->arena, sizeof(*rq->form));
	r->rq = rq;
	r->table = table;
	r->texts.max = (size_t)fynq_config.body_max;
	fynq_arena_defer(rq->arena, release_texts, &r->texts);
	r->digest = fynq_digest_new(rq->arena);
	/* A body of one piece needs no more room than that. */
	r->begun = -1;
	r->size = rq->content_length < PIECE ? rq->content_length : PIECE;
	r->pieces[0] = fynq_arena_alloc(rq->arena, r->size);
	r->pieces[1] = r->size < PIECE ? r->pieces[0] : fynq_arena_alloc(rq->arena, r->size);
	fynq_multipart_init(&r->parser, boundary, &calls, r);
	return r;
}

/* To begin the digest of one piece is to wait for that of the other. */
static enum fynq_err
read_piece(struct reader *r, struct fynq_str *piece_r)
{
	r->turn = !r->turn;
	if (r->begun == r->turn)
		fynq_digest_add(r->digest, FYNQ_STR(""));
	return fynq_req_body_piece(r->rq, r->pieces[r->turn], r->size, piece_r);
}

static enum fynq_err
read_form(struct fynq_req *rq, const struct fynq_field *table)
{
	struct fynq_str boundary, piece;
	struct reader *r;

	if (!fynq_multipart_boundary(rq->content_type, &boundary))
		return fynq_fail(
		    rq, FYNQ_E_BAD_REQUEST, "The Content-Type has no boundary, or a bad one.");
	r = new_reader(rq, table, boundary);
	do {
		FYNQ_TRY(read_piece(r, &piece));
		if (piece.n > 0 ? fynq_multipart_feed(&r->parser, piece)
				: fynq_multipart_finish(&r->parser))
			continue;
		if (r->error != FYNQ_OK)
			return r->error;
		return fynq_fail(rq, FYNQ_E_BAD_REQUEST, "%s", r->parser.why);
	} while (piece.n > 0);
	return FYNQ_OK;
}

enum fynq_err
fynq_form_body(struct fynq_req *rq, const struct fynq_field *table, size_t max)
{
	if (!fynq_form_wanted(table))
		return fynq_req_body(rq, max);
	if (rq->content_length > 0 && fynq_multipart_is_form(rq->content_type)) {
		FYNQ_TRY(fynq_req_body_fits(rq, max));
		return read_form(rq, table);
	}
	if (rq->content_length > 0 && fynq_form_alone(table))
		return fynq_fail(rq, FYNQ_E_MEDIA_TYPE, "The body must be multipart/form-data.");
	if (rq->content_length > 0 && !fynq_json_is_type(rq->content_type))
		return fynq_fail(rq, FYNQ_E_MEDIA_TYPE,
		    "The body must be multipart/form-data or application/json.");
	if (max > (size_t)fynq_config.body_max)
		max = (size_t)fynq_config.body_max;
	return fynq_req_body(rq, max);
}
