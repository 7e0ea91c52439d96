"""What a password may not be: short, common, leaked, or made of what anybody knows about its owner.

No rules of composition (ASVS 5.0, 6.2): any characters, any mixture, up to `LONGEST`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import MinimumLengthValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.breaches import leaked
from accounts.models import User
from core.palette import BRAND

LONGEST = 256
SHORTEST_WORD = 4
FREE_CHARACTERS = 6
"""What must be left of a password when words about its owner are taken out."""

_words: list[Callable[[User], Iterable[str]]] = []


def on_context_words(words: Callable[[User], Iterable[str]]) -> None:
    """Upper rooms add what they know of a person (the names of their organizations)."""
    if words not in _words:
        _words.append(words)


def check_words(password: str, phrases: Iterable[str]) -> None:
    """Raise ValidationError when little is left of `password` without the words of `phrases`."""
    found = {word for phrase in phrases for word in re.findall(r"[^\W\d_]+", phrase.casefold())}
    rest = password.casefold()
    for word in sorted((word for word in found if len(word) >= SHORTEST_WORD), key=len)[::-1]:
        rest = rest.replace(word, "")
    if rest != password.casefold() and len(re.sub(r"[\W\d_]", "", rest)) < FREE_CHARACTERS:
        raise ValidationError(
            _("This password is made of words that belong to you or to this place."),
            code="password_of_known_words",
        )


class LengthValidator(MinimumLengthValidator):
    """Long enough to resist guessing; the other end keeps megabytes away from a slow hash."""

    def validate(self, password: str, user: Any = None) -> None:
        super().validate(password, user)
        if len(password) > LONGEST:
            raise ValidationError(
                _("A password has at most %(most)d characters.") % {"most": LONGEST},
                code="password_too_long",
            )

    def get_help_text(self) -> str:
        return _("%(least)d to %(most)d characters, of any kind.") % {
            "least": self.min_length,
            "most": LONGEST,
        }


class ContextWordsValidator:
    def validate(self, password: str, user: User | None = None) -> None:
        phrases = [BRAND]
        if user is not None:
            phrases += [user.name, *re.split(r"[@.]", user.email)]
        if user is not None and user.has_usable_password():  # else: about to sign up
            phrases += [word for words in _words for word in words(user)]
        check_words(password, phrases)

    def get_help_text(self) -> str:
        return _("It is not made of your name, your address or your organization's name.")


class BreachedValidator:
    """Asks whether the password has leaked (`accounts.breaches`); in use where a source is set.

    Where nobody could be asked, it passes, unless BREACHED_PASSWORDS_STRICT is on.
    """

    def validate(self, password: str, user: User | None = None) -> None:
        found = leaked(password)
        if found:
            raise ValidationError(
                _("This password is known from a data leak. Choose another."),
                code="password_breached",
            )
        if found is None and settings.BREACHED_PASSWORDS_STRICT:
            raise ValidationError(
                _("Passwords cannot be checked against data leaks just now. Try again later."),
                code="password_unchecked",
            )

    def get_help_text(self) -> str:
        return _("It is not known from a data leak.")
