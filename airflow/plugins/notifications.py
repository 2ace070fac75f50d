"""Tell people, in Slack and by e-mail, through the providers' notifiers.

Two connections say where to, and without one that channel stays quiet: `slack_webhook` (an incoming
webhook) and `smtp_default`, whose extra holds `from_email` and `to`. A channel that is down is
logged and fails nothing.
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
    """A message with a subject and a text, both templated with the task's context."""

    template_fields: Sequence[str] = ("subject", "text")

    def __init__(self, subject: str, text: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.subject = subject
        self.text = text

    def __call__(self, *args: Any) -> None:
        # Rendering changes the notifier, and one process may send it for several tasks.
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
            self.log.info("no connection %s: nothing sent there", conn_id)
            return
        try:
            send(connection, context)
        # The notifiers raise whatever their libraries do, and no pipeline fails for a message.
        except Exception as error:
            self.log.error("%s could not be told %r: %s", conn_id, self.subject, error)
        else:
            self.log.info("%s told: %s", conn_id, self.subject)

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
    """Sends a message once for each DAG run: neither a retry nor a cleared task sends it again.

    The text is the task's XCom, so that it can be read in Airflow too.
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
            self.log.info("sent before, by an earlier try of this task")
        else:
            Message(self.subject, self.text).notify(context)
            memory.set("sent", True)
        return self.text


FAILED = Message(
    subject="Failed: {{ dag.dag_id }}, task {{ ti.task_id }}",
    text="""{{ exception | default("the task was killed or did not answer", true) }}

Run: {{ run_id }}
Try: {{ ti.try_number }}
Log: {{ ti.log_url }}
What to do: the documentation of {{ dag.dag_id }} in Airflow, under "When it fails".""",
)
