#include <ctype.h>
#include <string.h>

#include "http/params.h"

bool
fynq_is_token(struct fynq_str s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) &&
		    memchr(marks, s.p[i], sizeof(marks) - 1) == NULL)
			return false;
	return s.n > 0;
}

struct fynq_str
fynq_param_first(struct fynq_str value, struct fynq_str *rest_r)
{
	struct fynq_str first;

	fynq_str_cut(value, ';', &first, rest_r);
	return fynq_str_trim(first);
}

/* Take the quoted string that *s begins with off it. False where it does not end. */
static bool
take_quoted(struct fynq_str *s, struct fynq_str *inside_r)
{
	size_t i = 1;

	while (i < s->n && s->p[i] != '"') {
		bool escape = s->p[i] == '\\' && i + 1 < s->n &&
			      (s->p[i + 1] == '"' || s->p[i + 1] == '\\');

		i += escape ? 2 : 1;
	}
	if (i >= s->n)
		return false;
	*inside_r = (struct fynq_str){ s->p + 1, i - 1 };
	*s = (struct fynq_str){ s->p + i + 1, s->n - i - 1 };
	return true;
}

bool
fynq_param_next(struct fynq_str *rest, struct fynq_header_param *param_r)
{
	struct fynq_str s = fynq_str_trim(*rest), behind;
	size_t n = 0;

	*param_r = (struct fynq_header_param){ 0 };
	while (n < s.n && s.p[n] != '=' && s.p[n] != ';')
		n++;
	param_r->name = fynq_str_trim((struct fynq_str){ s.p, n });
	if (n == s.n || s.p[n] == ';') {
		fynq_str_cut(s, ';', &behind, rest);
		return param_r->name.n == 0;
	}
	s = fynq_str_trim((struct fynq_str){ s.p + n + 1, s.n - n - 1 });
	param_r->quoted = s.n > 0 && s.p[0] == '"';
	if (param_r->quoted && !take_quoted(&s, &param_r->value))
		return false;
	behind = fynq_param_first(s, rest);
	if (!param_r->quoted)
		param_r->value = behind;
	return fynq_is_token(param_r->name) && (param_r->quoted ? behind.n == 0 : behind.n > 0);
}
