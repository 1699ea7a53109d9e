# mypy: ignore-errors
"""Django REST framework as its documentation has it: a serializer, and bulk_create."""

from rest_framework import serializers
from rest_framework.decorators import (
    api_view,
    authentication_classes,
    permission_classes,
)
from rest_framework.request import Request
from rest_framework.response import Response

from benchmarks.peers.models import Event
from benchmarks.peers.records import TITLES


class PersonSerializer(serializers.Serializer):
    """One side of a referral."""

    identities = serializers.DictField(child=serializers.CharField())
    ip = serializers.IPAddressField(required=False)
    device_id = serializers.CharField(required=False)
    advertising_id = serializers.CharField(required=False)


class EventSerializer(serializers.Serializer):
    """An event."""

    id = serializers.CharField(max_length=200)
    type = serializers.ChoiceField([*TITLES, "custom"])
    name = serializers.CharField(required=False)
    occurred_at = serializers.IntegerField()
    user = PersonSerializer(required=False)
    referrer = PersonSerializer(required=False)
    channel = serializers.CharField(required=False)
    content = serializers.CharField(required=False)
    event_data = serializers.DictField(required=False)


@api_view(["POST"])
@authentication_classes([])
@permission_classes([])
def receive(request: Request) -> Response:
    """Check the events and store them; one that is there already stays."""
    sent = request.data
    serializer = EventSerializer(data=sent.get("events", [sent]), many=True)
    serializer.is_valid(raise_exception=True)
    Event.objects.bulk_create(
        [Event(key=e["id"], type=e["type"], body=e) for e in serializer.validated_data],
        ignore_conflicts=True,
    )
    return Response({"accepted": len(serializer.validated_data)}, status=202)
