"""What daphne serves: `daphne xrevsite.asgi:application`."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "xrevsite.settings")

application = ProtocolTypeRouter({"http": get_asgi_application()})
