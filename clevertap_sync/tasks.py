"""The doorbell's task: fetch, call, return. The schedule is in the database."""

from celery import shared_task

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.process import delivery_faults, doorbell, people_wakeups
from clevertap_sync.worker import restored_backup


@shared_task(name=doorbell.TASK, ignore_result=True)
def deliver_task(integration_id: int) -> None:
    """Deliver what the integration has due. Safe to run twice: a lease guards each upload."""
    with delivery_faults.naming_integration(integration_id):
        restored_backup.compare_cursors_once()
        has_work = doorbell.clear_ring(integration_id)
        learns = people_wakeups.wake_for_integration(integration_id)
        if has_work or not learns:
            deliver(integration_id, ring=doorbell.ring_doorbell)
