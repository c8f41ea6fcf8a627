"""Files that the page cannot use: it says why, and goes on with the model it has."""

import pytest
from packed import repacked
from the_page import visit


@pytest.fixture(scope="module")
def site(tflite, serve):
    with serve(tflite("float32")[1]) as url:
        yield url


@pytest.fixture(scope="module")
def page(site, browser):
    """One page for all tests, which bears one bad file after the other."""
    with visit(browser, site) as page:
        yield page


@pytest.fixture(scope="module")
def other_head(tflite, tmp_path_factory):
    _, path = tflite("float32")
    target = tmp_path_factory.mktemp("tags") / "tags.tflite"
    names = ["SqueezeBertForTokenClassification"]
    return repacked(path, target, config={"architectures": names})


def damaged(path, target):
    """The graph is gone, the rest as it was."""
    contents = bytearray(path.read_bytes())
    contents[64:100_000] = bytes(99_936)
    target.write_bytes(contents)


# By what is wrong: a function that writes the file, and what the page says.
BAD_FILES = {
    "no .tflite": (
        lambda path, target: target.write_text("<!doctype html>"),
        "This is no .tflite file.",
    ),
    "empty": (lambda path, target: target.touch(), "This is no .tflite file."),
    "truncated": (
        lambda path, target: target.write_bytes(path.read_bytes()[:100_000]),
        "it was cut short on its way here",
    ),
    "of another model": (
        lambda path, target: repacked(path, target, config={"model_type": "bert"}),
        "This .tflite is of another model",
    ),
    "no vocabulary": (
        lambda path, target: repacked(path, target, without="vocab.txt"),
        "This .tflite carries no vocabulary",
    ),
    "other labels": (
        lambda path, target: repacked(
            path, target, config={"id2label": {"0": "a", "1": "b"}}
        ),
        "float32 (batch, 2), as it has 2 labels.",
    ),
    "of no head": (
        lambda path, target: repacked(path, target, config={"architectures": None}),
        "this model has another head",
    ),
    "damaged": (damaged, "LiteRT.js cannot run this .tflite; it may be damaged."),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_told(kind, page, tflite, tmp_path):
    write, message = BAD_FILES[kind]
    bad = tmp_path / "bad.tflite"
    write(tflite("float32")[1], bad)
    page.type("ab c")
    former = page.scores()
    page.choose(bad)
    assert message in page.shown("problem")
    assert "Received: " in page.shown("problem")
    assert page.shown("facts").startswith("float32.tflite")
    page.type("d")
    assert page.scores() != former
    page.type("ab c")
    assert page.scores() == former
    assert page.shown("problem") is None
    assert page.faults == []


def test_another_head_is_told(page, other_head):
    page.choose(other_head)
    assert page.shown("problem").endswith("Received: SqueezeBertForTokenClassification")


def test_a_served_file_that_is_bad(serve, other_head, tflite, open_page):
    with serve(other_head) as url:
        page = open_page(url)
        assert "another head" in page.shown("problem")
        assert page.shown("facts") == "No model"
        page.type("ab c")
        assert page.shown("answer") is None
        page.choose(tflite("float32")[1])
        page.type("ab c")
        assert len(page.scores()) == 6


def test_a_file_is_dropped(page):
    transfer = page.tab.evaluate_handle(
        """async () => {
            const model = await (await fetch("model.tflite")).blob();
            const transfer = new DataTransfer();
            transfer.items.add(new File([model], "dropped.tflite"));
            return transfer;
        }"""
    )
    page.tab.dispatch_event("#entry", "dragover", {"dataTransfer": transfer})
    assert page.tab.locator("body.dropping").count() == 1
    page.tab.dispatch_event("#entry", "drop", {"dataTransfer": transfer})
    page.tab.locator("#facts:has-text('dropped.tflite')").wait_for()
    assert page.tab.locator("body.dropping").count() == 0
