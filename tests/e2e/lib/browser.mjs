// Debian's Chromium, one for a test file, without network but this machine's.

import puppeteer from "puppeteer-core";

/** Starts it; close() it in after(). What it would save is not saved. */
export async function startBrowser() {
  const browser = await puppeteer.launch({
    executablePath: "/usr/bin/chromium",
    headless: true,
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"],
    timeout: 60000,
    protocolTimeout: 60000,
  });
  const session = await browser.target().createCDPSession();
  await session.send("Browser.setDownloadBehavior", { behavior: "deny" });
  return browser;
}

/**
 * A new page for `use`, closed afterwards. `pages` are documents by URL that it finds there, whoever
 * serves the rest of that origin.
 */
export async function withPage(browser, pages, use) {
  const page = await browser.newPage();
  page.setDefaultTimeout(30000);
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const body = pages[request.url()];
    if (body === undefined) request.continue().catch(() => {}); // The page may be closed by now.
    else request.respond({ contentType: "text/html", body }).catch(() => {});
  });
  try {
    return await use(page);
  } finally {
    await page.close();
  }
}
