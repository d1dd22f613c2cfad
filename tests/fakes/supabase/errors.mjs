// Errors as Supabase Auth gives them, in both of its forms, and those of the gateway before it.

const VERSION = "x-supabase-api-version";
const NEWER = "2024-01-01";

/** An error with its code. `commit`: what the transaction did stays done. */
export class AuthError extends Error {
  constructor(status, code, message, { commit = false, reasons } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.commit = commit;
    this.reasons = reasons; // of a weak password
  }
}

export const invalid = (message) => new AuthError(400, "validation_failed", message);
export const badJson = (why) =>
  new AuthError(400, "bad_json", `Could not parse request body as JSON: ${why}`);
export const notFound = (code, message) => new AuthError(404, code, message);
export const forbidden = (code, message) => new AuthError(403, code, message);
export const unprocessable = (code, message) => new AuthError(422, code, message);
export const internal = (message) => new AuthError(500, "unexpected_failure", message);

/** The answer to an error: {status, headers, body}. The form hangs on the version asked for. */
export function errorAnswer(error, requestHeaders) {
  const { status, code, message, reasons } = error;
  const newer = askedVersion(requestHeaders[VERSION]) >= NEWER;
  const headers = newer ? { [VERSION]: NEWER } : {};
  const weak = reasons ? { weak_password: { reasons } } : {};
  // The newer form of a weak password goes without the header: so the service does it.
  if (!(reasons && newer)) headers["x-sb-error-code"] = code;
  const body = newer
    ? { code, message, ...weak }
    : { code: status, error_code: code, msg: message, ...weak };
  return { status, headers, body };
}

function askedVersion(value) {
  return /^\d{4}-\d\d-\d\d$/.test(value ?? "") && !Number.isNaN(Date.parse(value)) ? value : "";
}

/** A page of the proxy before the gateway. */
export const page = (status, title) =>
  `<html>\r\n<head><title>${status} ${title}</title></head>\r\n<body>\r\n` +
  `<center><h1>${status} ${title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n` +
  "</body>\r\n</html>\r\n";

/** What the gateway says of keys and of paths that lead nowhere. */
export const gateway = {
  noKey: {
    status: 401,
    body: {
      message: "No API key found in request",
      hint: "No `apikey` request header or url param was found.",
    },
  },
  badKey: {
    status: 401,
    body: {
      message: "Invalid API key",
      hint: "Double check your Supabase `anon` or `service_role` API key.",
    },
  },
  noRoute: { status: 404, body: { message: "no Route matched with those values" } },
};

const HUGE = 64 << 20;

/** A failure: more than anyone should take. */
export const huge = {
  about: `${HUGE >> 20} MB of JSON`, done: true,
  play: async (exchange, act) => {
    await act();
    exchange.begin(200, { "content-type": "application/json" });
    const block = Buffer.alloc(1 << 16, " ");
    for (let sent = 0; sent < HUGE && !exchange.gone; sent += block.length) {
      if (!exchange.write(block)) await new Promise((wake) => exchange.onDrain(wake));
    }
    if (!exchange.gone) exchange.write("{}");
    exchange.end();
  },
};
