#include "account/archive-parts.h"

#define PAGE_ROWS  "500"
#define PAGE_BYTES "1048576"

/*
 * A page: what from gives, in the order of its keys, as far as its items stay below a megabyte, and
 * one in any case. from ends where its order and limit are to follow. Each item is the whole row,
 * so that a column that is added later is in it without a word here.
 */
#define PAGE(item, key, more, from)                                                               \
	"with page as materialized (select (" item ")::text as item, " key " as key"              \
	" " more " " from " order by " key " limit " PAGE_ROWS                                    \
	"), sized as (select *, row_number() over w as n, sum(octet_length(item)) over w as size" \
	" from page window w as (order by key rows unbounded preceding)"                          \
	") select item, key::text"

#define PAGE_END " from sized where n = 1 or size <= " PAGE_BYTES " order by n"

#define BEHIND(key, type) "($2::text is null or " key " > $2::" type ")"

static const struct fynq_stmt account = { "export_account", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.export_account($1::uuid) where $2::text is null" };

static const struct fynq_stmt sessions = { "export_sessions", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select fynq.export_sessions($1::uuid) where $2::text is null" };

static const struct fynq_stmt profile = { "export_profile", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select to_jsonb(p) from public.profiles p where p.id = $1::uuid and $2::text is null" };

static const struct fynq_stmt limits = { "export_limits", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select json_build_object("
	"'own', (select to_jsonb(l) - 'user_id' from public.user_limits l"
	"  where l.user_id = $1::uuid),"
	"'files', (select to_jsonb(u) - 'user_id' from fynq.file_usage u"
	"  where u.user_id = $1::uuid),"
	"'last_minute', (select to_jsonb(r) - 'user_id' from fynq.rates r"
	"  where r.user_id = $1::uuid),"
	"'exports', (select to_jsonb(e.began_at) from fynq.exports e where e.user_id = $1::uuid))"
	" where $2::text is null" };

static const struct fynq_stmt usage = { "export_usage", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(u) - 'user_id'", "u.day", "",
	    "from public.usage u where u.user_id = $1::uuid and " BEHIND("u.day", "date"))
	    PAGE_END };

static const struct fynq_stmt requests = { "export_requests", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(r) - 'user_id'", "r.key", "",
	    "from fynq.requests r where r.user_id = $1::uuid and " BEHIND("r.key", "text"))
	    PAGE_END };

static const struct fynq_stmt answers = { "export_answers", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(a) - 'asked_by'", "a.hash", "",
	    "from fynq.answers a where a.asked_by = $1::uuid and " BEHIND("a.hash", "text"))
	    PAGE_END };

static const struct fynq_stmt audit = { "export_audit", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	"select a.item, a.key from fynq.export_audit($1::uuid, $2::text) a" };

static const struct fynq_stmt chats = { "export_chats", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(c) - 'user_id'", "c.id", "",
	    "from public.chats c where c.user_id = $1::uuid and " BEHIND("c.id", "uuid"))
	    PAGE_END };

const struct fynq_stmt fynq_part_messages = { "export_messages", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(m) - '{user_id,chat_id,runner}'::text[] || jsonb_build_object('summary',"
	     " to_jsonb(s) - '{user_id,chat_id,message_id}'::text[])",
	    "m.id", "",
	    "from public.messages m left join public.summaries s on s.message_id = m.id"
	    " where m.chat_id = $3::uuid and m.user_id = $1::uuid and " BEHIND("m.id", "uuid"))
	    PAGE_END };

static const struct fynq_stmt files = { "export_files", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(f) - 'user_id'", "f.id", ", f.name",
	    "from public.files f where f.user_id = $1::uuid and " BEHIND(
		"f.id", "uuid")) ", key::text, name" PAGE_END };

/* What is found by it is made of the rest. */
static const struct fynq_stmt library = { "export_library", FYNQ_AS_SERVICE, FYNQ_REPEATABLE,
	PAGE("to_jsonb(c) - '{author_id,config,search,ranked,tries,due_at}'::text[]", "c.id", "",
	    "from public.contents c where c.author_id = $1::uuid and " BEHIND("c.id", "uuid"))
	    PAGE_END };

const struct fynq_part fynq_parts[] = {
	{ "account.json", "auth.users,auth.identities,fynq.mails",
	    "Your account: its address, role and times, what you said when you registered, and "
	    "mails to you that were sent a moment ago or wait.",
	    FYNQ_SHAPE_ONE, &account },
	{ "profile.json", "public.profiles", "Your profile and your preferences.", FYNQ_SHAPE_ONE,
	    &profile },
	{ "sessions.json", "auth.sessions",
	    "Where you are signed in: since when, from which address and with which program.",
	    FYNQ_SHAPE_ONE, &sessions },
	{ "limits.json", "public.user_limits,fynq.file_usage,fynq.rates,fynq.exports",
	    "Limits that are yours alone, what your files take, what your newest minute of use "
	    "counts, and when you asked for exports in the last hour.",
	    FYNQ_SHAPE_ONE, &limits },
	{ "usage.json", "public.usage", "What you used, by day in UTC.", FYNQ_SHAPE_LIST, &usage },
	{ "requests.json", "fynq.requests",
	    "The Idempotency-Keys that your program sent of late, and what they made.",
	    FYNQ_SHAPE_LIST, &requests },
	{ "answers.json", "fynq.answers",
	    "Answers to your questions that are kept for others who ask the same.", FYNQ_SHAPE_LIST,
	    &answers },
	{ "audit.json", "fynq.audit", "What happened to your account: sign-ins, changes, exports.",
	    FYNQ_SHAPE_LIST, &audit },
	{ "chats.json", "public.chats", "A list of your chats.", FYNQ_SHAPE_LIST, &chats },
	{ "chats/", "public.chats,public.messages,public.summaries",
	    "Each chat with all its messages, on all branches, and the summaries that were made of "
	    "them. A message's parent_id is the message that it follows; parts is a reply as the "
	    "model sent it.",
	    FYNQ_SHAPE_CHAT, &chats },
	{ "library.json", "public.contents",
	    "What you added to the library: texts whole, of the others which file or link.",
	    FYNQ_SHAPE_LIST, &library },
	{ "files.json", "public.files", "A list of your files, with their names as you sent them.",
	    FYNQ_SHAPE_LIST, &files },
	{ "files/", "", "Your files, each under its id and its name in plain letters.",
	    FYNQ_SHAPE_BYTES, &files },
	{ 0 },
};

const struct fynq_left_out fynq_parts_left_out[] = {
	{ "auth.refresh_tokens", "Hashes of the tokens that keep you signed in: secrets." },
	{ "auth.one_time_tokens", "Hashes of the tokens of mails: secrets." },
	{ "fynq.uploads",
	    "Files that are being stored at this moment; once they are, files.json has "
	    "them." },
	{ "public.content_passages", "Pieces of your texts and documents, to find them by." },
	{ "fynq.erasures", "Accounts that are being erased; yours is not." },
	{ 0 },
};

void
fynq_parts_words(struct fynq_buf *out, struct fynq_str missing)
{
	fynq_buf_printf(out,
	    "Everything that this service holds about you.\n\n"
	    "Files that end in .json are text: any editor opens them. Times are in the time zone "
	    "that\nthey name.\n\n");
	for (const struct fynq_part *p = fynq_parts; p->file != NULL; p++)
		fynq_buf_printf(out, "%s\n    %s\n", p->file, p->what);
	fynq_buf_add(out, FYNQ_STR("contents.json\n    This list, for programs.\n"));
	fynq_buf_add(out, FYNQ_STR("\nLeft out:\n\n"));
	for (const struct fynq_left_out *l = fynq_parts_left_out; l->table != NULL; l++)
		fynq_buf_printf(out, "%s\n    %s\n", l->table, l->why);
	if (missing.n > 0)
		fynq_buf_printf(out,
		    "\nFiles that are in files.json, and whose bytes are not here: %.*s.\n",
		    FYNQ_STR_ARG(missing));
}

void
fynq_parts_json(struct fynq_buf *out, struct fynq_str missing)
{
	fynq_buf_add(out, FYNQ_STR("{\"format_version\":1,\n\"parts\":["));
	for (const struct fynq_part *p = fynq_parts; p->file != NULL; p++) {
		fynq_buf_add(out, p == fynq_parts ? FYNQ_STR("\n") : FYNQ_STR(",\n"));
		fynq_buf_printf(
		    out, "{\"file\":\"%s\",\"tables\":\"%s\",\"what\":", p->file, p->tables);
		fynq_buf_add_json(out, fynq_str_of(p->what));
		fynq_buf_add_char(out, '}');
	}
	fynq_buf_add(out, FYNQ_STR("],\n\"left_out\":["));
	for (const struct fynq_left_out *l = fynq_parts_left_out; l->table != NULL; l++) {
		fynq_buf_printf(out,
		    "%s{\"table\":\"%s\",\"why\":", l == fynq_parts_left_out ? "\n" : ",\n",
		    l->table);
		fynq_buf_add_json(out, fynq_str_of(l->why));
		fynq_buf_add_char(out, '}');
	}
	fynq_buf_printf(out, "],\n\"files_without_bytes\":[%.*s]}\n", FYNQ_STR_ARG(missing));
}
