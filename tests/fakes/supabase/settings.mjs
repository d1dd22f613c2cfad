// What can be set of the stand-in: when it starts, and at the control interface.

export class SettingsFault extends Error {}

const number = (least, most) => ({
  read: Number, fits: (value) => Number.isFinite(value) && value >= least && value <= most,
});
const flag = { read: (text) => text === "on", fits: (value) => typeof value === "boolean" };
const url = { read: String, fits: (value) => typeof value === "string" && URL.canParse(value) };
const list = {
  read: (text) => text.split(",").filter(Boolean),
  fits: (value) => Array.isArray(value) && value.every((one) => typeof one === "string"),
};

/** Option at the control: its name here, what it may be, and the default. */
export const OPTIONS = {
  autoconfirm: ["autoconfirm", flag, true],
  signup: ["signup", flag, true],
  current_password: ["currentPassword", flag, false],
  password_min: ["passwordMin", number(1, 72), 6],
  bcrypt_cost: ["bcryptCost", number(4, 12), 10],
  jwt_seconds: ["jwtSeconds", number(1, 604800), 3600],
  reuse_seconds: ["reuseSeconds", number(0, 3600), 10],
  mail_seconds: ["mailSeconds", number(0, 86400), 3600],
  mail_interval_seconds: ["mailIntervalSeconds", number(0, 3600), 60],
  code_seconds: ["codeSeconds", number(0, 3600), 300],
  site_url: ["siteUrl", url, "http://127.0.0.1:3000"],
  redirects: ["redirects", list, []],
  file_size_limit: ["fileSizeLimit", number(0, 5e12), 5e10],
  providers: ["providers", list, ["google", "github"]],
};

export function defaultSettings() {
  return Object.fromEntries(Object.values(OPTIONS).map(([name, , value]) => [name, value]));
}

/** The options of a command line: --autoconfirm on|off and so on. */
export function settingsOfArguments(values) {
  const settings = defaultSettings();
  for (const [option, [name, kind]] of Object.entries(OPTIONS)) {
    const text = values[option.replaceAll("_", "-")];
    if (text === undefined) continue;
    settings[name] = checked(option, kind, kind.read(text));
  }
  return settings;
}

function checked(option, { fits }, value) {
  if (!fits(value)) throw new SettingsFault(`${option} cannot be that`);
  return value;
}

/** Changes options; `signing` is that of the keys. */
export function changeSettings({ settings, keys }, given) {
  for (const [option, value] of Object.entries(given)) {
    if (option === "signing") {
      if (!["ES256", "HS256"].includes(value)) throw new SettingsFault("signing cannot be that");
    } else if (!Object.hasOwn(OPTIONS, option)) {
      throw new SettingsFault(`there is no option ${option}`);
    } else {
      checked(option, OPTIONS[option][1], value);
    }
  }
  for (const [option, value] of Object.entries(given)) {
    if (option === "signing") keys.signing = value;
    else settings[OPTIONS[option][0]] = value;
  }
}

export function shownSettings({ settings, keys }) {
  const shown = Object.entries(OPTIONS).map(([option, [name]]) => [option, settings[name]]);
  return { ...Object.fromEntries(shown), signing: keys.signing };
}
