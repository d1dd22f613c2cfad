# shellcheck shell=bash
# A stack, and a first conversation through it.

# post PATH TOKEN JSON: to the running service.
post() {
	local token=$2
	curl -fsS -N "$(stack_url)/api/v1$1" -H 'Content-Type: application/json' \
		${token:+-H "Authorization: Bearer $token"} -d "$3"
}

# json_member NAME: of the object on standard input.
json_member() {
	node -e 'process.stdout.write(String(JSON.parse(require("fs").readFileSync(0))[process.argv[1]]))' \
		"$1"
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
	say "The service runs: $(stack_url) (after $(((${EPOCHREALTIME/./} - began) / 1000000)) s)"
	say "Logs: $state/log; stop it with ./dev down"
}
