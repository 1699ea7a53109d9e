"""Why an event is suspicious, and what each reason means to people. Pure."""

from enum import StrEnum


class FraudReason(StrEnum):
    """Why an event is suspicious. Kept with the event."""

    SAME_IP = "same_ip"
    SAME_IDENTITY = "same_identity"
    SAME_DEVICE = "same_device"
    ADVERTISING_ID_RESET = "advertising_id_reset"
    INSTALLS_FROM_SAME_IP = "installs_from_same_ip"


MEANINGS = {
    FraudReason.SAME_IP: "Referrer and user have the same IP address.",
    FraudReason.SAME_IDENTITY: "Referrer and user share an identity: they are one person.",
    FraudReason.SAME_DEVICE: "Referrer and user have the same device.",
    FraudReason.ADVERTISING_ID_RESET: (
        "The user's device had other advertising IDs at earlier installs, as many as the "
        "app takes for normal: it was reset."
    ),
    FraudReason.INSTALLS_FROM_SAME_IP: (
        "As many installs for the same referrer as the app takes for normal had come from "
        "the user's IP address."
    ),
}
