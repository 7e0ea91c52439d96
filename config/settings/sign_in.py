"""How people sign in, and what they must show: a part of `base`, read after its `.env`."""

from django.core.exceptions import ImproperlyConfigured

from config.env import env

_PRODUCTION = env.bool("PRODUCTION", default=False)
_HTTPS = env.str("PUBLIC_URL", default="").startswith("https://")

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "allauth.account.auth_backends.AuthenticationBackend",
    "guardian.backends.ObjectPermissionBackend",
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.ScryptPasswordHasher",  # renewed at the next sign-in
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.passwords.LengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "accounts.passwords.ContextWordsValidator"},
]
BREACHED_PASSWORDS_LIST = env.str("BREACHED_PASSWORDS_LIST", default="")
_RANGES = "https://api.pwnedpasswords.com/range/"
BREACHED_PASSWORDS_URL = env.str(
    "BREACHED_PASSWORDS_URL",
    default=_RANGES if _PRODUCTION and not BREACHED_PASSWORDS_LIST else "",
)
# Refuse a new password that nobody could look up; else it passes and a warning is logged.
BREACHED_PASSWORDS_STRICT = env.bool("BREACHED_PASSWORDS_STRICT", default=False)
if BREACHED_PASSWORDS_URL or BREACHED_PASSWORDS_LIST:
    AUTH_PASSWORD_VALIDATORS.append({"NAME": "accounts.passwords.BreachedValidator"})
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
PASSWORD_RESET_TIMEOUT = 3600
SESSION_COOKIE_AGE = 14 * 24 * 3600  # however busy
SESSION_IDLE_AGE = 24 * 3600  # of rest
SESSIONS_PER_PERSON = env.int("SESSIONS_PER_PERSON", default=50)  # 0: any number
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "accounts.forms.SignupDetails"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
# Where real mail leaves the house, an address must be proven. Without, codes land in DATA_DIR/mail,
# and a fresh `make run` lets people in first.
_REAL_MAIL = _PRODUCTION or bool(env.str("EMAIL_URL", default=""))
ACCOUNT_EMAIL_VERIFICATION = env.str(
    "EMAIL_VERIFICATION", default="mandatory" if _REAL_MAIL else "optional"
)
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = ACCOUNT_EMAIL_VERIFICATION == "mandatory"
ACCOUNT_EMAIL_VERIFICATION_SUPPORTS_RESEND = ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = True
ACCOUNT_MAX_EMAIL_ADDRESSES = 3
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # the other sessions end; this one goes on
ACCOUNT_RATE_LIMITS = {
    "login": "120/m/ip",  # against load; guessing is counted in SIGN_IN_LIMITS
    "login_failed": "10/m/ip,5/300s/key",  # codes of a second factor, per person
    "reset_password": "20/m/ip,5/h/key",  # nosec B105 # a rate
}
SIGN_IN_LIMITS = {
    "visitor": "10/m/ip",
    "place": "5/300s/key",
    "strangers": "100/h/key",
    "device": "10/300s/key",
    "session": "10/300s/key",
    "refresh": "300/m/ip",
}
# Sign-in is limited by address: behind proxies, count them, or all visitors share the proxy's own.
ALLAUTH_TRUSTED_PROXY_COUNT = env.int("TRUSTED_PROXIES", default=0)
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if _HTTPS else "http"
MFA_ADAPTER = "accounts.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1
MFA_RECOVERY_CODES_SHOW_ONCE = True  # hashed from then on (accounts/recovery.py)
# Browsers make keys on https:// and on localhost alone; without TLS the latter is what is meant.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not _HTTPS
# Of whom the installation asks a second factor; organizations may ask their own people for more.
REQUIRE_SECOND_FACTOR = env.str(
    "REQUIRE_SECOND_FACTOR",
    default="staff" if env.bool("STAFF_SECOND_FACTOR", default=_PRODUCTION) else "none",
)
if REQUIRE_SECOND_FACTOR not in {"none", "staff", "everyone"}:
    raise ImproperlyConfigured("REQUIRE_SECOND_FACTOR is none, staff or everyone.")
USERSESSIONS_ADAPTER = "accounts.adapter.SessionsAdapter"
HEADLESS_TOKEN_STRATEGY = "accounts.strategy.TokenStrategy"  # nosec B105 # a class
HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN = 300
HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN = 7 * 24 * 3600
HEADLESS_CLIENTS = ("app",)
HEADLESS_SERVE_SPECIFICATION = True
HEADLESS_SPECIFICATION_TEMPLATE_NAME = None  # its page takes scripts from elsewhere
SECURITY_LOG_DAYS = env.int("SECURITY_LOG_DAYS", default=400)

# --- single sign-on
SOCIALACCOUNT_ADAPTER = "accounts.sso.adapter.SsoAccountAdapter"
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {"provider_class": "accounts.sso.provider.SsoProvider"},
}
SOCIALACCOUNT_LOGIN_ON_GET = False  # nobody is signed in by following a link
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False  # accounts/sso/linking.py decides, by proven domains
SSO_RATE_LIMITS = {"sso_start": "20/m/ip"}
# RS256 and its kin of providers: OpenID Connect has each know RS256, and many know no other.
SSO_RSA_PKCS1 = env.bool("SSO_RSA_PKCS1", default=True)
SSO_PROOF_URL = "https://{domain}/.well-known/loomwork-domain.txt"
