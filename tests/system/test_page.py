"""The web page in Chromium against a real daemon: talking, coming back, attacks, keys, screen readers, and how it looks.

`TWISTED_CHAT_PICTURES=docs pytest tests/system/test_page.py -k looks` takes the pictures in docs/.
"""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser_page import Page, chromium, package
from daemons import Daemon, Talker, running

# TORTURE T35 to T49: what is to be shown as it is, or without what has no place in a text. The right side is what is seen.
ATTACKS = {
    "<img src=x onerror=alert(1)>": "<img src=x onerror=alert(1)>",
    "</script><script>document.title='owned'</script>": "</script><script>document.title='owned'</script>",
    '"><svg/onload=alert(1)>': '"><svg/onload=alert(1)>',
    "javascript:alert(1)": "javascript:alert(1)",
    "&lt;b&gt;&amp;nbsp;": "&lt;b&gt;&amp;nbsp;",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)}": "{{constructor.constructor('alert(1)')()}} ${alert(1)}",
    "\x1b[2J\x1b]0;owned\x07clear": "[2J]0;ownedclear",
    "\x9b2Jc1": "2Jc1",
    "\x1b]52;c;aGk=\x07clip": "]52;c;aGk=clip",
    "\x07\x07\x07bell": "bell",
    "me: ok\x08\x08admin: ok": "me: okadmin: ok",
    "\x0eshift\x0f": "shift",
    "right \u202eto\u202c left": "right to left",
    "zero\u200bwidth\ufeff": "zerowidth",
    "a" + "\u0301" * 2000: "á" + "\u0301" * 4,
    "[server] you are banned": "[server] you are banned",
    "12:00 <admin> hi": "12:00 <admin> hi",
    "\x0304red\x02bold": "redbold",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for all tests; each page is a person of its own."""
    with chromium() as one:
        yield one


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon."""
    with running(tmp_path) as one:
        yield one


def test_two_pages_and_a_telnet_talk(browser: Any, daemon: Daemon) -> None:
    """Each sees what the others say, once and in one order; one's own is kept; who is here and how is seen."""
    ann, bo = Page(browser, daemon.port, "Ann"), Page(browser, daemon.port, "Bo")
    cy = Talker(daemon.port, "Cy")
    ann.say("from Ann")
    bo.until_said("from Ann")
    bo.say("from Bo")
    cy.until("<Bo> from Bo")
    cy.say("from Cy, hello ann")
    for page in (ann, bo):
        page.until_said("from Cy, hello ann")
        assert page.said() == ["from Ann", "from Bo", "from Cy, hello ann"]
    ann.page.wait_for_selector(".own .mark.kept")
    assert ann.page.text_content(".row.mention mark") == "ann"
    assert bo.page.query_selector(".row.mention") is None
    ways = ann.page.locator("#people .way")
    ways.nth(2).get_by_text("telnet or nc · in clear").wait_for()
    assert ways.all_text_contents() == ["browser · in clear", "browser · in clear", "telnet or nc · in clear"]
    ann.close()
    bo.close()


def test_an_address_leads_to_a_room(browser: Any, daemon: Daemon) -> None:
    """`/#tea` is the room #tea; what is no room's name is told, and mended without loading the page again."""
    ann = Page(browser, daemon.port, at="#100%")
    ann.page.fill("#name", "Ann")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector(".problem:has-text('A room name')")
    ann.page.evaluate("location.hash = '#tea'")
    ann.page.click("#entrance button")
    ann.page.wait_for_selector("h1:has-text('#tea')")
    assert ann.page.locator(".mine .channel").count() == 1
    ann.close()


def test_private_talk_unread_and_other_rooms(browser: Any, daemon: Daemon) -> None:
    """A private message is counted until it is looked at, and so is what is said in another room; the title says so."""
    ann, bo = Page(browser, daemon.port, "Ann"), Page(browser, daemon.port, "Bo")
    ann.page.click("#people .person:has-text('Bo')")
    ann.say("psst")
    ann.page.wait_for_selector(".own .mark.delivered")
    bo.page.wait_for_selector(".talks .channel.named:has-text('Ann')")
    assert bo.page.title().startswith("(1!) ")
    bo.page.click(".talks .channel")
    bo.until_said("psst")
    bo.until("document.title === 'Ann · twisted_chat'")
    bo.say("/join #tea")
    bo.page.wait_for_selector("h1:has-text('#tea')")
    ann.say("still there?")
    bo.page.wait_for_selector(".talks .badge:has-text('1')")
    bo.page.keyboard.press("Alt+ArrowDown")
    bo.page.wait_for_selector(".first-unread:has-text('still there?')")
    ann.close()
    bo.close()


def test_a_reload_goes_on_where_one_was(browser: Any, daemon: Daemon) -> None:
    """What is said meanwhile is there, and everything once; a message that was on its way is said once."""
    ann, bo = Page(browser, daemon.port, "Ann"), Talker(daemon.port, "Bo")
    for number in range(30):
        bo.say(f"before {number}")
    ann.until_said("before 29")
    ann.page.evaluate("WebSocket.prototype.send = () => {}")  # a line that takes nothing any more
    ann.say("on its way")
    ann.page.goto("about:blank")
    bo.say("meanwhile")
    ann.page.go_back()
    ann.until_said("on its way")
    ann.until("rows().length === 32")
    bo.until("<Ann> on its way")
    ann.page.wait_for_selector(".own .mark.kept")
    assert ann.said() == [*(f"before {number}" for number in range(30)), "meanwhile", "on its way"]
    ann.close()


def test_a_cut_connection_goes_on_where_one_was(browser: Any, daemon: Daemon) -> None:
    """The page's end is cut, the server still holds its own: nothing is missed, doubled, or said twice, and nobody notices."""
    ann = Page(browser, daemon.port)
    ends: list[Any] = []
    ann.page.route_web_socket("**/ws", lambda end: ends.append((end, end.connect_to_server())))
    ann.page.fill("#name", "Ann")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector("#say:visible")
    bo = Talker(daemon.port, "Bo")
    bo.say("before")
    ann.until_said("before")
    end, _ = ends[-1]
    end.on_close(lambda code, reason: None)  # the server is not told
    end.close()
    ann.page.wait_for_selector(".status:visible")
    ann.say("said into the void")
    bo.say(*(f"meanwhile {number}" for number in range(30)))
    ann.until_said("meanwhile 29")
    ann.until_said("said into the void")
    ann.until("document.querySelectorAll('.mark.kept').length === 1")
    said = ann.said()
    assert sorted(said) == sorted({"before", "said into the void", *(f"meanwhile {number}" for number in range(30))})
    assert [text for text in said if text.startswith("meanwhile")] == [f"meanwhile {number}" for number in range(30)]
    bo.say("/who")
    assert "left" not in bo.until("browser")
    assert len(ends) > 1
    ann.close()


def test_the_server_is_restarted_under_a_typing_person(browser: Any, tmp_path: Path) -> None:
    """What one was typing stays, what one sends meanwhile is sent later, and nobody misses anything or sees it twice."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    endpoint = f"--listen=tcp:{port}:interface=127.0.0.1"
    with running(tmp_path, endpoint) as first:
        ann, bo = Page(browser, port, "Ann"), Page(browser, port, "Bo")
        ann.say("before")
        bo.until_said("before")
        ann.page.wait_for_selector(".mark.kept")
        ann.page.fill("#say", "half a sen")
        first.end()
    ann.page.wait_for_selector(".status:has-text('connection is lost')")
    ann.page.keyboard.type("tence")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector(".pending .mark.sending")
    with running(tmp_path, endpoint):
        for page in (ann, bo):
            page.until_said("half a sentence")
            assert page.said() == ["before", "half a sentence"]
        ann.page.wait_for_selector(".pending:empty", state="attached")
        ann.until("document.querySelectorAll('.mark.kept').length === 2")
        assert ann.page.is_hidden(".status")
        ann.close()
        bo.close()


def test_two_pages_of_one_person_do_not_fight(browser: Any, daemon: Daemon) -> None:
    """A page whose place another has taken says so, and comes back only when it is told to."""
    ann = Page(browser, daemon.port, "Ann")
    kept = ann.page.evaluate("() => { dispatchEvent(new Event('pagehide')); return JSON.stringify(sessionStorage) }")
    other = Page(browser, daemon.port)
    other.page.add_init_script(f"Object.assign(sessionStorage, {kept})")  # as the copy of a tab has it
    other.page.reload()
    other.page.wait_for_selector("#say:visible")
    ann.page.wait_for_selector(".status .back:visible")
    ann.page.click(".status .back")
    other.page.wait_for_selector(".status .back:visible")
    ann.page.wait_for_selector(".status", state="hidden")
    ann.close()
    other.close()


def test_attacks_are_plain_text(browser: Any, daemon: Daemon) -> None:
    """HTML, scripts, terminal sequences and the like are shown as they are typed, or not at all (T35 to T49)."""
    ann = Page(browser, daemon.port, "Ann")
    ann.page.on("dialog", lambda dialog: ann.faults.append(dialog.message))
    eve = Talker(daemon.port, "constructor")
    bot = Talker(daemon.port)
    bot.ask(type="hello", name="prototype")
    for attack in ATTACKS:
        bot.ask(type="say", text=attack)
    eve.say("/topic <script>alert(1)</script>", "<b>bold</b>")
    ann.until_said("<b>bold</b>")
    ann.until_said(list(ATTACKS.values())[-1])
    said = ann.said()
    for attack, shown in ATTACKS.items():
        assert shown in said, attack
    assert ann.page.text_content(".topic") == "<script>alert(1)</script>"
    assert ann.page.locator(".logs :is(img, script, svg, b b, iframe)").count() == 0
    assert ann.page.locator(".logs a").count() == 0
    assert "owned" not in ann.page.title()
    ann.say("/search bold")
    ann.page.wait_for_selector("#found li:has-text('<b>bold</b>')")
    ann.close()


def test_scripts_from_elsewhere_are_refused_by_the_policy(browser: Any, daemon: Daemon) -> None:
    """Should a text ever become HTML, its scripts and pictures would still do nothing."""
    ann = Page(browser, daemon.port, "Ann")
    ann.page.evaluate(
        """() => {
            window.refused = [];
            addEventListener('securitypolicyviolation', event => refused.push(event.effectiveDirective));
            const div = document.createElement('div');
            div.innerHTML = '<img src="http://127.0.0.1:1/x.png" onerror="document.title = 1"><p style="color: red">';
            document.body.append(div, Object.assign(document.createElement('script'), {textContent: 'document.title = 2'}));
        }"""
    )
    ann.until("['img-src', 'style-src-attr', 'script-src-elem'].every(one => refused.includes(one))")
    assert ann.page.title() == "#lobby · twisted_chat"
    ann.context.close()


def test_everything_by_keyboard(browser: Any, daemon: Daemon) -> None:
    """Coming in, completing, sending, recalling, changing rooms, searching and leaving need no mouse."""
    Talker(daemon.port, "Simran").say("a needle in the hay")
    ann = Page(browser, daemon.port)
    keys = ann.page.keyboard
    keys.type("Ann")
    keys.press("Enter")
    ann.until("document.activeElement.id === 'say'")
    ann.page.wait_for_selector("#people .person:has-text('Simran')")
    keys.type("sim")
    keys.press("Tab")
    keys.type("hello")
    keys.press("Enter")
    ann.until_said("Simran: hello")
    keys.press("ArrowUp")
    assert ann.page.input_value("#say") == "Simran: hello"
    ann.page.fill("#say", "")
    keys.type("/joi")
    ann.page.wait_for_selector("[role=option][aria-selected=true]:has-text('/join ROOM')")
    keys.press("Tab")
    keys.type("#tea")
    keys.press("Enter")
    ann.page.wait_for_selector("h1:has-text('#tea')")
    keys.press("Alt+ArrowUp")
    ann.page.wait_for_selector("h1:has-text('#lobby')")
    for _ in range(12):
        if ann.page.evaluate("document.activeElement.id") == "search":
            break
        keys.press("Shift+Tab")
    keys.type("needle")
    keys.press("Enter")
    ann.page.wait_for_selector("#found li:has-text('a needle')")
    keys.press("Escape")
    ann.until("document.activeElement.id === 'say'")
    keys.type("/quit")
    keys.press("Escape")
    keys.press("Enter")
    ann.page.wait_for_selector("#name:visible")
    ann.close()


def test_names_with_a_password(browser: Any, daemon: Daemon) -> None:
    """A name is registered from the page, its password is asked for and never shown, and a wrong one is told."""
    ann = Page(browser, daemon.port, "Ann")
    ann.say("/register")
    ann.page.fill("#secret-answer", "correct horse")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector(".row.answer:has-text('is yours now')")
    assert "correct horse" not in ann.page.content()
    ann.page.click("button.leave")
    for password, told in ((None, "is a registered name"), ("wrong", "not the password"), ("correct horse", None)):
        ann.page.wait_for_selector("#name:visible")
        if password:
            ann.page.fill("#password", password)
            ann.page.keyboard.press("Enter")
        else:
            ann.page.click("#entrance button")
        ann.page.wait_for_selector(f".problem:has-text('{told}')" if told else "#say:visible")
    ann.close()


def test_history_by_scrolling_up_and_nothing_jumps(browser: Any, daemon: Daemon) -> None:
    """All older messages come, once each; who reads above the end has the text stay where it is, whatever is said."""
    bot = Talker(daemon.port)
    bot.ask(type="hello", name="bot")
    for number in range(300):
        bot.ask(type="say", text=f"{number} " + "word " * (number % 40))
    bot.until('"text":"299 ')
    ann = Page(browser, daemon.port, "Ann")
    ann.until("rows().length >= 100")
    place = "document.querySelector('.log:not([hidden])')"
    for _ in range(40):
        ann.page.evaluate(f"{place}.scrollTop = 0")
        ann.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if len(ann.said()) == 300:
            break
    ann.until("rows().length === 300")
    assert [text.split()[0] for text in ann.said()] == [str(number) for number in range(300)]
    ann.page.evaluate(f"{place}.scrollTop = 3000")
    ann.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    before = ann.page.evaluate(TOPMOST)
    bot.ask(type="say", text="a new one")
    ann.page.wait_for_selector(".to-end:has-text('1 new message')")
    assert ann.page.evaluate(TOPMOST) == before
    ann.page.click(".to-end")
    ann.page.wait_for_selector(".to-end", state="hidden")
    ann.close()


# The number of the first row in sight, and how far it is from the top in whole pixels.
TOPMOST = """() => {
    const log = document.querySelector('.log:not([hidden])');
    const edge = log.getBoundingClientRect().top;
    const row = [...log.querySelectorAll('.row')].find(element => element.getBoundingClientRect().bottom > edge);
    return [row.dataset.seq, Math.round(row.getBoundingClientRect().top - edge)];
}"""


def test_a_message_that_is_refused_can_be_changed(browser: Any, daemon: Daemon) -> None:
    """What is too long is not sent; it stays with the reason, and goes back to where it can be changed."""
    ann = Page(browser, daemon.port, "Ann")
    ann.say("x" * 5000)
    ann.page.click(".again")
    assert ann.page.input_value("#say") == "x" * 5000
    ann.page.locator(".pending .row").wait_for(state="detached")  # with the next frame
    ann.close()


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_how_it_looks(browser: Any, daemon: Daemon, width: int, scheme: str) -> None:
    """No serious fault by axe-core, nothing wider than the window, at two widths, light and dark."""
    axe = package("axe-core", "axe.min.js").read_text("utf-8")
    size = {"width": width, "height": 800}
    ann = Page(browser, daemon.port, viewport=size, color_scheme=scheme, bypass_csp=True)
    ann.page.evaluate(axe)
    check(ann)
    ann.page.fill("#name", "Ann")
    simran, bo = Talker(daemon.port, "Simran"), Talker(daemon.port, "Bo")
    simran.say("/topic 2.0 goes out at noon", "Good morning!", "The build is green: https://ci.example.org/builds/7")
    simran.until("set the topic")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector("#say:visible")
    bo.say("ann, can you look at the <changelog>?", "/me puts the kettle on")
    ann.until_said("puts the kettle on")
    ann.say("On it. Give me five minutes.", "Two typos, both gone. Ship it!")
    ann.until("document.querySelectorAll('.mark.kept').length === 2")
    simran.say("/join #release", "/msg Ann Cake is in the kitchen.", "tagged, signed, building")
    ann.say("/join #release")
    ann.until("rows().length === 1")
    ann.page.keyboard.press("Alt+ArrowUp")
    simran.say("it is out!")
    ann.page.wait_for_selector(".mine .badge:text('1')", state="attached")
    ann.page.wait_for_selector(".talks .badge:text('1')", state="attached")
    ann.until("[...document.querySelectorAll('.way')].every(way => way.textContent)")
    check(ann)
    picture(ann, f"page-{width}-{scheme}.png")
    ann.page.fill("#say", "")
    ann.page.keyboard.type("/t")
    ann.page.wait_for_selector("[role=option]")
    check(ann)
    ann.page.keyboard.press("Escape")
    ann.page.fill("#search", "morning")
    ann.page.keyboard.press("Enter")
    ann.page.wait_for_selector("#found li")
    check(ann)
    ann.context.close()


def check(ann: Page) -> None:
    """Ask axe-core, and whether anything is wider than the window."""
    found = ann.page.evaluate(
        "() => axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    faults = [(one["id"], one["nodes"][0]["html"], one["nodes"][0].get("any", [{}])[:1]) for one in found["violations"]]
    assert not faults, json.dumps(faults, indent=1)
    assert ann.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def picture(ann: Page, name: str) -> None:
    """Take a picture, if the environment says where to."""
    folder = os.environ.get("TWISTED_CHAT_PICTURES")
    if folder:
        ann.page.screenshot(path=Path(folder) / name)
