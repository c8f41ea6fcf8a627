"""Page: what a user does with the page in a browser, and sees there."""

import contextlib


@contextlib.contextmanager
def visit(browser, url, **options):
    """The page, in a browser that knows nothing; `options` are those of a context."""
    context = browser.new_context(**options)
    context.set_default_timeout(20_000)
    try:
        yield Page(context.new_page(), url).open()
    finally:
        context.close()


class Page:
    """The page in a tab, and what a user does there."""

    def __init__(self, tab, url):
        self.tab, self.url = tab, url
        self.faults = []
        self.requests = []
        tab.on("pageerror", lambda error: self.faults.append(str(error)))
        tab.on("console", self._note)
        tab.on("request", lambda request: self.requests.append(request))

    def _note(self, message):
        # LiteRT.js writes its notes to stderr, which is console.error.
        if "Content Security Policy" in message.text:
            self.faults.append(message.text)

    def open(self):
        self.tab.goto(self.url)
        self.loaded()
        return self

    def loaded(self):
        self.tab.locator("#facts:not(:has-text('Loading'))").wait_for()

    def type(self, text, text_pair=None):
        """Puts texts into the page, and waits for their answer."""
        self.tab.fill("#text", text)
        if text_pair is not None:
            if not self.tab.is_visible("#text-pair"):
                self.tab.click("#pair")
            self.tab.fill("#text-pair", text_pair)
        self.settle()

    def paste(self, text):
        """Pastes a text where the focus is."""
        self.tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.tab.evaluate("text => navigator.clipboard.writeText(text)", text)
        self.tab.keyboard.press("Control+V")
        self.settle()

    def settle(self):
        self.tab.locator("#answer[aria-busy=false]").wait_for(state="attached")

    def choose(self, file):
        """Opens a model from disk."""
        self.tab.set_input_files("#file", file)
        self.loaded()

    def show_all(self):
        self.tab.click("#all:has-text('Show all')")

    def rows(self):
        """The text of each row of the list."""
        return self.tab.locator("#scores li").all_inner_texts()

    def scores(self):
        """What the list shows: labels and the lengths of their bars."""
        return {
            row.locator(".name").inner_text(): float(
                row.locator(".bar").evaluate("e => e.style.getPropertyValue('--score')")
            )
            for row in self.tab.locator("#scores li").all()
        }

    def shown(self, name):
        """The text of an element, None if it is hidden."""
        element = self.tab.locator(f"#{name}")
        if not element.is_visible():
            return None
        return element.inner_text().replace("\xa0", " ")
