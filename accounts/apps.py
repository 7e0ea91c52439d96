from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts.rotation import rotate_factors
        from core.secrets import register_rotation

        register_rotation("second factors", rotate_factors)
