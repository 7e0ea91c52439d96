from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts.notifications import SAFETY, register_notification
        from accounts.rotation import rotate_factors
        from core.secrets import register_rotation

        register_rotation("second factors", rotate_factors)
        register_notification(
            SAFETY,
            _("The safety of your account"),
            _("Changes of your password, factors and addresses."),
            always=True,
        )
