#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/config.h"
#include "base/log.h"
#include "gemini/engine.h"
#include "tutor/answer.h"
#include "tutor/runner.h"
#include "tutor/turn.h"
#include "tutor/tutor.h"

enum { INSTRUCTION_MAX = 65536, REQUEST_MAX = 20 << 20 };

/* The tutor's instruction as a JSON string; read once. */
static struct fynq_buf instruction = FYNQ_BUF_INIT(8 * INSTRUCTION_MAX);

static void
read_instruction(void)
{
	int fd = open(fynq_config.tutor_file, O_RDONLY | O_CLOEXEC);
	char *text = fynq_alloc(INSTRUCTION_MAX);
	ssize_t n = fd >= 0 ? read(fd, text, INSTRUCTION_MAX) : -1;
	struct fynq_str whole = { text, n > 0 ? (size_t)n : 0 };

	if (fd >= 0)
		close(fd);
	if (n <= 0 || n == INSTRUCTION_MAX || !fynq_str_utf8(whole))
		fynq_log_fatal("config",
		    "FYNQ_TUTOR_FILE: %s cannot be read, is empty, not UTF-8 or"
		    " larger than %d bytes",
		    fynq_config.tutor_file, INSTRUCTION_MAX - 1);
	fynq_buf_add_json(&instruction, whole);
	free(text);
}

static void
start(void)
{
	read_instruction();
	fynq_gemini_init();
	fynq_runner_start();
	fynq_answers_init();
}

const struct fynq_companion fynq_tutor = {
	.start = start,
	.active = fynq_answers_active,
	.cancel = fynq_answers_cancel,
};

/* GenerateContentRequest; contents is JSON already. */
static void
build_request(struct fynq_buf *body, struct fynq_str contents)
{
	fynq_buf_add(body, FYNQ_STR("{\"systemInstruction\":{\"parts\":[{\"text\":"));
	fynq_buf_add(body, fynq_buf_str(&instruction));
	fynq_buf_add(body, FYNQ_STR("}]},\"contents\":"));
	fynq_buf_add(body, contents);
	fynq_buf_printf(body, ",\"generationConfig\":{\"maxOutputTokens\":%lld}}",
	    (long long)fynq_config.gemini_output_tokens);
}

enum fynq_err
fynq_tutor_ask(struct fynq_req *rq, struct fynq_uuid chat, struct fynq_str content, bool stream)
{
	struct fynq_turn turn = { .chat = chat };
	struct fynq_buf body = FYNQ_BUF_INIT(REQUEST_MAX);
	struct fynq_str question, contents;

	if (fynq_answers_active() >= (size_t)fynq_config.streams_max) {
		rq->problem.retry_after = 5;
		return fynq_fail(rq, FYNQ_E_BUSY, "Too many replies are being written; try again.");
	}
	FYNQ_TRY(fynq_turn_open(rq, &turn, content, &question, &contents));
	build_request(&body, contents);
	fynq_req_detach(rq, fynq_answer_start, fynq_answer_new(&turn, question, &body, stream));
	return FYNQ_OK;
}
