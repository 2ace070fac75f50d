"""Trigger another DAG exactly once per run of this one, even if the task is retried."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import XCOM_RUN_ID, TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

# A run id holds at most 250 characters, and its end holds the date.
CHILD_RUN_ID = "{{ dag.dag_id }}__{{ run_id[-180:] }}"
POLL_SECONDS = 2


class TriggerOnceOperator(TriggerDagRunOperator):
    """Trigger `trigger_dag_id` with a run id derived from this run's.

    No run is started if one with that id exists, because an earlier try of this task was
    interrupted or the task was cleared. With `wait_for_completion`, the task then waits for it.

    Raises:
        AirflowFailException: the existing run has failed; not retried.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            trigger_run_id=CHILD_RUN_ID, logical_date=None, poke_interval=POLL_SECONDS, **kwargs
        )

    def execute(self, context: Context) -> None:
        ti, run_id = context["ti"], str(self.trigger_run_id)
        if not ti.get_dr_count(self.trigger_dag_id, run_ids=[run_id]):
            super().execute(context)
            return
        self.log.info("%s already has the run %s", self.trigger_dag_id, run_id)
        ti.xcom_push(XCOM_RUN_ID, run_id)
        while self.wait_for_completion:
            state = ti.get_dagrun_state(self.trigger_dag_id, run_id)
            if state in self.allowed_states:
                return
            if state in self.failed_states:
                raise AirflowFailException(
                    f"run {run_id} of {self.trigger_dag_id} has failed: "
                    "clear it there, then clear this task"
                )
            time.sleep(POLL_SECONDS)
