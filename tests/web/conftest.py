"""A real browser on pages of our own: where it is found, how it is started, and what it noticed."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
ASSETS = ROOT / "gateway" / "static" / "graphiql"
#: How long anything on a page may take on a slow machine, in seconds.
PATIENCE = 30.0

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1440,900",
    # Every name but our own servers' address fails to resolve: a page that needs another host breaks here.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)

#: Addresses that the browser answers itself; its first, empty tab has many.
INTERNAL = ("data:", "blob:", "about:", "chrome:", "chrome-untrusted:")

#: Runs before the page's own scripts and keeps what the content security policy refused.
COLLECT_VIOLATIONS = """
window.refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  const { effectiveDirective, blockedURI, sourceFile, lineNumber } = event;
  window.refused.push(`${effectiveDirective} refused ${blockedURI} at ${sourceFile}:${lineNumber}`);
});
"""


class Page:
    """One browser window on one page. Waiting methods fail after `PATIENCE` seconds and say what they waited for."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self._requests: list[str] = []
        self._console: list[Mapping[str, Any]] = []

    def wait(self, until: Callable[[], Any], what: str) -> Any:
        """The first true answer of `until`; elements that were replaced meanwhile are looked up again."""
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        missing = (NoSuchElementException, StaleElementReferenceException)
        try:
            return WebDriverWait(self.driver, PATIENCE, 0.05, missing).until(lambda _: until())
        except TimeoutException:
            pytest.fail(f"waited {PATIENCE:g} s for {what}; the browser says: {self.complaints()}")

    def find(self, selector: str) -> Any:
        """The first visible element for a CSS selector, as soon as there is one."""

        def visible() -> Any:
            found = self.driver.find_elements("css selector", selector)
            return next((element for element in found if element.is_displayed()), None)

        return self.wait(visible, selector)

    def texts(self, selector: str) -> list[str]:
        """What can be read now in each element for a CSS selector; the editor's hard spaces as plain ones."""
        found = self.driver.find_elements("css selector", selector)
        return [element.text.replace("\N{NO-BREAK SPACE}", " ") for element in found]

    def text(self, selector: str) -> str:
        """What can be read now in all elements for a CSS selector, joined by newlines."""
        return "\n".join(self.texts(selector))

    def wait_for_text(self, selector: str, *wanted: str) -> str:
        """Waits until every wanted text can be read in the elements for a CSS selector."""
        what = f"{wanted} in {selector}"
        return cast(
            "str", self.wait(lambda: (read := self.text(selector)) and all(w in read for w in wanted) and read, what)
        )

    def press(self, selector: str, *keys: str) -> None:
        """Clicks into the element for a CSS selector and presses keys there, the first ones held."""
        from selenium.webdriver import ActionChains

        *held, last = keys
        chain = ActionChains(self.driver).click(self.find(selector))
        for key in held:
            chain.key_down(key)
        chain.send_keys(last)
        for key in reversed(held):
            chain.key_up(key)
        chain.perform()

    def requests(self) -> list[str]:
        """Every address asked for so far by the page and its workers; what never leaves the browser is left out."""
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                self._requests.append(message["params"]["request"]["url"])
        return [url for url in self._requests if not url.startswith(INTERNAL)]

    def complaints(self) -> list[str]:
        """Warnings and errors of the browser's console so far, and what the content security policy refused."""
        self._console.extend(self.driver.get_log("browser"))
        said = [str(entry["message"]) for entry in self._console if entry["level"] in {"WARNING", "SEVERE"}]
        return said + list(self.driver.execute_script("return window.refused ?? []"))


class GraphiQLPage(Page):
    """GraphiQL's panes and tabs in words; opened by `open_graphiql`."""

    QUERY = ".graphiql-query-editor .view-lines"
    VARIABLES = "section[aria-label='Variables'] .graphiql-editor:not(.hidden) .view-lines"
    RESPONSE = ".graphiql-response .view-lines"
    TABS = ".graphiql-tab-button"

    def tabs(self) -> list[str]:
        """The tabs' labels from left to right."""
        return self.texts(self.TABS)

    def open_tab(self, label: str) -> None:
        """Changes to the tab with this label, which is its operation's name."""
        self.find(f"{self.TABS}[title='{label}']").click()
        self.wait_for_text(self.QUERY, label)
        # The page reads the operation's name a moment after it shows the text, and stores the text just before.
        read = "return localStorage.getItem('aftersale:graphiql:query') ?? ''"
        self.wait(lambda: label in self.driver.execute_script(read), f"the page to read the query of {label}")

    def run(self) -> Any:
        """Runs the open tab with Ctrl-Enter. The whole answer, parsed, also where the pane shows only its beginning."""
        from selenium.webdriver.common.keys import Keys

        response = "__MONACO.editor.getModels().find((model) => model.uri.path.endsWith('response.json'))"
        self.driver.execute_script(f"{response}.setValue('')")
        self.press(self.QUERY, Keys.CONTROL, Keys.ENTER)
        answer = self.wait(lambda: self.driver.execute_script(f"return {response}.getValue()"), "an answer")
        return json.loads(answer)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """Chromium's path; CHROMIUM and CHROMEDRIVER name other ones. Skips when either is missing."""
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is missing (Debian's package chromium)")
    if _driver() is None:
        pytest.skip("chromedriver is missing (Debian's package chromium-driver)")
    pytest.importorskip("selenium", reason="selenium is missing (the dev dependencies)")
    return Path(browser)


def _driver() -> str | None:
    return os.environ.get("CHROMEDRIVER") or shutil.which("chromedriver")


def _sources() -> list[Path]:
    return [*WEB.glob("*.json"), *WEB.glob("*.mjs"), *(WEB / "graphiql").iterdir()]


@pytest.fixture(scope="session")
def graphiql_assets() -> Path:
    """The folder with the built page. Builds it when it is missing or older than its sources; skips without Node."""
    index = ASSETS / "index.html"
    newest = max(source.stat().st_mtime for source in _sources())
    if index.exists() and index.stat().st_mtime >= newest:
        return ASSETS
    npm = shutil.which("npm")
    if npm is None:
        if index.exists():
            pytest.skip("the built GraphiQL page is older than its sources, and Node (npm) is missing to build it")
        pytest.skip("the GraphiQL page is not built, and Node (npm) is missing to build it")
    for command in (["ci"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=WEB, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"npm {' '.join(command)}: {done.stdout}\n{done.stderr}"
    return ASSETS


@pytest.fixture(scope="session")
def browser(chromium: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A running browser with an empty profile, as Selenium's driver; one for all tests, as its start is slow."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(chromium)
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=_driver()))
    try:
        driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": COLLECT_VIOLATIONS})
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def visit(browser: Any) -> Callable[[str], None]:
    """Goes to an address; the test's first visit finds nothing stored and nothing logged by tests before it."""
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)
    cleared: set[str] = set()

    def go(url: str) -> None:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        if origin not in cleared:
            cleared.add(origin)
            browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        browser.get(url)

    return go


@pytest.fixture
def open_page(browser: Any, visit: Callable[[str], None]) -> Callable[[str], Page]:
    """Opens an address; further calls in a test go on in the same window, with what the page stored."""
    page = Page(browser)

    def open_(url: str) -> Page:
        visit(url)
        return page

    return open_


@pytest.fixture
def open_graphiql(browser: Any, visit: Callable[[str], None]) -> Callable[[str], GraphiQLPage]:
    """Opens the address of a GraphiQL page and waits for its query pane; further calls go on in the same window."""
    page = GraphiQLPage(browser)

    def open_(url: str) -> GraphiQLPage:
        visit(url)
        page.find(page.QUERY)
        return page

    return open_
