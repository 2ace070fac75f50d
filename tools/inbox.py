"""Receive the platform's messages in place of Slack and of a mail server, and show them as they do.

Only the frame around a message is drawn here; subject, sender and text are those that arrived.
"""

import html
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from aiosmtpd.controller import Controller

from loan_default.sandbox.local_stack import free_ports

MAIL = {"from_email": "platform@lender.example", "to": "on-call@lender.example"}
SLACK_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{margin: 0; padding: 22px 26px; font: 15px/1.47 Lato, "DejaVu Sans", sans-serif}}
h1 {{margin: -22px -26px 18px; padding: 13px 26px; border-bottom: 1px solid #ddd; font-size: 17px}}
article {{display: flex; gap: 12px}}
i {{width: 38px; height: 38px; border-radius: 8px; background: #1d5ba6; color: #fff;
  font: bold 20px/38px sans-serif; text-align: center}}
small {{margin-left: 5px; padding: 0 4px; border-radius: 3px; background: #e8e8e8; color: #616061;
  font-size: 10px; font-weight: bold}}
p {{margin: 0; white-space: pre-wrap; overflow-wrap: anywhere}}
</style><h1># loan-default-alerts</h1>
<article><i>L</i><div><b>loan-default</b><small>APP</small><p>{text}</p></div></article>"""
MAIL_PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{margin: 0; padding: 22px 26px; font: 15px/1.5 "DejaVu Sans", sans-serif}}
h1 {{margin: 0 0 14px; font-size: 20px}}
dl {{display: grid; grid-template-columns: 60px 1fr; margin: 0 0 14px; padding-bottom: 14px;
  border-bottom: 1px solid #ddd; color: #555}}
dd {{margin: 0}}
pre {{font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere}}
</style><h1>{subject}</h1><dl><dt>From</dt><dd>{sender}</dd><dt>To</dt><dd>{to}</dd></dl>{body}"""


@dataclass
class Inbox:
    """What has arrived: texts as Slack gets them, with &, < and > escaped, and mails."""

    texts: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep a mail, as aiosmtpd wants it."""
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    def slack_page(self, start: str) -> str:
        """Return the page of the newest message that begins so, as Slack shows it."""
        return SLACK_PAGE.format(text=[text for text in self.texts if text.startswith(start)][-1])

    def mail_page(self, start: str) -> str:
        """Return the page of the newest mail whose subject begins so, as a mail program does."""
        mail = [mail for mail in self.mails if mail["Subject"].startswith(start)][-1]
        body = mail.get_body()
        assert body
        heads = {name: html.escape(mail[name]) for name in ("Subject", "From", "To")}
        return MAIL_PAGE.format(
            subject=heads["Subject"],
            sender=heads["From"],
            to=heads["To"],
            body=body.get_content(),
        )


@contextmanager
def receiving(inbox: Inbox) -> Iterator[dict[str, str]]:
    """Receive messages; yields the settings that name the two Airflow connections."""

    class Slack(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            inbox.texts.append(json.loads(body)["text"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    (port,) = free_ports(1)
    with ExitStack() as opened:
        server = opened.enter_context(HTTPServer(("127.0.0.1", 0), Slack))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        opened.callback(server.shutdown)
        mail = Controller(inbox, hostname="127.0.0.1", port=port)
        mail.start()
        opened.callback(mail.stop)
        webhook = f"http://127.0.0.1:{server.server_port}/services/secret"
        extra = MAIL | {"disable_ssl": True, "disable_tls": True}
        smtp = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
        yield {
            "AIRFLOW_CONN_SLACK_WEBHOOK": json.dumps(
                {"conn_type": "slackwebhook", "password": webhook}
            ),
            "AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(smtp),
        }
