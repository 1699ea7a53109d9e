"""The doorbell's task: fetch, call, return. The schedule is in the database."""

from celery import Task, shared_task

from clevertap_sync.delivery import company
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.process import delivery_faults, doorbell, people_wakeups
from clevertap_sync.worker import restored_backup


@shared_task(name=doorbell.TASK, ignore_result=True, bind=True)
def deliver_task(task: "Task[[int], None]", integration_id: int) -> None:
    """Deliver what the integration has due. Safe to run twice: a lease guards each upload.

    Where it was rung only because there is who is who to learn, the step that has learned it
    lets deliveries begin.
    """
    with delivery_faults.naming_integration(integration_id):
        restored_backup.compare_cursors_once()
        learns = people_wakeups.wake_for_integration(integration_id)
        only_people = (task.request.headers or {}).get(doorbell.ONLY_PEOPLE)
        if (only_people and learns) or company.is_promised(integration_id):
            return
        doorbell.clear_ring(integration_id)
        deliver(integration_id, ring=doorbell.ring_doorbell, lingers=True)
