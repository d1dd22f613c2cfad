// Where the service lets a browser be sent: its site, this machine, and what the allow-list names.

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\])$/;
const HOST = /^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$/;

/** The URL that the request asks for, where it is allowed; else the site's. */
export function redirectOf(ask) {
  const { siteUrl } = ask.settings;
  const asked = [ask.headers.redirect_to, ask.query.get("redirect_to"), ask.headers.referer];
  return asked.find((url) => url && isAllowed(url, ask.settings)) ?? siteUrl;
}

function isAllowed(text, { siteUrl, redirects }) {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const site = new URL(siteUrl);
  const isLocal = url.hostname === "localhost";
  if (url.hostname === site.hostname && url.protocol === site.protocol &&
      (url.port === site.port || isLocal)) {
    return true;
  }
  if (/^[0-9.]+$/.test(url.hostname) || url.hostname.startsWith("[")) {
    return LOOPBACK.test(url.hostname);
  }
  if (/^https?:$/.test(url.protocol) && !HOST.test(url.hostname)) return false;
  const [bare] = text.split("#");
  return redirects.some((pattern) => glob(pattern).test(bare));
}

// "*" stops at "." and "/", "**" does not, "?" is one other character.
function glob(pattern) {
  const parts = pattern.split(/(\*\*|\*|\?)/).map((part) => ({
    "**": ".*", "*": "[^./]*", "?": "[^./]",
  })[part] ?? part.replace(/[.+^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("")}$`);
}
