"""Who stands before the desk in one request, when it is for them, and what that lets them see."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from actions.privacy import Privacy
from schema.actions import Viewer
from schema.emails import Email, email_or_none
from schema.vocabulary import ActorKind, AssuranceLevel


@dataclass(frozen=True, slots=True)
class Caller:
    """One viewer, at one moment, in one language."""

    viewer: Viewer
    #: What decisions take for the present. Aware.
    now: datetime
    locale: str
    #: The one customer this viewer acts for; others' things do not exist for it.
    bound: Email | None

    @classmethod
    def of(cls, viewer: Viewer, now: datetime, locale: str) -> Caller:
        bound = email_or_none(viewer.customer_email) if viewer.customer_email is not None else None
        if viewer.customer_email is not None and bound is None:
            raise ValueError("a viewer is bound to something that is no e-mail address")
        return cls(viewer, now, locale, bound)

    @property
    def is_staff(self) -> bool:
        return self.viewer.assurance >= AssuranceLevel.STAFF

    @property
    def is_a_person(self) -> bool:
        """A person of the staff, in person: an API key never is, whatever it may do."""
        return self.is_staff and self.viewer.actor.kind is ActorKind.STAFF

    def faces(self, privacy: Privacy) -> frozenset[str]:
        """Keyed hashes of everybody this caller is or speaks for: who asked may not approve under another name."""
        viewer = self.viewer
        faces = {privacy.hash("asker", f"client {viewer.client}")}
        for address in (viewer.person, viewer.actor.on_behalf_of, viewer.customer_email):
            email = email_or_none(address) if address else None
            if email is not None:
                faces.add(face_of(email, privacy))
        return frozenset(faces)


def face_of(email: Email, privacy: Privacy) -> str:
    """How a person behind an asking is kept, to be known again and not to be named."""
    return privacy.hash("asker", f"person {email}")
