// Drives the real Firefox.

import { Builder, By } from "selenium-webdriver";
import firefox from "selenium-webdriver/firefox.js";

const BINARY = process.env["MICROMINT_FIREFOX"] ?? "/usr/bin/firefox-esr";
const GECKODRIVER = process.env["MICROMINT_GECKODRIVER"] ?? "geckodriver";
const ID = "wallet@micromint.example";
const UUID = "b1d6e2f4-5c1a-4f5e-9a63-1f0c7c2a9d11";

export class Firefox {
  /** Starts it, in a profile of its own that it removes unless one is given. */
  static async start(extension, profile) {
    const browser = new Firefox();
    const options = new firefox.Options()
      .addArguments(...(profile === undefined ? [] : ["-profile", profile]))
      .addArguments("-headless")
      .setBinary(BINARY)
      .setPreference("extensions.webextensions.uuids", JSON.stringify({ [ID]: UUID }))
      .setPreference("intl.locale.requested", "en-US");
    const service = new firefox.ServiceBuilder(GECKODRIVER).addArguments("--allow-system-access");
    browser.driver = await new Builder()
      .forBrowser("firefox")
      .setFirefoxOptions(options)
      .setFirefoxService(service)
      .build();
    await browser.driver.manage().setTimeouts({ script: 30_000, pageLoad: 20_000 });
    await browser.driver.installAddon(extension, true);
    browser.own = await browser.openOwn("wallet.html");
    return browser;
  }

  get name() {
    return "firefox";
  }

  address(page) {
    return `moz-extension://${UUID}/${page}`;
  }

  /** Opens a page of the extension, which a driver may not open by its address. */
  async openOwn(name) {
    const before = await this.driver.getAllWindowHandles();
    await this.driver.setContext("chrome");
    await this.driver.executeScript("gBrowser.selectedTab = gBrowser.addTrustedTab(arguments[0]);", this.address(name));
    await this.driver.setContext("content");
    for (let i = 0; i < 100; i += 1) {
      const added = (await this.driver.getAllWindowHandles()).filter((it) => !before.includes(it));
      if (added.length > 0) {
        const page = new FirefoxPage(this.driver, added[0]);
        await page.here();
        if (await page.run("return document.readyState === 'complete' && location.href !== 'about:blank'")) return page;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${name} does not open`);
  }

  async page() {
    await this.driver.switchTo().newWindow("tab");
    return new FirefoxPage(this.driver, await this.driver.getWindowHandle());
  }

  /** The tab that is driven; the wallet's page if that was closed. */
  async current() {
    return await this.driver.getWindowHandle().catch(() => this.own.handle);
  }

  async ask(message) {
    const back = await this.current();
    await this.own.here();
    const answer = await this.driver.executeAsyncScript(
      "const done = arguments[1]; browser.runtime.sendMessage(arguments[0]).then(done, (e) => done({error: String(e)}));",
      { to: "background", ...message },
    );
    await this.driver.switchTo().window(back).catch(() => undefined);
    return answer;
  }

  async prompt(timeout = 30_000) {
    const back = await this.current();
    const ends = Date.now() + timeout;
    do {
      for (const handle of await this.driver.getAllWindowHandles()) {
        const page = new FirefoxPage(this.driver, handle);
        await page.here().catch(() => undefined);
        if ((await this.driver.getCurrentUrl().catch(() => "")).includes("/prompt.html")) {
          for (let j = 0; j < 50; j += 1) {
            if (await page.run("return document.querySelector('#once:not([disabled])') !== null")) return page;
            await new Promise((resolve) => setTimeout(resolve, 100));
          }
          return page;
        }
      }
      await this.driver.switchTo().window(back).catch(() => this.own.here());
      if (timeout > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    } while (Date.now() < ends);
    return undefined;
  }

  async state(url) {
    const back = await this.current();
    await this.own.here();
    const tab = await this.driver.executeAsyncScript(
      "const done = arguments[1]; browser.tabs.query({}).then((all) => done(all.find((it) => it.url === arguments[0])?.id));",
      url,
    );
    await this.driver.switchTo().window(back).catch(() => undefined);
    return { tab, ...(await this.ask({ ask: "tab", tab })) };
  }

  async prompts() {
    const back = await this.current();
    let count = 0;
    for (const handle of await this.driver.getAllWindowHandles()) {
      await this.driver.switchTo().window(handle).catch(() => undefined);
      if ((await this.driver.getCurrentUrl().catch(() => "")).includes("/prompt.html")) count += 1;
    }
    await this.driver.switchTo().window(back).catch(() => undefined);
    return count;
  }

  /** Stops the background, as the browser does after 30 s without an event. */
  async stopBackground() {
    await this.driver.setContext("chrome");
    const state = await this.driver.executeAsyncScript(
      `const done = arguments[1];
       const { extension } = WebExtensionPolicy.getByID(arguments[0]);
       extension.terminateBackground({ disableResetIdleForTest: true }).then(() => done(extension.backgroundState), (e) => done(String(e)));`,
      ID,
    );
    await this.driver.setContext("content");
    if (state !== "stopped") throw new Error(`expected a stopped background, found ${state}`);
  }

  /** Removes the cookies of the site whose page is driven. */
  async clearCookies() {
    await this.driver.manage().deleteAllCookies();
  }

  async stop() {
    await this.driver.quit();
  }
}

class FirefoxPage {
  constructor(driver, handle) {
    this.driver = driver;
    this.handle = handle;
  }
  async isOpen() {
    return (await this.driver.getAllWindowHandles()).includes(this.handle);
  }

  async here() {
    await this.driver.switchTo().window(this.handle);
  }
  async goto(url) {
    await this.here();
    await this.driver.get(url).catch(() => undefined);
  }
  async click(selector) {
    await this.here();
    await this.driver.findElement(By.css(selector)).click();
  }
  async hover(selector) {
    await this.here();
    const link = await this.driver.findElement(By.css(selector));
    await this.driver.actions().move({ origin: link }).perform();
  }
  async back() {
    await this.here();
    await this.driver.navigate().back();
  }
  async forward() {
    await this.here();
    await this.driver.navigate().forward();
  }
  async reload() {
    await this.here();
    await this.driver.navigate().refresh();
  }
  async run(script) {
    await this.here();
    return await this.driver.executeScript(script);
  }
  async title() {
    await this.here();
    return await this.driver.getTitle();
  }
  async close() {
    await this.here();
    await this.driver.close();
    const [first] = await this.driver.getAllWindowHandles();
    await this.driver.switchTo().window(first);
  }
}

