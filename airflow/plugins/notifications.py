"""Send notifications to Slack and by e-mail, through the providers' notifiers.

Each channel needs a connection and is skipped without it: `slack_webhook` (an incoming webhook) and
`smtp_default`, whose extra holds `from_email` and `to`. An unavailable channel is logged and does
not fail the task.
"""

from __future__ import annotations

import copy
import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier, BaseOperator, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

if TYPE_CHECKING:
    from airflow.sdk import Context

SLACK, EMAIL = "slack_webhook", "smtp_default"
SECONDS = 10


class Message(BaseNotifier):
    """A message with a subject and a text, both templated with the task context."""

    template_fields: Sequence[str] = ("subject", "text")

    def __init__(self, subject: str, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.text = text

    def __call__(self, *args: Any) -> None:
        # Rendering modifies the notifier, and one process may send it for several tasks.
        super(Message, copy.copy(self)).__call__(*args)

    def notify(self, context: Context) -> None:
        for conn_id, send in ((SLACK, self._slack), (EMAIL, self._email)):
            self._try(conn_id, send, context)

    def _try(
        self, conn_id: str, send: Callable[[Connection, Context], None], context: Context
    ) -> None:
        try:
            connection = Connection.get(conn_id)
        except AirflowNotFoundException:
            self.log.info("no connection %s: nothing sent", conn_id)
            return
        try:
            send(connection, context)
        # The notifiers raise their libraries' exceptions, and a message must not fail a task.
        except Exception as error:
            self.log.error("%s: could not send %r: %s", conn_id, self.subject, error)
        else:
            self.log.info("%s: sent %s", conn_id, self.subject)

    def _slack(self, connection: Connection, context: Context) -> None:
        from airflow.providers.slack.notifications.slack_webhook import SlackWebhookNotifier

        text = html.escape(f"{self.subject}\n{self.text}", quote=False)
        SlackWebhookNotifier(slack_webhook_conn_id=SLACK, text=text, timeout=SECONDS).notify(
            context
        )

    def _email(self, connection: Connection, context: Context) -> None:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        SmtpNotifier(
            smtp_conn_id=EMAIL,
            to=connection.extra_dejson["to"],
            subject=" ".join(self.subject.split()),
            html_content=f"<pre>{html.escape(self.text)}</pre>",
        ).notify(context)


class NotifyOperator(BaseOperator):
    """Send a message once per DAG run: a retry or a cleared task does not send it again.

    The text is also the task's XCom, so that it can be read in Airflow.
    """

    template_fields: Sequence[str] = ("subject", "text")

    def __init__(self, *, subject: str, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.text = text

    def execute(self, context: Context) -> str:
        self.log.info("%s\n%s", self.subject, self.text)
        memory = context["task_state_store"]
        if memory.get("sent"):
            self.log.info("already sent by an earlier try of this task")
        else:
            Message(self.subject, self.text).notify(context)
            memory.set("sent", True)
        return self.text


FAILED = Message(
    subject="Failed: {{ dag.dag_id }}, task {{ ti.task_id }}",
    text="""{{ exception | default("the task was killed or stopped responding", true) }}

Run: {{ run_id }}
Try: {{ ti.try_number }}
Log: {{ ti.log_url }}
What to do: see "When it fails" in the documentation of {{ dag.dag_id }} in Airflow.""",
)
