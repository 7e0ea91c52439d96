"""Scheduled upkeep of the trail. None of it holds up a writer."""

from celery import shared_task

from audit import proof, sealing


@shared_task(acks_late=True)
def seal() -> int:
    """Seal what came since the last pass; returns how many entries."""
    return sealing.seal_all()


@shared_task(acks_late=True)
def check() -> int:
    """Seal what no pass found, renew signatures, prove every chain; returns problems found."""
    sealing.seal_all(everything=True)
    sealing.renew_signatures()
    problems = 0
    for organization_id in proof.organizations():
        found = proof.prove(organization_id)
        proof.keep_result(found)
        problems += len(found.problems)
    return problems
