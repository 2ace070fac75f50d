"""Trigger another DAG exactly once for each run of this one, however often the task is tried."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.trigger_dagrun import XCOM_RUN_ID, TriggerDagRunOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

# Run ids hold 250 characters, and the end of one holds the date.
CHILD_RUN_ID = "{{ dag.dag_id }}__{{ run_id[-180:] }}"
POLL_SECONDS = 2


class TriggerOnceOperator(TriggerDagRunOperator):
    """Triggers `trigger_dag_id` with a run id derived from this run's.

    Where that run exists already, because an earlier try of this task was cut off or the task was
    cleared, none is started: with `wait_for_completion` the task ends as that run does.

    Raises AirflowFailException (no retry) when the run that it found has failed.
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
        self.log.info("%s has the run %s already", self.trigger_dag_id, run_id)
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
