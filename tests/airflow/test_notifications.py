"""Messages through the providers' notifiers, to a local HTTP server that stands for Slack and to a
real mail server."""

import copy
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.exceptions import AirflowException
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from structlog.testing import capture_logs

from loan_default.sandbox.local_stack import free_ports
from notifications import FAILED, Message, NotifyOperator

MAIL = {"from_email": "platform@lender.example", "to": "on-call@lender.example"}


@dataclass
class Slack:
    """What the webhook was sent; `answer` is the status that it gives."""

    answer: int = 200
    texts: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@dataclass
class Mailbox:
    """The mails that arrived."""

    mails: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        return [mail["Subject"] for mail in self.mails]

    @property
    def texts(self) -> list[str]:
        return [text_of(mail) for mail in self.mails]


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body()
    assert body is not None and body.get_content_type() == "text/html"
    return str(body.get_content()).rstrip("\n")


def connect(monkeypatch: pytest.MonkeyPatch, name: str, **connection: Any) -> None:
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))


@pytest.fixture(autouse=True)
def _no_connections_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_WEBHOOK", "SMTP_DEFAULT"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slack]:
    told = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.texts.append(json.loads(body)["text"])
            told.paths.append(self.path)
            self.send_response(told.answer)
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    host = f"http://127.0.0.1:{server.server_port}"
    connect(monkeypatch, "SLACK_WEBHOOK", conn_type="slackwebhook", host=host, password="T0/B0/XX")
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mailbox]:
    box, (port,) = Mailbox(), free_ports(1)
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    extra = MAIL | {"disable_ssl": True, "disable_tls": True}
    connect(monkeypatch, "SMTP_DEFAULT", conn_type="smtp", host="127.0.0.1", port=port, extra=extra)
    yield box
    controller.stop()


def logged(level: str, logs: Any) -> list[str]:
    return [entry["event"] for entry in logs if entry["log_level"] == level]


def failed_task(**more: Any) -> dict[str, Any]:
    """The context that a failure callback gets, made as Airflow's DAG processor makes it."""
    with DAG("train_dag", schedule=None) as dag:
        task = BaseOperator(task_id="train")
    ti = RuntimeTaskInstance.model_construct(
        id=uuid4(), dag_id=dag.dag_id, task_id="train", run_id="by hand", try_number=4, task=task
    )
    return dict(ti.get_template_context()) | more


class Memory(dict[str, Any]):
    """A task's state store."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value


def test_both_channels_get_the_subject_and_the_text(slack: Slack, mailbox: Mailbox) -> None:
    with capture_logs() as logs:
        Message("Drift on {{ day }}", "annual_inc\n{{ report }}")({"day": "9 May", "report": "x"})
    assert slack.texts == ["Drift on 9 May\nannual_inc\nx"]
    assert slack.paths == ["/T0/B0/XX"]
    assert mailbox.subjects == ["Drift on 9 May"]
    assert mailbox.texts == ["<pre>annual_inc\nx</pre>"]
    assert (mailbox.mails[0]["From"], mailbox.mails[0]["To"]) == (MAIL["from_email"], MAIL["to"])
    assert logged("info", logs) == [
        "slack_webhook: sent Drift on 9 May",
        "smtp_default: sent Drift on 9 May",
    ]


def test_what_is_markup_to_slack_or_in_html_arrives_as_text(slack: Slack, mailbox: Mailbox) -> None:
    Message("a < b", "<!channel> AUC < 0.75 & \"F1\" > 0.1 {{ '{{ x }}' }}")({})
    assert slack.texts == [
        'a &lt; b\n&lt;!channel&gt; AUC &lt; 0.75 &amp; "F1" &gt; 0.1 {{ x }}',
    ]
    assert mailbox.subjects == ["a < b"]
    (text,) = mailbox.texts
    assert "&lt;!channel&gt; AUC &lt; 0.75 &amp; " in text and "{{ x }}" in text


def test_without_connections_nothing_is_sent_and_nothing_fails() -> None:
    with capture_logs() as logs:
        Message("subject", "text")({})
    assert [(entry["log_level"], entry["event"]) for entry in logs] == [
        ("info", "no connection slack_webhook: nothing sent"),
        ("info", "no connection smtp_default: nothing sent"),
    ]


def test_one_channel_is_enough(mailbox: Mailbox) -> None:
    Message("subject", "text")({})
    assert mailbox.subjects == ["subject"]


def test_a_slack_that_answers_500_is_logged_and_the_mail_arrives(
    slack: Slack, mailbox: Mailbox
) -> None:
    slack.answer = 500
    with capture_logs() as logs:
        Message("subject", "text")({})
    (error,) = logged("error", logs)
    assert error.startswith("slack_webhook: could not send 'subject': ") and "500" in error
    assert mailbox.subjects == ["subject"]


def test_a_slack_that_cannot_be_reached_is_logged_and_the_mail_arrives(
    monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox
) -> None:
    host = f"http://127.0.0.1:{free_ports(1)[0]}"
    connect(monkeypatch, "SLACK_WEBHOOK", conn_type="slackwebhook", host=host, password="T0/B0/XX")
    with capture_logs() as logs:
        Message("subject", "text")({})
    errors = [text for text in logged("error", logs) if text.startswith("slack_webhook: could not")]
    assert len(errors) == 1 and "refused" in errors[0]
    assert mailbox.subjects == ["subject"]


def test_a_mail_server_that_cannot_be_reached_is_logged_and_slack_is_told(
    monkeypatch: pytest.MonkeyPatch, slack: Slack
) -> None:
    extra = MAIL | {"disable_ssl": True, "disable_tls": True, "retry_limit": 0}
    port = free_ports(1)[0]
    connect(monkeypatch, "SMTP_DEFAULT", conn_type="smtp", host="127.0.0.1", port=port, extra=extra)
    with capture_logs() as logs:
        Message("subject", "text")({})
    (error,) = logged("error", logs)
    assert error.startswith("smtp_default: could not send 'subject': ") and "refused" in error
    assert slack.texts == ["subject\ntext"]


@pytest.mark.parametrize("extra", [{}, {"from_email": "a@lender.example"}])
def test_a_mail_connection_that_says_not_where_to_is_logged(
    monkeypatch: pytest.MonkeyPatch, slack: Slack, extra: dict[str, str]
) -> None:
    connect(monkeypatch, "SMTP_DEFAULT", conn_type="smtp", host="127.0.0.1", port=1, extra=extra)
    with capture_logs() as logs:
        Message("subject", "text")({})
    assert logged("error", logs) == ["smtp_default: could not send 'subject': 'to'"]
    assert slack.texts == ["subject\ntext"]


def test_a_mails_subject_is_one_line(slack: Slack, mailbox: Mailbox) -> None:
    Message("Refused:\n  {{ version }}\r\nBcc: all@lender.example", "text")({"version": "4"})
    assert mailbox.subjects == ["Refused: 4 Bcc: all@lender.example"]
    assert mailbox.mails[0]["Bcc"] is None


def test_a_message_is_rendered_anew_each_time(slack: Slack) -> None:
    """The DAG processor tells of several killed tasks of a file in one process."""
    message = Message("task {{ name }}", "{{ name }}")
    for name in ("alert", "retrain"):
        message({"name": name})
    assert slack.texts == ["task alert\nalert", "task retrain\nretrain"]


def test_a_failure_says_what_where_and_what_to_do(slack: Slack, mailbox: Mailbox) -> None:
    copy.copy(FAILED)(failed_task(exception=AirflowException("train.py failed: error: <gone>")))
    assert mailbox.subjects == ["Failed: train_dag, task train"]
    (text,) = slack.texts
    subject, exception, _, *lines = text.splitlines()
    assert subject == "Failed: train_dag, task train"
    assert exception == "train.py failed: error: &lt;gone&gt;"
    assert lines[:3] == [
        "Run: by hand",
        "Try: 4",
        "Log: http://localhost:8080/dags/train_dag/runs/by%20hand/tasks/train?try_number=4",
    ]
    assert lines[3].startswith("What to do: ") and "train_dag" in lines[3]


@pytest.mark.parametrize("more", [{}, {"exception": None}, {"exception": ""}])
def test_a_failure_without_an_exception_says_so(slack: Slack, more: dict[str, Any]) -> None:
    copy.copy(FAILED)(failed_task(**more))
    assert slack.texts[0].splitlines()[1] == "the task was killed or stopped responding"


def test_an_exception_may_be_a_text(slack: Slack) -> None:
    copy.copy(FAILED)(failed_task(exception="heartbeat timeout"))
    assert slack.texts[0].splitlines()[1] == "heartbeat timeout"


def test_a_task_tells_once_however_often_it_is_tried(slack: Slack) -> None:
    memory = Memory()
    for _ in range(2):
        task = NotifyOperator(task_id="alert", subject="Drift", text="annual_inc")
        assert task.execute({"task_state_store": memory}) == "annual_inc"
    assert slack.texts == ["Drift\nannual_inc"]
    task.execute({"task_state_store": Memory()})
    assert len(slack.texts) == 2, "another run has a memory of its own"


def test_a_task_that_could_tell_nobody_does_not_fail(slack: Slack) -> None:
    slack.answer = 500
    task = NotifyOperator(task_id="alert", subject="Drift", text="annual_inc")
    assert task.execute({"task_state_store": Memory()}) == "annual_inc"
