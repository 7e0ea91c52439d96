"""What scripts of ours read (JSON in a page, storage, events, attributes) changes no prototype."""

import json

from tests.browser.conftest import sign_up

HOSTILE = (
    '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, '
    '"labels": ["__proto__"], "datasets": [{"label": "x", "data": [1], "tone": "__proto__", '
    '"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}]}'
)
NAMES = "Object.getOwnPropertyNames(Object.prototype).sort().join()"
UNTOUCHED = "({}).polluted === undefined && [].polluted === undefined"
CHART = """(text) => {
    document.body.insertAdjacentHTML('beforeend', '<div><canvas data-ui-chart="planted-data" data-kind="line"></canvas></div>');
    const data = document.createElement('template');
    data.id = 'planted-data';
    data.textContent = text;
    document.body.append(data);
    ui.drawCharts();
}"""  # noqa: E501 - one line of markup
TOAST = """(text) => {
    const detail = JSON.parse(text);
    document.body.dispatchEvent(new CustomEvent('ui:toast', {bubbles: true, detail}));
}"""
DRAWN = "Chart.getChart(document.querySelector('canvas[data-ui-chart=planted-data]')) != null"
PRESS = "(key) => document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}))"
VIEW = """() => {
    document.body.insertAdjacentHTML('beforeend', `
        <div id="run" data-live="1" data-stream="/planted/" data-seq="0" data-result="/planted/">
        <span data-node="__proto__" data-state="x"><i data-note></i></span></div>
        <div id="run-state"><span class="ui-badge"></span></div><div id="log"></div>
        <template id="run-words" data-failed="Failed"></template><p id="live-text"></p>`);
    const script = document.createElement('script');
    script.src = '/static/ui/run.js';
    document.body.append(script);
}"""


def events():
    """A stream whose events name what every object inherits."""
    for kind in ("node.started", "node.succeeded", "run.started"):
        for node in ("__proto__", "constructor"):
            event = {"kind": kind, "node_id": node, "at": "2026-01-01T00:00:00"}
            text = json.dumps(event)[:-1] + f', "data": {HOSTILE[:-1]}, "state": "__proto__"}}}}'
            yield f"event: {kind}\ndata: {text}\n\n"
    yield f'event: delta\ndata: {HOSTILE[:-1]}, "text": "told"}}\n\n'


def test_charts_toasts_and_the_theme(page):
    sign_up(page, "prototypes@example.com")
    before = page.evaluate(NAMES)

    page.evaluate(CHART, HOSTILE)
    page.evaluate(TOAST, HOSTILE)
    page.evaluate("(text) => localStorage.setItem('adminTheme', text)", HOSTILE)
    page.evaluate("dispatchEvent(new StorageEvent('storage', {key: 'adminTheme'}))")
    for key in ("__proto__", "constructor", "toString"):
        page.evaluate(PRESS, key)

    assert page.evaluate(DRAWN)
    assert page.evaluate(UNTOUCHED)
    assert page.evaluate(NAMES) == before


def test_the_live_view_of_a_run(page):
    sign_up(page, "prototypes-live@example.com")
    page.route("**/planted/**", lambda route: route.fulfill(
        status=200, content_type="text/event-stream", body="".join(events())
    ))  # fmt: skip
    before = page.evaluate(NAMES)

    page.evaluate(VIEW)

    page.locator("#live-text", has_text="told").wait_for()
    assert page.locator("#log > div").count() >= 6
    assert page.evaluate(UNTOUCHED)
    assert page.evaluate(NAMES) == before
