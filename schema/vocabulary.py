"""The closed vocabularies of the contract: every enum a client can meet, in one place."""

from enum import Enum, IntEnum

import strawberry


class Word(Enum):
    """A closed vocabulary. There is one of each word, so what it is tells it from others; enum would hash its name."""

    __hash__ = object.__hash__


@strawberry.enum(description="Where an order stands as a whole. `nativeStatus` keeps the platform's own word.")
class OrderStatus(Word):
    PENDING = "PENDING"
    OPEN = "OPEN"
    ON_HOLD = "ON_HOLD"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="How far an order has been paid, and paid back.")
class PaymentStatus(Word):
    PENDING = "PENDING"
    AUTHORIZED = "AUTHORIZED"
    PARTIALLY_PAID = "PARTIALLY_PAID"
    PAID = "PAID"
    PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED"
    REFUNDED = "REFUNDED"
    VOIDED = "VOIDED"
    EXPIRED = "EXPIRED"
    FAILED = "FAILED"
    DISPUTED = "DISPUTED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="How far an order has been sent out.")
class FulfillmentStatus(Word):
    UNFULFILLED = "UNFULFILLED"
    SCHEDULED = "SCHEDULED"
    ON_HOLD = "ON_HOLD"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIALLY_FULFILLED = "PARTIALLY_FULFILLED"
    FULFILLED = "FULFILLED"
    NOT_REQUIRED = "NOT_REQUIRED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="How goods reach the customer.")
class FulfillmentKind(Word):
    SHIPPING = "SHIPPING"
    PICKUP = "PICKUP"
    DIGITAL = "DIGITAL"
    LOCAL_DELIVERY = "LOCAL_DELIVERY"


@strawberry.enum(description="Where one parcel is.")
class DeliveryStatus(Word):
    PENDING = "PENDING"
    LABEL_CREATED = "LABEL_CREATED"
    SHIPPED = "SHIPPED"
    IN_TRANSIT = "IN_TRANSIT"
    OUT_FOR_DELIVERY = "OUT_FOR_DELIVERY"
    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    DELIVERY_ATTEMPTED = "DELIVERY_ATTEMPTED"
    DELAYED = "DELAYED"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    RETURNED_TO_SENDER = "RETURNED_TO_SENDER"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="How far the goods of an order are on their way back.")
class OrderReturnStatus(Word):
    NONE = "NONE"
    REQUESTED = "REQUESTED"
    IN_PROGRESS = "IN_PROGRESS"
    PARTIALLY_RETURNED = "PARTIALLY_RETURNED"
    RETURNED = "RETURNED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="Where one return stands.")
class ReturnStatus(Word):
    REQUESTED = "REQUESTED"
    APPROVED = "APPROVED"
    DECLINED = "DECLINED"
    CANCELLED = "CANCELLED"
    IN_TRANSIT = "IN_TRANSIT"
    RECEIVED = "RECEIVED"
    CLOSED = "CLOSED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="What the customer gets for returned goods.")
class ReturnResolution(Word):
    REFUND = "REFUND"
    STORE_CREDIT = "STORE_CREDIT"
    EXCHANGE = "EXCHANGE"
    KEEP_ITEM = "KEEP_ITEM"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="Why goods come back, as the customer says it. A claim, not a fact.")
class ReturnReason(Word):
    SIZE_TOO_SMALL = "SIZE_TOO_SMALL"
    SIZE_TOO_LARGE = "SIZE_TOO_LARGE"
    COLOR = "COLOR"
    STYLE = "STYLE"
    DEFECTIVE = "DEFECTIVE"
    DAMAGED_IN_TRANSIT = "DAMAGED_IN_TRANSIT"
    NOT_AS_DESCRIBED = "NOT_AS_DESCRIBED"
    WRONG_ITEM = "WRONG_ITEM"
    ARRIVED_LATE = "ARRIVED_LATE"
    NOT_RECEIVED = "NOT_RECEIVED"
    UNWANTED = "UNWANTED"
    OTHER = "OTHER"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="The state the goods are in, as the customer says it. A claim, not a fact.")
class ItemCondition(Word):
    UNOPENED = "UNOPENED"
    OPENED = "OPENED"
    USED = "USED"
    DEFECTIVE = "DEFECTIVE"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="Why an order was cancelled.")
class CancelReason(Word):
    CUSTOMER = "CUSTOMER"
    DECLINED = "DECLINED"
    FRAUD = "FRAUD"
    INVENTORY = "INVENTORY"
    STAFF = "STAFF"
    OTHER = "OTHER"


@strawberry.enum(description="Where a subscription stands. CANCELLING runs to the end of the paid term.")
class SubscriptionStatus(Word):
    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="The unit of a billing or delivery interval.")
class IntervalUnit(Word):
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"


@strawberry.enum(
    description="Who keeps a record: the shop platform, or this gateway where the platform has no such record."
)
class RecordHolder(Word):
    PLATFORM = "PLATFORM"
    GATEWAY = "GATEWAY"


@strawberry.enum(description="What a fee is for.")
class FeeKind(Word):
    RESTOCKING = "RESTOCKING"
    RETURN_SHIPPING = "RETURN_SHIPPING"
    ORIGINAL_SHIPPING = "ORIGINAL_SHIPPING"
    HANDLING = "HANDLING"


@strawberry.enum(description="How far a refund has come.")
class RefundStatus(Word):
    PENDING = "PENDING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@strawberry.enum(description="Where refunded money goes.")
class RefundDestination(Word):
    ORIGINAL_PAYMENT = "ORIGINAL_PAYMENT"
    STORE_CREDIT = "STORE_CREDIT"
    GIFT_CARD = "GIFT_CARD"
    MANUAL = "MANUAL"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="Whether money was really paid back, or a refund was only recorded.")
class MoneyMoved(Word):
    YES = "YES"
    NO = "NO"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="Whether a product is on sale.")
class ProductStatus(Word):
    ACTIVE = "ACTIVE"
    DRAFT = "DRAFT"
    ARCHIVED = "ARCHIVED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(
    description="What can be asked for, in one vocabulary: policy, capability, eligibility and audit share it."
)
class ActionKind(Word):
    CANCEL_ORDER = "CANCEL_ORDER"
    RETURN_ORDER = "RETURN_ORDER"
    REFUND_ORDER = "REFUND_ORDER"
    PAUSE_SUBSCRIPTION = "PAUSE_SUBSCRIPTION"
    RESUME_SUBSCRIPTION = "RESUME_SUBSCRIPTION"
    CANCEL_SUBSCRIPTION = "CANCEL_SUBSCRIPTION"


@strawberry.enum(description="What the merchant's policy says of one asked-for thing.")
class Verdict(Word):
    ALLOW = "ALLOW"
    REVIEW = "REVIEW"
    DENY = "DENY"


@strawberry.enum(
    description="The event a window counts from. DELIVERED_ESTIMATED: worked out, not reported by a carrier."
)
class TimeBasis(Word):
    ORDERED = "ORDERED"
    FULFILLED = "FULFILLED"
    DELIVERED = "DELIVERED"
    DELIVERED_ESTIMATED = "DELIVERED_ESTIMATED"
    NEXT_BILLING = "NEXT_BILLING"


@strawberry.enum(description="Why a decision came out as it did, for programs.")
class ReasonCode(Word):
    OK = "OK"
    WINDOW_EXPIRED = "WINDOW_EXPIRED"
    FINAL_SALE = "FINAL_SALE"
    ALREADY_RETURNED = "ALREADY_RETURNED"
    ALREADY_REFUNDED = "ALREADY_REFUNDED"
    NOT_FULFILLED = "NOT_FULFILLED"
    ALREADY_FULFILLED = "ALREADY_FULFILLED"
    ALREADY_CANCELLED = "ALREADY_CANCELLED"
    NOTHING_LEFT = "NOTHING_LEFT"
    EXCLUDED_PRODUCT = "EXCLUDED_PRODUCT"
    EXCLUDED_REGION = "EXCLUDED_REGION"
    EXCLUDED_SEGMENT = "EXCLUDED_SEGMENT"
    CONDITION_NOT_ACCEPTED = "CONDITION_NOT_ACCEPTED"
    AMOUNT_OVER_LIMIT = "AMOUNT_OVER_LIMIT"
    VELOCITY_LIMIT = "VELOCITY_LIMIT"
    FRAUD_SIGNAL = "FRAUD_SIGNAL"
    MIN_CYCLES_NOT_MET = "MIN_CYCLES_NOT_MET"
    CUTOFF_PASSED = "CUTOFF_PASSED"
    PAYMENT_PENDING = "PAYMENT_PENDING"
    PAYMENT_DISPUTED = "PAYMENT_DISPUTED"
    PAUSE_TOO_LONG = "PAUSE_TOO_LONG"
    FACT_MISSING = "FACT_MISSING"
    UNSUPPORTED_BY_PLATFORM = "UNSUPPORTED_BY_PLATFORM"
    MISSING_SCOPE = "MISSING_SCOPE"
    OTHER = "OTHER"


@strawberry.enum(description="What an allowed action costs or obliges the customer to.")
class ConditionKind(Word):
    RESTOCKING_FEE = "RESTOCKING_FEE"
    RETURN_SHIPPING_FEE = "RETURN_SHIPPING_FEE"
    OTHER = "OTHER"


@strawberry.enum(description="The next step a person or a bot can take towards an action.")
class NextStep(Word):
    ASK_DETAILS = "ASK_DETAILS"
    CONFIRM = "CONFIRM"
    VERIFY_IDENTITY = "VERIFY_IDENTITY"
    REQUEST_APPROVAL = "REQUEST_APPROVAL"
    NOT_POSSIBLE = "NOT_POSSIBLE"


@strawberry.enum(description="A detail of a request that a decision may still depend on.")
class RequestFact(Word):
    REASON = "REASON"
    CONDITION = "CONDITION"
    RESOLUTION = "RESOLUTION"
    QUANTITY = "QUANTITY"
    AMOUNT = "AMOUNT"
    UNTIL = "UNTIL"


@strawberry.enum(
    description="What the asker wants for returned goods. Anything but REFUND needs a policy rule that names it."
)
class RequestedResolution(Word):
    REFUND = "REFUND"
    STORE_CREDIT = "STORE_CREDIT"
    KEEP_ITEM = "KEEP_ITEM"


@strawberry.enum(description="Where a refund should go, or that there should be none.")
class RefundChoice(Word):
    ORIGINAL_PAYMENT = "ORIGINAL_PAYMENT"
    STORE_CREDIT = "STORE_CREDIT"
    NONE = "NONE"


@strawberry.enum(description="Where an action stands.")
class ActionState(Word):
    DENIED = "DENIED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    RUNNING = "RUNNING"
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


@strawberry.enum(description="What kind of caller acts.")
class ActorKind(Word):
    CUSTOMER = "CUSTOMER"
    BOT = "BOT"
    STAFF = "STAFF"
    SYSTEM = "SYSTEM"


@strawberry.enum(description="How surely we know whom we act for; each level includes those before it.")
class AssuranceLevel(IntEnum):
    ANONYMOUS = 0
    CLAIMED = 1
    VERIFIED = 2
    STAFF = 3


@strawberry.enum(description="What kind of personal data a field holds.")
class PiiKind(Word):
    NAME = "NAME"
    EMAIL = "EMAIL"
    PHONE = "PHONE"
    ADDRESS = "ADDRESS"
    PAYMENT = "PAYMENT"
    FREE_TEXT = "FREE_TEXT"


@strawberry.enum(description="What a store can do for an action. EMULATED: with a caveat, told in `note`.")
class SupportLevel(Word):
    NATIVE = "NATIVE"
    EMULATED = "EMULATED"
    UNSUPPORTED = "UNSUPPORTED"
    MISSING_SCOPE = "MISSING_SCOPE"


@strawberry.enum(description="How well a store answers at present.")
class HealthStatus(Word):
    OK = "OK"
    DEGRADED = "DEGRADED"
    DOWN = "DOWN"


@strawberry.enum(
    description="What went wrong, for programs; shared by problems, issues of lists and `extensions.code` of errors."
)
class ProblemCode(Word):
    POLICY_DENIED = "POLICY_DENIED"
    APPROVAL_REQUIRED = "APPROVAL_REQUIRED"
    IDENTITY_INSUFFICIENT = "IDENTITY_INSUFFICIENT"
    NOT_FOUND = "NOT_FOUND"
    INVALID_INPUT = "INVALID_INPUT"
    CONFLICT = "CONFLICT"
    PLATFORM_REFUSED = "PLATFORM_REFUSED"
    PLATFORM_UNAVAILABLE = "PLATFORM_UNAVAILABLE"
    PLATFORM_THROTTLED = "PLATFORM_THROTTLED"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
    UNSUPPORTED = "UNSUPPORTED"


@strawberry.enum(description="Why a request collides with what already happened or is happening.")
class ConflictKind(Word):
    ALREADY_DONE = "ALREADY_DONE"
    IN_PROGRESS = "IN_PROGRESS"
    FACTS_CHANGED = "FACTS_CHANGED"
    KEY_REUSED_WITH_DIFFERENT_INPUT = "KEY_REUSED_WITH_DIFFERENT_INPUT"
    PREVIEW_REQUIRED = "PREVIEW_REQUIRED"


@strawberry.enum(description="What a person found out about an action whose outcome the gateway could not.")
class ActionOutcome(Word):
    HAPPENED = "HAPPENED"
    DID_NOT_HAPPEN = "DID_NOT_HAPPEN"


@strawberry.enum(description="How a return that is held here moves on.")
class HeldReturnStep(Word):
    IN_TRANSIT = "IN_TRANSIT"
    RECEIVED = "RECEIVED"
    CLOSED = "CLOSED"
    CANCELLED = "CANCELLED"
