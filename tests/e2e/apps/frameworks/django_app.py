# SPDX-License-Identifier: Apache-2.0
import asyncio
import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import Http404, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views import View

from wares import REGISTRY, bare, quote as priced, reduced_price, traced

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False)


def health(request):
    return HttpResponse("ok")


def plain(request, item):
    doubled = priced(item, 2)
    return JsonResponse({"item": item, "total": doubled})  # LINE plain


async def later(request, item):
    await asyncio.sleep(0.05)
    total = priced(item, 3)
    return JsonResponse({"item": item, "total": total})  # LINE later


@traced
@bare
def wrapped(request, item):
    cost = REGISTRY["shipped"](item) + reduced_price(item)
    return JsonResponse({"cost": cost})  # LINE wrapped


class Thing(View):
    def get(self, request, item):
        name = item.title()
        return HttpResponse(name)  # LINE thing


def chunks(count):
    for number in range(count):
        text = "part %d\n" % number
        yield text  # LINE chunks


def stream(request):
    return StreamingHttpResponse(chunks(3), content_type="text/plain")


def ticks(step):
    number = 0
    try:
        while True:
            number += step
            yield "data: %d\n\n" % number  # LINE ticks
            time.sleep(0.02)
    finally:
        number = -1


def events(request):
    return StreamingHttpResponse(ticks(5), content_type="text/event-stream")


def missing(request, item):
    wanted = item.upper()
    raise Http404("no " + wanted)  # LINE missing


urlpatterns = [
    path("health", health),
    path("plain/<item>", plain),
    path("later/<item>", later),
    path("wrapped/<item>", wrapped),
    path("thing/<item>", Thing.as_view()),
    path("stream", stream),
    path("events", events),
    path("missing/<item>", missing),
]
app = get_wsgi_application()
