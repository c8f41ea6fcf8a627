"""The page in headless Chromium: what it answers to texts."""

import numpy as np
import pytest
from every_head import letters
from packed import repacked
from the_page import Page

from keras_squeezebert.inference import softmax
from keras_squeezebert.tflite import LiteRTModel, export_tflite

TEXTS = ["ab cd", "a", "abc de f g h", "who? [MASK]!", "x y z a b"]
DIFFICULT = {
    "emoji": "a \U0001f600 b \U0001f469\u200d\U0001f4bb",
    "right to left": "\u05e9\u05dc\u05d5\u05dd a \u0645\u0631\u062d\u0628\u0627",
    "NUL": "a\0b \0 c",
    "accents": "\u00e1b e\u0301 \u1e9e",
    "controls": "a\u200bb\u202ec \ufeff d\u2028e",
    "markup": "<b>a</b> <script>b</script> &amp;",
    "unknown": "\u4e2d\u6587 \u0378",
    "special": "[CLS] a [SEP] b [PAD]",
    "long": "a b c d e f " * 20,
}
MEGABYTES = {"words": "ab c ", "one word": "a", "ideographs": "\u4e2d", "lines": "a\n"}


def probabilities(path, text, text_pair=None):
    """What Python says of a text, by label."""
    model = LiteRTModel(path)
    pair = None if text_pair is None else [text_pair]
    (logits,) = model.predict([text], pair)["logits"]
    return by_label(model.config, softmax(logits))


def by_label(config, scores):
    return dict(zip(config.id2label.values(), scores.tolist(), strict=True))


def assert_shown(page, expected, tolerance=1e-5):
    """That the page shows these scores, the best first."""
    shown = page.scores()
    assert shown == pytest.approx(expected, abs=tolerance)
    assert list(shown.values()) == sorted(shown.values(), reverse=True)
    written = [row.split("\n")[1] for row in page.rows()]
    assert written == [f"{score:.1%}" for score in shown.values()]


@pytest.mark.parametrize("scheme", ["float32", "dynamic_ptq", "mixed", "int8"])
def test_answers_are_those_of_python(scheme, tflite, serve, open_page):
    model, path = tflite(scheme)
    length = LiteRTModel(path).input_shape[1]
    with serve(path) as url:
        page = open_page(url)
        assert page.shown("facts").startswith(f"{scheme}.tflite · ")
        page.type("a")
        page.show_all()
        for text in TEXTS:
            page.type(text)
            # Products of int8 are rounded as the processor likes ("relaxed SIMD").
            tolerance = 1e-5 if scheme == "float32" else 0.02
            assert_shown(page, probabilities(path, text), tolerance)
            if scheme == "float32":
                inputs = letters()([text], max_length=length, padding="max_length")
                (row,) = softmax(model.predict_on_batch(inputs))
                assert_shown(page, by_label(model.config, row))
        assert page.faults == []


@pytest.fixture(scope="module")
def site(tflite, serve):
    with serve(tflite("float32")[1]) as url:
        yield url


@pytest.fixture
def page(site, open_page):
    return open_page(site)


@pytest.fixture
def path(tflite):
    return tflite("float32")[1]


def test_what_is_shown_step_by_step(page):
    assert page.shown("facts") == "float32.tflite · 0.2 MB · 8 labels · 16 tokens"
    assert page.shown("answer") is None
    assert page.shown("hint") == "The answer appears here while you type."
    page.tab.keyboard.type("ab c")  # the text has the focus
    page.settle()
    assert page.shown("hint") is None
    assert page.shown("cost").startswith("5 of 16 tokens · ")
    assert page.shown("cost").endswith(" ms")
    assert len(page.rows()) == 6
    assert page.shown("all") == "Show all 8 labels"
    page.show_all()
    assert len(page.rows()) == 8
    page.tab.click("#all:has-text('Show fewer labels')")
    assert len(page.rows()) == 6
    page.type(" \n\t ")
    assert page.shown("answer") is None and page.shown("hint")
    assert page.shown("cost") is None


def test_difficult_texts(page, path):
    page.type("a")
    page.show_all()
    for text in DIFFICULT.values():
        page.type(text)
        assert_shown(page, probabilities(path, text))
    assert page.shown("problem") is None
    assert page.faults == []


@pytest.mark.parametrize("surrogate", ["\\ud83d", "\\udc00"])
def test_a_lone_surrogate_counts_as_unknown_text(page, path, surrogate):
    # Python's driver sends no such text: the page makes it.
    page.tab.evaluate(
        f"""() => {{
            const text = document.getElementById("text");
            text.value = "a {surrogate}b";
            text.dispatchEvent(new Event("input"));
        }}"""
    )
    page.settle()
    page.show_all()
    assert_shown(page, probabilities(path, "a \ufffdb"))


def test_a_text_that_is_too_long_is_cut(page, path):
    page.type("a b c d e f g h i j k l m n")
    assert page.shown("cut") is None
    page.type("a b c d e f g h i j k l m n o p")
    assert page.shown("cost").startswith("16 of 16 tokens")
    assert page.shown("cut") == (
        "This is more than the 16 tokens that the model reads. It stopped after "
        "“a b c d e f g h i j k l m n”"
    )
    # Of a longer text the last words, of a longer word its end.
    word = "a" * 101
    page.type(f"{word} b c " * 9)
    assert page.shown("cut").endswith(" after “…b”")
    page.type(f"{word} " * 20)
    assert page.shown("cut").endswith(f" after “…{'a' * 28}”")
    page.type("a")
    assert page.shown("cut") is None


@pytest.mark.parametrize("unit", MEGABYTES.values(), ids=MEGABYTES)
def test_a_megabyte_is_pasted(page, path, unit):
    text = unit * (2**20 // len(unit))
    page.paste(text)
    page.show_all()
    assert_shown(page, probabilities(path, text))
    if unit != "a":
        assert page.shown("cut").endswith(". The box holds 20,000 characters")
    page.type("c")
    assert_shown(page, probabilities(path, "c"))


def test_pairs(page, path):
    page.type("ab c", "d")
    page.show_all()
    for text, text_pair in [("ab c", "d"), ("", "a"), ("a b " * 9, "c d " * 9)]:
        page.type(text, text_pair)
        assert_shown(page, probabilities(path, text, text_pair))
    assert page.shown("cut").endswith("“a b a b a b” and “c d c d c d c”")
    page.tab.click("#pair:has-text('Remove the second text')")
    page.settle()
    assert_shown(page, probabilities(path, "a b " * 9))
    page.type("", "")
    assert page.shown("answer") is None


def test_probabilities_are_shown_as_they_are(page, tflite, path, tmp_path):
    model, _ = tflite("float32")
    length = LiteRTModel(path).input_shape[1]
    made = tmp_path / "probabilities.tflite"
    export_tflite(model, made, length, tokenizer=letters(), probabilities=True)
    page.choose(made)
    page.type("ab c")
    page.show_all()
    assert_shown(page, probabilities(path, "ab c"))


def test_any_number_of_labels(page, path, tmp_path):
    several = repacked(
        *(path, tmp_path / "several.tflite"),
        config={"problem_type": "multi_label_classification"},
    )
    page.choose(several)
    page.type("ab c")
    page.show_all()
    model = LiteRTModel(path)
    (logits,) = model.predict(["ab c"])["logits"]
    expected = by_label(model.config, 1 / (1 + np.exp(-logits.astype("float64"))))
    assert_shown(page, expected)
    chosen = page.tab.locator("#scores li.chosen .name").all_inner_texts()
    assert set(chosen) == {name for name, score in expected.items() if score >= 0.5}


def test_a_number(page, stars):
    page.choose(stars)
    assert page.shown("facts") == "stars.tflite · 0.2 MB · 1 output · 16 tokens"
    page.type("ab c")
    ((value,),) = LiteRTModel(stars).predict(["ab c"])["logits"]
    (row,) = page.rows()
    name, shown = row.split("\n")
    assert name == "stars" and float(shown) == pytest.approx(value, abs=1e-4)
    assert page.shown("all") is None


def test_the_newest_text_is_answered_however_fast_one_types(page, path):
    text = "a b c d e f g h i j k l m n"
    page.tab.keyboard.type(text, delay=0)
    page.settle()
    page.show_all()
    assert_shown(page, probabilities(path, text))


def test_nothing_leaves_the_browser(page, site):
    page.type("secret words")
    addresses = {request.url for request in page.requests}
    assert all(address.startswith(site) for address in addresses)
    assert {request.method for request in page.requests} == {"GET"}
    assert not any("secret" in address for address in addresses)


def test_another_site_cannot_show_the_page_or_read_the_model(site, browser):
    context = browser.new_context()
    tab = context.new_page()
    tab.goto("about:blank")
    read = "url => fetch(url).then(() => 'read', () => 'refused')"
    assert tab.evaluate(read, f"{site}model.tflite") == "refused"
    context.close()


def test_what_is_typed_before_the_page_is_ready_is_answered(site, browser, path):
    context = browser.new_context()
    tab = context.new_page()
    waiting = []
    tab.route("**/page.js", lambda route: waiting.append(route))
    tab.goto(site, wait_until="commit")
    tab.fill("#text", "ab c")
    while not waiting:
        tab.wait_for_timeout(10)
    waiting[0].continue_()
    page = Page(tab, site)
    page.loaded()
    page.settle()
    page.show_all()
    assert_shown(page, probabilities(path, "ab c"))
    context.close()
