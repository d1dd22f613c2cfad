# shellcheck shell=bash
# A stack, and a first conversation through it.

# ask PATH TOKEN OPTION...: of curl, to the running service.
ask() {
	local path=$1 token=$2
	shift 2
	curl -fsS -N "$(stack_url)/api/v1$path" ${token:+-H "Authorization: Bearer $token"} "$@"
}

# post PATH TOKEN JSON
post() {
	ask "$1" "$2" -H 'Content-Type: application/json' -d "$3"
}

# json_member NAME: of the object on standard input.
json_member() {
	node -e 'process.stdout.write(String(JSON.parse(require("fs").readFileSync(0))[process.argv[1]]))' \
		"$1"
}

# A content, once its text has been read, which is a moment after it was added.
await_text() {
	local extraction='' deadline=$((SECONDS + 30))
	until [ "$extraction" = 'done' ]; do
		[ "$SECONDS" -lt "$deadline" ] || die "the text of the content is not read: $extraction"
		extraction=$(ask "/contents/$1" "$2" | json_member extraction)
		sleep 0.2
	done
}

# demo_library EMAIL TOKEN: a teacher's text with its file, and a student's question about it.
demo_library() {
	local teacher=teacher-${1#student-} token file content
	local text='Chlorophyll takes up red and blue light and leaves over green light.'
	ctl user create "$teacher" --role teacher --password-stdin <<<'correct horse battery' >/dev/null
	token=$(post /auth/login '' "{\"email\": \"$teacher\", \"password\": \"correct horse battery\"}" |
		json_member access_token)
	file=$(printf '%s\n' "$text" | ask /files/upload "$token" -F 'file=@-;filename=leaves.txt' |
		json_member url)
	say "==> a teacher sends a file, $file, and publishes its text"
	content=$(post /contents "$token" "{\"type\": \"text\", \"title\": \"Why leaves are green\",
		\"language\": \"en\", \"body\": \"$text\", \"published\": true}" | json_member id)
	await_text "$content" "$2"
	say "==> the student asks about it"
	say ""
	post /chat/message "$2" "{\"content\": \"Which light do leaves take up?\", \"stream\": true,
		\"content_ids\": [\"$content\"]}" | node dev.d/deltas.mjs
}

demo_command() {
	local began=${EPOCHREALTIME/./} email token
	local question='Why is the sky blue? Give me a hint first.'
	up --defaults "$@"
	if [ -n "${GEMINI_API_KEY:-}" ]; then
		say "The tutor is Google Gemini."
	else
		say "The tutor is a stand-in for Google Gemini, as GEMINI_API_KEY is not set."
	fi
	email=student-$(date +%s)@example.com
	say "==> registering $email"
	token=$(post /auth/register '' "{\"email\": \"$email\", \"password\": \"correct horse battery\",
		\"birth_date\": \"2000-01-31\"}" | json_member access_token)
	say "==> asking: $question"
	say ""
	post /chat/message "$token" "{\"content\": \"$question\", \"stream\": true}" |
		node dev.d/deltas.mjs
	say ""
	demo_library "$email" "$token"
	say ""
	say "The service runs: $(stack_url) (after $(((${EPOCHREALTIME/./} - began) / 1000000)) s)"
	say "Logs: $state/log; stop it with ./dev down"
}
