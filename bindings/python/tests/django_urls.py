"""The pages of test_django.py."""

from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.urls import path

from micromint.django import charge


@charge(1)
def story(request):
    return HttpResponse("content")


def free(request):
    return HttpResponse("content")


urlpatterns = i18n_patterns(path("story", story), path("free", free))
