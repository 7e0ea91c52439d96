"""JWT access tokens for the REST API (issued by allauth's headless API, `client=app`)."""

from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

from accounts.models import User
from accounts.tokens import Claims, authenticate_access


class JwtAuthentication(JWTTokenAuthentication):
    """Bearer tokens; a key's are left to the class before this one."""

    def authenticate_credentials(self, key: str) -> tuple[User, Claims]:
        found = authenticate_access(key)
        if found is None:
            raise AuthenticationFailed("This token is not valid.")
        return found

    def authenticate_header(self, request: object) -> str:
        return 'Bearer realm="loomwork"'
