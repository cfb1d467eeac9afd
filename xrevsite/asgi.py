"""What daphne serves: `daphne xrevsite.asgi:application`."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xrevsite.settings")

http = get_asgi_application()

from dashboard.live.routing import websockets  # noqa: E402 - its models need Django to be set up

application = ProtocolTypeRouter({"http": http, "websocket": websockets})
