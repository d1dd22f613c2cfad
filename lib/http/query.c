#include <string.h>

#include "http/query.h"

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Whether s reads as it stands. */
static bool
is_plain(struct fynq_str s, bool plus)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '%' || (plus && s.p[i] == '+'))
			return false;
	return true;
}

bool
fynq_percent_decode(struct fynq_arena *a, struct fynq_str s, bool plus, struct fynq_str *decoded_r)
{
	char *out;
	size_t n = 0;

	*decoded_r = s;
	if (is_plain(s, plus))
		return fynq_str_utf8(s);
	out = fynq_arena_alloc(a, s.n);
	for (size_t i = 0; i < s.n; i++) {
		int high, low;

		if (s.p[i] != '%') {
			out[n++] = plus && s.p[i] == '+' ? ' ' : s.p[i];
			continue;
		}
		if (s.n - i < 3 || (high = hex_digit(s.p[i + 1])) < 0 ||
		    (low = hex_digit(s.p[i + 2])) < 0)
			return false;
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*decoded_r = (struct fynq_str){ out, n };
	return fynq_str_utf8(*decoded_r);
}

static struct fynq_param
read_param(struct fynq_arena *a, struct fynq_str piece)
{
	struct fynq_param param = { 0 };
	struct fynq_str name, value, decoded;

	if (!fynq_str_cut(piece, '=', &name, &value))
		value = FYNQ_STR("");
	param.name = name;
	if (fynq_percent_decode(a, name, true, &decoded))
		param.name = decoded;
	else
		param.malformed = true;
	if (!fynq_percent_decode(a, value, true, &param.value))
		param.malformed = true;
	return param;
}

struct fynq_param *
fynq_query_parse(struct fynq_arena *a, struct fynq_str query, size_t *n_r)
{
	struct fynq_str rest = query, piece;
	struct fynq_param *params;
	size_t most = 1;

	for (size_t i = 0; i < query.n; i++)
		most += query.p[i] == '&';
	params = fynq_arena_alloc(a, most * sizeof(*params));
	*n_r = 0;
	while (rest.n > 0) {
		fynq_str_cut(rest, '&', &piece, &rest);
		if (piece.n > 0)
			params[(*n_r)++] = read_param(a, piece);
	}
	return params;
}
