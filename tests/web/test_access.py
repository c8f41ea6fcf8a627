"""The page for keyboards, screen readers, narrow screens and every preference."""

import datetime

import pytest

TOO_LONG = "a b c d e f g h i j k l m n o p"
STATES = {
    "empty": lambda page: None,
    "answer": lambda page: page.type("ab c"),
    "pair that is cut": lambda page: page.type(TOO_LONG, TOO_LONG),
    "problem": lambda page: page.choose(__file__),
}
LOOKS = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "phone": {"viewport": {"width": 320, "height": 640}, "has_touch": True},
    "forced colours": {"forced_colors": "active"},
}


@pytest.fixture(scope="module")
def site(tflite, serve):
    with serve(tflite("float32")[1]) as url:
        yield url


@pytest.fixture
def axe(node_modules):
    return (node_modules / "axe-core" / "axe.min.js").read_text()


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(look, site, open_page, axe):
    page = open_page(site, reduced_motion="reduce", **LOOKS[look])
    page.tab.evaluate(axe)
    for state, reach in STATES.items():
        reach(page)
        found = page.tab.evaluate("() => axe.run()")
        problems = [(rule["id"], rule["nodes"]) for rule in found["violations"]]
        assert problems == [], state
        passed = {rule["id"] for rule in found["passes"]}
        assert {"label", "document-title", "html-has-lang", "button-name"} <= passed
        width = page.tab.evaluate("() => document.documentElement.scrollWidth")
        assert width <= page.tab.viewport_size["width"], state


def test_axe_finds_something(site, open_page, axe):
    page = open_page(site)
    page.tab.evaluate(axe)
    page.tab.evaluate("() => document.querySelector('label').remove()")
    found = page.tab.evaluate("() => axe.run()")
    assert "label-title-only" in {rule["id"] for rule in found["violations"]}


def focused(page):
    return page.tab.evaluate("() => document.activeElement.id")


def test_all_can_be_done_with_the_keyboard(site, open_page):
    page = open_page(site)
    press = page.tab.keyboard.press
    # Chromium tells of choosers from some time after somebody listens.
    page.tab.on("filechooser", lambda chooser: None)
    assert focused(page) == "text"
    page.tab.keyboard.type("ab c")
    page.settle()
    order = [focused(page)]
    for _ in range(3):
        press("Tab")
        order.append(focused(page))
    assert order == ["text", "pair", "all", "open"]
    press("Shift+Tab")
    press("Enter")
    assert len(page.rows()) == 8
    assert page.tab.get_attribute("#all", "aria-expanded") == "true"
    press("Space")
    assert len(page.rows()) == 6
    press("Shift+Tab")
    press("Enter")
    assert focused(page) == "text-pair"
    assert page.tab.get_attribute("#pair", "aria-expanded") == "true"
    press("Tab")
    press("Enter")
    assert focused(page) == "text"
    page.settle()
    for _ in range(3):
        press("Tab")
    assert focused(page) == "open"
    with page.tab.expect_file_chooser():
        press("Enter")


def test_where_the_focus_is_can_be_seen(site, open_page):
    page = open_page(site, reduced_motion="reduce")
    page.type("ab c")
    border = "() => getComputedStyle(entry).borderColor"
    focused = page.tab.evaluate(border)
    page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Tab")
    outline = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert page.tab.evaluate(outline) == "solid"
    assert page.tab.evaluate(border) != focused


def test_the_answer_is_spoken_once_when_the_typing_pauses(site, open_page):
    page = open_page(site)
    page.tab.clock.install()
    page.tab.reload()  # so that no timer is left that goes by another clock
    page.loaded()
    page.tab.evaluate(
        """() => {
            window.said = [];
            new MutationObserver(() => said.push(spoken.textContent)).observe(
                spoken, { childList: true, characterData: true, subtree: true }
            );
        }"""
    )
    page.tab.clock.pause_at(datetime.datetime.now() + datetime.timedelta(hours=1))
    for letter in "ab c d e":
        page.tab.keyboard.type(letter)
        page.settle()
        page.tab.clock.run_for(900)
    assert page.tab.evaluate("() => said") == []
    page.tab.clock.run_for(100)
    label, score = page.rows()[0].split("\n")
    assert page.tab.evaluate("() => said") == [f"{label}, {score}"]
    page.type(TOO_LONG)
    page.tab.clock.run_for(1000)
    assert "The end of the text was not read" in page.tab.inner_text("#spoken")


def test_what_moves_can_be_still(site, open_page):
    duration = """() => getComputedStyle(
        document.querySelector(".bar"), "::after"
    ).transitionDuration"""
    for motion, expected in (("no-preference", "0.15s"), ("reduce", "0s")):
        page = open_page(site, reduced_motion=motion)
        page.type("ab c")
        assert page.tab.evaluate(duration) == expected
