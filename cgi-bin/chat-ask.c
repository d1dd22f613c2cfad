/*
 * Questions: each is stored before Gemini is asked, its reply before the client hears of its end.
 */
#include "chat-ask.h"
#include "chat.h"

enum fynq_err
post_message(struct fynq_req *rq, const void *arg)
{
	const struct message_in *in = arg;
	struct fynq_question question = {
		.chat = in->chat_id,
		.content = in->content,
		.contents = in->content_ids.text,
	};

	return fynq_tutor_ask(rq, &question, NULL, in->stream);
}

enum fynq_err
post_image(struct fynq_req *rq, const void *arg)
{
	const struct image_in *in = arg;
	struct fynq_question question = {
		.chat = in->chat_id,
		.content = in->content.n > 0 ? in->content : FYNQ_STR(""),
		.file = in->file_id,
	};

	return fynq_tutor_ask(rq, &question, &in->image, in->stream);
}

enum fynq_err
post_edit(struct fynq_req *rq, const void *arg)
{
	const struct edit_in *in = arg;
	struct fynq_question question = {
		.kind = FYNQ_TURN_EDIT,
		.chat = in->id,
		.message = in->mid,
		.content = in->content,
		.contents = in->content_ids.text,
	};

	return fynq_tutor_ask(rq, &question, NULL, in->stream);
}

enum fynq_err
post_regenerate(struct fynq_req *rq, const void *arg)
{
	const struct regenerate_in *in = arg;
	struct fynq_question question = {
		.kind = FYNQ_TURN_REGENERATE,
		.chat = in->id,
		.message = in->mid,
	};

	return fynq_tutor_ask(rq, &question, NULL, in->stream);
}

enum fynq_err
get_stream(struct fynq_req *rq, const void *arg)
{
	const struct stream_in *in = arg;

	return fynq_tutor_resume(rq, &in->id);
}
