// Google's error bodies: {"error": {"code", "message", "status", "details"}}.

const RPC = "type.googleapis.com/google.rpc.";

/** An answer other than 200, thrown by whatever finds the fault and written by service.mjs. */
export class ApiFault extends Error {
  /** `details` is the list for error.details, or undefined where the service sends none. */
  constructor(code, status, message, details) {
    super(message);
    this.code = code;
    this.status = status;
    this.details = details;
  }

  body() {
    return errorBody(this.code, this.status, this.message, this.details);
  }
}

export function errorBody(code, status, message, details) {
  const error = { code, message, status };
  if (details) error.details = details;
  return { error };
}

export function invalidArgument(message, details) {
  return new ApiFault(400, "INVALID_ARGUMENT", message, details);
}

/** Violations of the JSON's shape, all at once; `field` is absent at the top level. */
export function badRequest(violations) {
  const message = violations.map((violation) => violation.description).join("\n");
  const fieldViolations = violations.map(({ field, description }) =>
    field ? { field, description } : { description });
  return invalidArgument(message, [{ "@type": `${RPC}BadRequest`, fieldViolations }]);
}

export function missingKey() {
  return new ApiFault(
    403,
    "PERMISSION_DENIED",
    "Method doesn't allow unregistered callers (callers without established identity). " +
      "Please use API Key or other form of API consumer identity to call this API.",
  );
}

export function wrongKey() {
  const message = "API key not valid. Please pass a valid API key.";
  return invalidArgument(message, [
    {
      "@type": `${RPC}ErrorInfo`,
      reason: "API_KEY_INVALID",
      domain: "googleapis.com",
      metadata: { service: "generativelanguage.googleapis.com" },
    },
    { "@type": `${RPC}LocalizedMessage`, locale: "en-US", message },
  ]);
}

export function unknownModel(name, verb) {
  return new ApiFault(
    404,
    "NOT_FOUND",
    `models/${name} is not found for API version v1beta, or is not supported for ${verb}. ` +
      "Call ListModels to see the list of available models and their supported methods.",
  );
}

/** A 429. `violations` are [quotaId, quotaValue]; `retryDelay` is like "34.4s". */
export function quotaDetails(violations, retryDelay) {
  const details = [
    {
      "@type": `${RPC}Help`,
      links: [
        {
          description: "Learn more about Gemini API quotas",
          url: "https://ai.google.dev/gemini-api/docs/rate-limits",
        },
      ],
    },
    {
      "@type": `${RPC}QuotaFailure`,
      violations: violations.map(([quotaId, quotaValue]) => ({
        quotaMetric: "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        quotaId,
        quotaDimensions: { location: "global", model: "gemini-2.5-flash" },
        quotaValue,
      })),
    },
  ];
  if (retryDelay) details.push({ "@type": `${RPC}RetryInfo`, retryDelay });
  return details;
}

/** What Google's front end says, in HTML, when no method of the API is meant. */
export function htmlPage(code, title) {
  return (
    `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${code} (${title})</title>\n` +
    `<p><b>${code}.</b> ${title}.\n</html>\n`
  );
}
