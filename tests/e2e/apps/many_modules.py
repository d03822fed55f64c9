# SPDX-License-Identifier: Apache-2.0
"""Writes a Django application of many modules, to measure the listing of symbols with:

    many_modules.py DIRECTORY [COUNT]

`DIRECTORY/main.py` sets Django up, imports them all, and ends, or serves with an address as its argument."""
import os
import sys

KINDS = {
    "models": '''
from django.db import models


class Order{n}(models.Model):
    reference = models.CharField(max_length=40)
    total = models.IntegerField(default=0)

    class Meta:
        app_label = "shop"

    @property
    def label(self):
        return "%s: %d" % (self.reference, self.total)

    def add(self, amount: int, *, currency: str = "EUR") -> int:
        self.total += amount
        return self.total
''',
    "forms": '''
from django import forms


class OrderForm{n}(forms.Form):
    reference = forms.CharField()

    def clean_reference(self):
        value = self.cleaned_data["reference"]
        if not value.isalnum():
            raise forms.ValidationError("odd")
        return value
''',
    "views": '''
from django.http import HttpResponse
from django.utils.functional import cached_property
from django.views import View
from django.views.decorators.http import require_GET


class OrderView{n}(View):
    @cached_property
    def order(self):
        return {n}

    def get(self, request, number=0):
        lines = [line for line in range(number) if line % 2]
        return HttpResponse(str(len(lines) + self.order))


@require_GET
def show_{n}(request):
    return HttpResponse("{n}")
''',
    "services": '''
import dataclasses
import functools

RATE_{n} = {n} / 100


@dataclasses.dataclass
class Quote{n}:
    amount: int
    note: str = ""

    @classmethod
    def of(cls, amount):
        return cls(amount)

    @staticmethod
    def rounded(amount):
        return round(amount, 2)


def retried(times):
    def around(f):
        @functools.wraps(f)
        def again(*args, **kw):
            for _ in range(times):
                return f(*args, **kw)
        return again
    return around


@retried(3)
def price_{n}(quote: "Quote{n}") -> float:
    total = quote.amount * RATE_{n}
    return Quote{n}.rounded(total)


async def fetch_{n}(client):
    return await client.get("/{n}")
''',
}

MAIN = '''
import importlib
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import django
from django.conf import settings

settings.configure(DEBUG=False, SECRET_KEY="none", ROOT_URLCONF="shop.urls", ALLOWED_HOSTS=["*"],
                   INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
django.setup()
NAMES = {names!r}
for name in NAMES:
    importlib.import_module(name)
if len(sys.argv) > 1:
    from django.core.management import call_command
    call_command("runserver", sys.argv[1], "--noreload")
'''


def write(directory, count):
    names = []
    for n in range(count):
        kind = list(KINDS)[n % len(KINDS)]
        package = os.path.join(directory, "shop", "part%03d" % (n // 50))
        os.makedirs(package, exist_ok=True)
        open(os.path.join(package, "__init__.py"), "a").close()
        with open(os.path.join(package, "%s_%d.py" % (kind, n)), "w") as file:
            file.write(KINDS[kind].replace("{n}", str(n)))
        names.append("shop.part%03d.%s_%d" % (n // 50, kind, n))
    with open(os.path.join(directory, "shop", "__init__.py"), "w"):
        pass
    with open(os.path.join(directory, "shop", "urls.py"), "w") as file:
        file.write("from django.urls import path\n\nfrom shop.part000.views_2 import show_2\n\n"
                   'urlpatterns = [path("", show_2)]\n')
    with open(os.path.join(directory, "main.py"), "w") as file:
        file.write(MAIN.replace("{names!r}", repr(names)).lstrip("\n"))


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
