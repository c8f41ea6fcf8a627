"""The page without its server: it goes on, with all that it had."""

import shutil

import pytest

WITH_ALL = "#offline:visible"


@pytest.fixture
def model(tflite, tmp_path):
    return shutil.copy(tflite("float32")[1], tmp_path / "mine.tflite")


@pytest.mark.parametrize("visits", [1, 2])
def test_it_works_when_the_server_has_stopped(visits, serve, model, open_page):
    with serve(model) as url:
        page = open_page(url)
        for _ in range(visits - 1):
            page.tab.locator(WITH_ALL).wait_for()
            page.tab.reload()
            page.loaded()
        page.tab.locator(WITH_ALL).wait_for()
        page.type("ab c")
        online = page.scores()
    page.tab.reload()
    page.loaded()
    assert page.shown("facts") == "mine.tflite · 0.2 MB · 8 labels · 16 tokens"
    page.type("ab c")
    assert page.scores() == online
    page.type("d e")
    assert page.scores() != online
    page.tab.locator(WITH_ALL).wait_for()
    assert page.faults == []


def test_a_server_with_another_model_is_asked_first(
    serve, model, tflite, stars, open_page
):
    with serve(model) as url:
        page = open_page(url)
        page.tab.locator(WITH_ALL).wait_for()
        shutil.copy(stars, model)
        page.tab.reload()
        page.loaded()
        assert "1 output" in page.shown("facts")
    # And it is that which is kept.
    page.tab.reload()
    page.loaded()
    assert "1 output" in page.shown("facts")


def test_what_older_pages_kept_is_removed(serve, model, open_page):
    with serve(model) as url:
        page = open_page(url)
        page.tab.locator(WITH_ALL).wait_for()
        keep = """async names => {
            for (const name of names) await caches.open(name);
            const { active, scope } = await navigator.serviceWorker.ready;
            await (await navigator.serviceWorker.getRegistration()).unregister();
        }"""
        page.tab.evaluate(keep, ["squeezebert-web-0", "of-another-page"])
        page.tab.reload()
        page.tab.locator(WITH_ALL).wait_for()
        names = page.tab.evaluate("() => caches.keys()")
        assert set(names) == {"squeezebert-web-1", "of-another-page"}


def test_a_browser_that_keeps_nothing(serve, model, open_page):
    with serve(model) as url:
        page = open_page(url, service_workers="block")
        page.type("ab c")
        assert len(page.scores()) == 6
        assert page.shown("offline") is None
        assert page.faults == []
