"""Proving the chains: what was changed, removed or put in behind the product's back.

What cannot be proven: entries that were removed before the job sealed them (within a minute, as
beat runs), and a whole database that was set back to an earlier state, which carries an earlier,
rightly signed head. Against the latter keep the heads elsewhere (`verify_audit --json`, or the log
lines "Sealed") and hand them to `verify_audit --heads`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import UUID

from django.utils.timezone import now

from audit.chain import START, content_digest, entry_digest, head_fault, seal_digest
from audit.models import Chain, Entry, Seal, SealedEntry
from audit.sealing import odd_entries

NAMED = 200
"""Problems that are told of one organization; more say no more."""
SEALS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """`kind` is stable; `seal` is a number, `entry` an id, where one can be named."""

    kind: str
    text: str
    seal: int | None = None
    entry: int | None = None


@dataclass(slots=True)
class Proof:
    """What one organization's chain says of itself."""

    organization_id: UUID
    seals: int = 0
    entries: int = 0
    pruned: int = 0
    digest: str = START
    problems: list[Problem] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"organization_id": str(self.organization_id)}


def organizations() -> list[UUID]:
    """Whoever has a chain, a seal or a sealed entry, whichever of them is left."""
    found: set[UUID] = set()
    for model in (Chain, Seal, SealedEntry):
        rows = model._default_manager.order_by().values_list("organization_id", flat=True)
        found |= set(rows.distinct())
    return sorted(found)


def prove(organization_id: UUID, heads: Mapping[int, str] | None = None) -> Proof:
    """Recompute a chain from its rows. `heads`: digests by number that were kept elsewhere.

    Runs beside sealing and retention: it reads the head first and believes no problem of a seal
    whose entries were dropped meanwhile.
    """
    proof = Proof(organization_id)
    chain = Chain.objects.of(organization_id).first()
    problems = [*_chain_problems(proof, chain, heads or {})]
    later = Chain.objects.of(organization_id).first()
    gone = later.pruned_to if later and chain and not head_fault(later) else 0
    known = chain.pruned_to if chain else 0
    proof.problems = [
        problem for problem in problems if problem.seal is None or not known < problem.seal <= gone
    ][:NAMED]
    return proof


def keep_result(proof: Proof) -> None:
    """Write down when a chain was proven and what was wrong, for the page that shows it."""
    Chain.objects.of(proof.organization_id).update(
        checked_at=now(), problems=[asdict(problem) for problem in proof.problems]
    )


def _chain_problems(
    proof: Proof, chain: Chain | None, heads: Mapping[int, str]
) -> Iterator[Problem]:
    if chain is None:
        yield Problem("head_missing", "The head of the chain is gone.")
    elif fault := head_fault(chain):
        yield Problem("head_changed", fault)
    yield from _seal_problems(proof, chain, heads)
    if chain is not None:
        yield from _head_problems(proof, chain)
        for entry in odd_entries(chain)[:NAMED]:
            text = f"Entry {entry.pk} ({entry.action}) was put in after its time was sealed."
            yield Problem("entry_inserted", text, entry=entry.pk)
    for number, digest in heads.items():
        if number > proof.seals:
            yield Problem("seal_missing", f"Seal {number} ({digest[:12]}…) was there once.", number)


def _head_problems(proof: Proof, chain: Chain) -> Iterator[Problem]:
    for number in range(proof.seals + 1, chain.number + 1):
        yield Problem("seal_missing", f"Seal {number} is gone from the end.", number)
    if proof.seals == chain.number and proof.digest != chain.digest:
        yield Problem("head_changed", "The last seal is not the one the head was signed for.")
    if proof.seals == chain.number and proof.entries != chain.entries:
        yield Problem("head_changed", "The seals hold another number of entries than was signed.")


def _seal_problems(
    proof: Proof, chain: Chain | None, heads: Mapping[int, str]
) -> Iterator[Problem]:
    expected, previous = 1, START
    for seal in _seals(proof.organization_id, chain):
        if chain is not None and seal.number > chain.number:
            yield Problem("seal_inserted", f"Seal {seal.number} was never signed.", seal.number)
            continue
        for number in range(expected, seal.number):
            yield Problem("seal_missing", f"Seal {number} is gone.", number)
        if seal_digest(seal) != seal.digest:
            yield Problem("seal_changed", f"Seal {seal.number} was changed.", seal.number)
        elif seal.number == expected and seal.previous != previous:
            text = f"Seal {seal.number} does not follow the one before it."
            yield Problem("seal_changed", text, seal.number)
        if heads.get(seal.number, seal.digest) != seal.digest:
            text = f"Seal {seal.number} is not the one whose digest was kept."
            yield Problem("seal_changed", text, seal.number)
        yield from _content_problems(seal, chain)
        expected, previous = seal.number + 1, seal.digest
        proof.seals, proof.digest = seal.number, seal.digest
        proof.entries += seal.count
        proof.pruned += seal.pruned_at is not None


def _seals(organization_id: UUID, chain: Chain | None) -> Iterator[Seal]:
    after = 0
    while found := list(
        Seal.objects.of(organization_id).filter(number__gt=after).order_by("number")[:SEALS_AT_ONCE]
    ):
        yield from found
        after = found[-1].number
        if chain is not None and after > chain.number:
            return  # what is sealed while we look was not there when the head was read


def _content_problems(seal: Seal, chain: Chain | None) -> Iterator[Problem]:
    sealed = list(SealedEntry.objects.filter(seal=seal).order_by("position"))
    if seal.pruned_at is not None:
        if chain is None or seal.number > chain.pruned_to:
            text = f"The entries of seal {seal.number} were dropped, but not by retention."
            yield Problem("seal_changed", text, seal.number)
        return
    if chain is not None and seal.number <= chain.pruned_to:
        text = f"Seal {seal.number} lost the mark of its dropped entries."
        yield Problem("seal_changed", text, seal.number)
        return
    if content_digest(row.digest for row in sealed) != seal.content:
        text = f"Seal {seal.number} does not hold the entries it was made for."
        yield Problem("seal_changed", text, seal.number)
    yield from _entry_problems(seal, sealed)


def _entry_problems(seal: Seal, sealed: Iterable[SealedEntry]) -> Iterator[Problem]:
    rows = {row.entry_id: row for row in sealed}
    entries = Entry.objects.in_bulk(list(rows))
    for number, row in rows.items():
        entry = entries.get(number)
        if entry is None:
            yield Problem("entry_removed", f"Entry {number} is gone.", seal.number, number)
        elif entry_digest(entry) != row.digest:
            text = f"Entry {number} ({entry.action}) was changed."
            yield Problem("entry_changed", text, seal.number, number)
