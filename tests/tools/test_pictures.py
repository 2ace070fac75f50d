"""The tools that take the README's pictures: the recorded terminal, and the inbox for messages."""

import json
import smtplib
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
from PIL import Image

from workspace import ROOT


@pytest.fixture(autouse=True)
def _tools_on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    yield
    for name in ("terminal_picture", "inbox"):
        sys.modules.pop(name, None)


def test_a_recording_shows_what_the_terminal_showed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import terminal_picture

    monkeypatch.setattr(terminal_picture, "SPEED", 1)
    command = "echo one; sleep 1; printf '\\033[32m✓\\033[0m two\\n'"
    frames = list(terminal_picture.record(command))
    first, last = (
        ["".join(cell.data for cell in line).rstrip() for line in screen]
        for screen in (frames[0][1], frames[-1][1])
    )
    assert first[0].startswith("$ echo one") and "two" not in "".join(first)
    assert "one" in last[: last.index("✓ two")]
    assert frames[-1][1][last.index("✓ two")][0].fg == "green"
    terminal_picture.save(frames, tmp_path / "demo.gif")
    with Image.open(tmp_path / "demo.gif") as picture:
        assert getattr(picture, "n_frames") > 1
        assert picture.size[0] > 800


def test_a_command_that_fails_makes_no_picture() -> None:
    import terminal_picture

    with pytest.raises(SystemExit, match="exit code 3"):
        list(terminal_picture.record("exit 3"))


def test_the_inbox_shows_the_messages_that_arrived() -> None:
    from inbox import Inbox, receiving

    box = Inbox()
    with receiving(box) as settings:
        slack, smtp = (
            json.loads(settings[f"AIRFLOW_CONN_{name}"])
            for name in ("SLACK_WEBHOOK", "SMTP_DEFAULT")
        )
        for day in (1, 2):
            body = {"text": f"Drift on day {day}\n- annual_inc: 3 &lt; 4"}
            httpx.post(slack["password"], json=body).raise_for_status()
        mail = EmailMessage()
        mail["Subject"], mail["From"], mail["To"] = "Drift on <1>", "a@b.example", "c@d.example"
        mail.set_content("<pre>moved</pre>", subtype="html")
        with smtplib.SMTP(smtp["host"], smtp["port"]) as server:
            server.send_message(mail)
    assert "<p>Drift on day 2\n- annual_inc: 3 &lt; 4</p>" in box.slack_page("Drift")
    page = box.mail_page("Drift")
    assert "<h1>Drift on &lt;1&gt;</h1>" in page and "<pre>moved</pre>" in page
    assert "<dd>c@d.example</dd>" in page
