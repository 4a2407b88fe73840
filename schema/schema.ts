export type Maybe<T> = T | null;
export type InputMaybe<T> = Maybe<T>;
/** All built-in and custom scalars, mapped to their actual values */
export type Scalars = {
  ID: { input: string; output: string; }
  String: { input: string; output: string; }
  Boolean: { input: boolean; output: boolean; }
  Int: { input: number; output: number; }
  Float: { input: number; output: number; }
  /** ISO 3166-1 alpha-2, such as `DE`. */
  CountryCode: { input: string; output: string; }
  /** ISO 4217, such as `USD`. */
  CurrencyCode: { input: string; output: string; }
  /** Date (isoformat) */
  Date: { input: string; output: string; }
  /** Date with time (isoformat) */
  DateTime: { input: string; output: string; }
  /** Decimal (fixed-point) */
  Decimal: { input: string; output: string; }
  /** Any JSON value, as the platform wrote it. */
  JSON: { input: unknown; output: unknown; }
  /** An absolute http or https address. */
  URL: { input: string; output: string; }
  _Any: { input: { __typename: string; id: string }; output: { __typename: string; id: string }; }
};

/** One durable record of something asked for: decided, perhaps approved, done, and known for ever after. */
export type Action = Node & {
  __typename?: 'Action';
  approvedBy?: Maybe<Actor>;
  decision?: Maybe<Decision>;
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  finishedAt?: Maybe<Scalars['DateTime']['output']>;
  id: Scalars['ID']['output'];
  kind: ActionKind;
  /** The platform's own id of what was done. */
  nativeReference?: Maybe<Scalars['String']['output']>;
  note?: Maybe<Scalars['String']['output']>;
  /** Why it did not happen, or not yet. */
  problem?: Maybe<Problem>;
  quote?: Maybe<Quote>;
  /** What was asked for, typed; shown to the approver and to the asker. */
  request: ActionRequest;
  requestedAt: Scalars['DateTime']['output'];
  requestedBy: Actor;
  /** Who may approve it, while it waits. */
  requiredRole?: Maybe<Scalars['String']['output']>;
  state: ActionState;
  summary: Scalars['String']['output'];
  /** What it was asked on, read fresh. */
  target?: Maybe<Node>;
};

/** Actions, newest first. */
export type ActionConnection = {
  __typename?: 'ActionConnection';
  edges: Array<ActionEdge>;
  nodes: Array<Action>;
  pageInfo: PageInfo;
};

export type ActionEdge = {
  __typename?: 'ActionEdge';
  cursor: Scalars['String']['output'];
  node: Action;
};

export type ActionFilter = {
  kind?: InputMaybe<Array<ActionKind>>;
  requestedAfter?: InputMaybe<Scalars['DateTime']['input']>;
  state?: InputMaybe<Array<ActionState>>;
  targetId?: InputMaybe<Scalars['ID']['input']>;
};

/** What can be asked for, in one vocabulary: policy, capability, eligibility and audit share it. */
export type ActionKind =
  | 'CANCEL_ORDER'
  | 'CANCEL_SUBSCRIPTION'
  | 'PAUSE_SUBSCRIPTION'
  | 'REFUND_ORDER'
  | 'RESUME_SUBSCRIPTION'
  | 'RETURN_ORDER';

/** What a person found out about an action whose outcome the gateway could not. */
export type ActionOutcome =
  | 'DID_NOT_HAPPEN'
  | 'HAPPENED';

/** What an action came to, whatever kind it is; its target is read fresh. */
export type ActionPayload = ActionResult & {
  __typename?: 'ActionPayload';
  action?: Maybe<Action>;
  problem?: Maybe<Problem>;
  /** True where this key was used before and nothing was done again. */
  replayed: Scalars['Boolean']['output'];
};

/** What was asked for, typed; shown to the approver and to the asker. */
export type ActionRequest = {
  __typename?: 'ActionRequest';
  amount?: Maybe<Money>;
  destination?: Maybe<RefundDestination>;
  lines: Array<RequestedLine>;
  note?: Maybe<Scalars['String']['output']>;
  reason?: Maybe<Scalars['String']['output']>;
  resolution?: Maybe<RequestedResolution>;
  until?: Maybe<Scalars['Date']['output']>;
};

/** Every mutation answers with a payload: what is now true, the action, and the problem if there is one. */
export type ActionResult = {
  action?: Maybe<Action>;
  problem?: Maybe<Problem>;
  /** True where this key was used before and nothing was done again. */
  replayed: Scalars['Boolean']['output'];
};

/** Where an action stands. */
export type ActionState =
  | 'AWAITING_APPROVAL'
  | 'DENIED'
  | 'EXPIRED'
  | 'FAILED'
  | 'PENDING'
  | 'REJECTED'
  | 'RUNNING'
  | 'SUCCEEDED'
  | 'UNKNOWN';

/** Who did or asked something. */
export type Actor = {
  __typename?: 'Actor';
  kind: ActorKind;
  name: Scalars['String']['output'];
  /** The customer a bot or person acts for. */
  onBehalfOf?: Maybe<Scalars['String']['output']>;
};

/** What kind of caller acts. */
export type ActorKind =
  | 'BOT'
  | 'CUSTOMER'
  | 'STAFF'
  | 'SYSTEM';

/** A postal address, as far as the store knows it. */
export type Address = {
  __typename?: 'Address';
  city?: Maybe<Scalars['String']['output']>;
  company?: Maybe<Scalars['String']['output']>;
  countryCode?: Maybe<Scalars['CountryCode']['output']>;
  line1?: Maybe<Scalars['String']['output']>;
  line2?: Maybe<Scalars['String']['output']>;
  name?: Maybe<Scalars['String']['output']>;
  phone?: Maybe<Scalars['String']['output']>;
  postalCode?: Maybe<Scalars['String']['output']>;
  /** State, province or county, in words. */
  region?: Maybe<Scalars['String']['output']>;
  regionCode?: Maybe<Scalars['String']['output']>;
};

/** Something else that would be allowed if it were asked for next. */
export type Alternative = {
  __typename?: 'Alternative';
  action: ActionKind;
  label: Scalars['String']['output'];
  resolution?: Maybe<RequestedResolution>;
};

/** A person of the merchant's has to agree first; the request is kept and waits. */
export type ApprovalRequired = Problem & {
  __typename?: 'ApprovalRequired';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  decision: Decision;
  expiresAt: Scalars['DateTime']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  requiredRole: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** How surely we know whom we act for; each level includes those before it. */
export type AssuranceLevel =
  | 'ANONYMOUS'
  | 'CLAIMED'
  | 'STAFF'
  | 'VERIFIED';

/** Staff may set reason, restock and notifyCustomer; for anybody else they are CUSTOMER, true and true. */
export type CancelOrderInput = {
  note?: InputMaybe<Scalars['String']['input']>;
  notifyCustomer?: Scalars['Boolean']['input'];
  orderId: Scalars['ID']['input'];
  reason?: CancelReason;
  refund?: RefundChoice;
  restock?: Scalars['Boolean']['input'];
};

export type CancelOrderPayload = ActionResult & {
  __typename?: 'CancelOrderPayload';
  action?: Maybe<Action>;
  order?: Maybe<Order>;
  problem?: Maybe<Problem>;
  refund?: Maybe<Refund>;
  /** True where this key was used before and nothing was done again. */
  replayed: Scalars['Boolean']['output'];
};

/** Why an order was cancelled. */
export type CancelReason =
  | 'CUSTOMER'
  | 'DECLINED'
  | 'FRAUD'
  | 'INVENTORY'
  | 'OTHER'
  | 'STAFF';

export type CancelSubscriptionInput = {
  reason: Scalars['String']['input'];
  subscriptionId: Scalars['ID']['input'];
};

/** What THIS store's platform and credentials can do, before anybody clicks. */
export type Capability = {
  __typename?: 'Capability';
  action: ActionKind;
  /** A caveat, in one sentence. */
  note?: Maybe<Scalars['String']['output']>;
  /** Permissions our credentials need for it, in the platform's words. */
  requiredScopes: Array<Scalars['String']['output']>;
  support: SupportLevel;
};

/** What an allowed action costs or obliges to. What costs the customer money is shown before it is done. */
export type Condition = {
  __typename?: 'Condition';
  amount?: Maybe<Money>;
  kind: ConditionKind;
  text: Scalars['String']['output'];
};

/** What an allowed action costs or obliges the customer to. */
export type ConditionKind =
  | 'OTHER'
  | 'RESTOCKING_FEE'
  | 'RETURN_SHIPPING_FEE';

/** It collides with what already happened or is happening; `action` is that other one. */
export type Conflict = Problem & {
  __typename?: 'Conflict';
  action?: Maybe<Action>;
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  kind: ConflictKind;
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** Why a request collides with what already happened or is happening. */
export type ConflictKind =
  | 'ALREADY_DONE'
  | 'FACTS_CHANGED'
  | 'IN_PROGRESS'
  | 'KEY_REUSED_WITH_DIFFERENT_INPUT'
  | 'PREVIEW_REQUIRED';

/** One customer, by e-mail address, for whom somebody is to speak. */
export type CreateCustomerSessionInput = {
  /** How surely you know that it is this person; at most your own. */
  assurance?: AssuranceLevel;
  email: Scalars['String']['input'];
  /** How long it lasts, 1 to 1440. */
  minutes?: Scalars['Int']['input'];
  /** A subset of your own. Left out: all of yours that a customer may have. */
  scopes?: InputMaybe<Array<Scalars['String']['input']>>;
};

/** One person across every store, held together by an e-mail address. */
export type Customer = Node & {
  __typename?: 'Customer';
  /** False where a store could not answer; `issues` names it. */
  complete: Scalars['Boolean']['output'];
  displayName?: Maybe<Scalars['String']['output']>;
  email?: Maybe<Scalars['String']['output']>;
  firstName?: Maybe<Scalars['String']['output']>;
  /** The e-mail address sealed with the gateway's key: stable whichever store is down, for guests too. */
  id: Scalars['ID']['output'];
  /** True where no store has a customer record of this person. */
  isGuest: Scalars['Boolean']['output'];
  issues: Array<SourceIssue>;
  lastName?: Maybe<Scalars['String']['output']>;
  locale?: Maybe<Scalars['String']['output']>;
  /** This person's orders, merged across stores, newest first. */
  orders: OrderConnection;
  phone?: Maybe<Scalars['String']['output']>;
  /** One for each store that knows this person. */
  profiles: Array<CustomerProfile>;
  /** This person's returns, in the order of their orders, newest first. */
  returns: ReturnConnection;
  /** Counts over every store. Reading it may cost calls. Staff only, else null. */
  stats?: Maybe<CustomerStats>;
  /** This person's subscriptions, merged across stores, newest first. */
  subscriptions: SubscriptionConnection;
};


/** One person across every store, held together by an e-mail address. */
export type CustomerOrdersArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<OrderFilter>;
  first?: Scalars['Int']['input'];
};


/** One person across every store, held together by an e-mail address. */
export type CustomerReturnsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: Scalars['Int']['input'];
};


/** One person across every store, held together by an e-mail address. */
export type CustomerSubscriptionsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  first?: Scalars['Int']['input'];
  status?: InputMaybe<Array<SubscriptionStatus>>;
};

export type CustomerBy =
  { email: Scalars['String']['input']; id?: never; }
  |  { email?: never; id: Scalars['ID']['input']; };

/** This person's record in one store. */
export type CustomerProfile = Node & {
  __typename?: 'CustomerProfile';
  addresses?: Maybe<Array<Address>>;
  createdAt?: Maybe<Scalars['DateTime']['output']>;
  displayName?: Maybe<Scalars['String']['output']>;
  email?: Maybe<Scalars['String']['output']>;
  id: Scalars['ID']['output'];
  phone?: Maybe<Scalars['String']['output']>;
  /** Staff only. */
  segments?: Maybe<Array<Scalars['String']['output']>>;
  source: Source;
  /** Staff only. */
  tags?: Maybe<Array<Scalars['String']['output']>>;
};

/** A short-lived token bound to one customer. The address in it cannot be read off it. */
export type CustomerSession = {
  __typename?: 'CustomerSession';
  assurance: AssuranceLevel;
  expiresAt: Scalars['DateTime']['output'];
  /** To revoke it by; of no use to anybody else. */
  id: Scalars['ID']['output'];
  scopes: Array<Scalars['String']['output']>;
  /** Send it as `Authorization: Bearer …`. It is shown only here. */
  token: Scalars['String']['output'];
};

/** Counts over every store. Null where one store does not say or could not answer. */
export type CustomerStats = {
  __typename?: 'CustomerStats';
  orderCount?: Maybe<Scalars['Int']['output']>;
  /** One amount a currency. */
  refundTotal90d?: Maybe<Array<Money>>;
  returnCount90d?: Maybe<Scalars['Int']['output']>;
  /** One amount a currency. */
  totalSpent?: Maybe<Array<Money>>;
};

/** What the merchant's policy says of one asked-for action. */
export type Decision = {
  __typename?: 'Decision';
  /** The last instant at which the answer is still ALLOW, where there is one. */
  allowedUntil?: Maybe<Scalars['DateTime']['output']>;
  alternatives: Array<Alternative>;
  conditions: Array<Condition>;
  decidedAt: Scalars['DateTime']['output'];
  policy: PolicyVersion;
  /** The deciding ones first. */
  reasons: Array<DecisionReason>;
  /** Rules on trial that would have fired. Staff only, else empty. */
  shadow: Array<DecisionReason>;
  verdict: Verdict;
};

/** Why a decision came out as it did. */
export type DecisionReason = {
  __typename?: 'DecisionReason';
  code: ReasonCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  facts: Array<Fact>;
  /** The reason in the merchant's own terms. Staff only, else null. */
  internalMessage?: Maybe<Scalars['String']['output']>;
  line?: Maybe<OrderLine>;
  /** The id of the policy's rule, or `built-in` for what holds whatever it says. */
  rule: Scalars['String']['output'];
};

/** Where one parcel is. */
export type DeliveryStatus =
  | 'CANCELLED'
  | 'DELAYED'
  | 'DELIVERED'
  | 'DELIVERY_ATTEMPTED'
  | 'FAILED'
  | 'IN_TRANSIT'
  | 'LABEL_CREATED'
  | 'OUT_FOR_DELIVERY'
  | 'PENDING'
  | 'READY_FOR_PICKUP'
  | 'RETURNED_TO_SENDER'
  | 'SHIPPED'
  | 'UNKNOWN';

/** Whether an action is possible, why not, until when and for how much, before anybody clicks. */
export type Eligibility = {
  __typename?: 'Eligibility';
  action: ActionKind;
  decision: Decision;
  /** Details the request has not told yet and on which the answer depends. */
  dependsOn: Array<RequestFact>;
  /** Units of the line that can be asked for. */
  maxQuantity?: Maybe<Scalars['Int']['output']>;
  next: NextStep;
  quote?: Maybe<Quote>;
  requiredAssurance: AssuranceLevel;
  support: SupportLevel;
};

/** One thing that was compared, where it came from, and whether it was estimated or missing. */
export type Fact = {
  __typename?: 'Fact';
  basis?: Maybe<TimeBasis>;
  estimated: Scalars['Boolean']['output'];
  known: Scalars['Boolean']['output'];
  name: Scalars['String']['output'];
  value?: Maybe<Scalars['String']['output']>;
};

/** A cost that is kept back from a refund. */
export type Fee = {
  __typename?: 'Fee';
  amount: Money;
  kind: FeeKind;
};

/** What a fee is for. */
export type FeeKind =
  | 'HANDLING'
  | 'ORIGINAL_SHIPPING'
  | 'RESTOCKING'
  | 'RETURN_SHIPPING';

export type FieldIssue = {
  __typename?: 'FieldIssue';
  message: Scalars['String']['output'];
  path: Array<Scalars['String']['output']>;
};

/** One parcel, pick-up or download. */
export type Fulfillment = {
  __typename?: 'Fulfillment';
  carrier?: Maybe<Scalars['String']['output']>;
  deliveredAt?: Maybe<Scalars['DateTime']['output']>;
  /** DELIVERED: the carrier said so. DELIVERED_ESTIMATED: it was worked out. */
  deliveredAtBasis?: Maybe<TimeBasis>;
  estimatedDeliveryAt?: Maybe<Scalars['DateTime']['output']>;
  events: Array<FulfillmentEvent>;
  id: Scalars['ID']['output'];
  kind: FulfillmentKind;
  lines: Array<FulfillmentLine>;
  shippedAt?: Maybe<Scalars['DateTime']['output']>;
  status: DeliveryStatus;
  trackingNumber?: Maybe<Scalars['String']['output']>;
  trackingUrl?: Maybe<Scalars['URL']['output']>;
};

/** Something that happened to a parcel. */
export type FulfillmentEvent = {
  __typename?: 'FulfillmentEvent';
  happenedAt: Scalars['DateTime']['output'];
  location?: Maybe<Scalars['String']['output']>;
  message?: Maybe<Scalars['String']['output']>;
  status: DeliveryStatus;
};

/** How goods reach the customer. */
export type FulfillmentKind =
  | 'DIGITAL'
  | 'LOCAL_DELIVERY'
  | 'PICKUP'
  | 'SHIPPING';

export type FulfillmentLine = {
  __typename?: 'FulfillmentLine';
  line: OrderLine;
  quantity: Scalars['Int']['output'];
};

/** How far an order has been sent out. */
export type FulfillmentStatus =
  | 'FULFILLED'
  | 'IN_PROGRESS'
  | 'NOT_REQUIRED'
  | 'ON_HOLD'
  | 'PARTIALLY_FULFILLED'
  | 'SCHEDULED'
  | 'UNFULFILLED'
  | 'UNKNOWN';

/** How well a store answers at present. */
export type HealthStatus =
  | 'DEGRADED'
  | 'DOWN'
  | 'OK';

/** How a return that is held here moves on. */
export type HeldReturnStep =
  | 'CANCELLED'
  | 'CLOSED'
  | 'IN_TRANSIT'
  | 'RECEIVED';

/** The caller is not surely enough known for this. */
export type IdentityInsufficient = Problem & {
  __typename?: 'IdentityInsufficient';
  code: ProblemCode;
  current: AssuranceLevel;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  required: AssuranceLevel;
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

export type Image = {
  __typename?: 'Image';
  alt?: Maybe<Scalars['String']['output']>;
  url: Scalars['URL']['output'];
};

/** `count` units: 2 WEEK is every other week. */
export type Interval = {
  __typename?: 'Interval';
  count: Scalars['Int']['output'];
  unit: IntervalUnit;
};

/** The unit of a billing or delivery interval. */
export type IntervalUnit =
  | 'DAY'
  | 'MONTH'
  | 'WEEK'
  | 'YEAR';

/** The input cannot be right; each field is named with its cure. */
export type InvalidInput = Problem & {
  __typename?: 'InvalidInput';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  fields: Array<FieldIssue>;
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** The state the goods are in, as the customer says it. A claim, not a fact. */
export type ItemCondition =
  | 'DEFECTIVE'
  | 'OPENED'
  | 'UNKNOWN'
  | 'UNOPENED'
  | 'USED';

/** How many units of a line. Null where the store does not say. */
export type LineQuantity = {
  __typename?: 'LineQuantity';
  /** Ordered, less what was taken off the order. */
  current: Scalars['Int']['output'];
  delivered?: Maybe<Scalars['Int']['output']>;
  fulfilled?: Maybe<Scalars['Int']['output']>;
  ordered: Scalars['Int']['output'];
  refundable?: Maybe<Scalars['Int']['output']>;
  /** Units that could still be asked back, as to the goods alone; the policy decides. */
  returnable?: Maybe<Scalars['Int']['output']>;
  /** In returns that are open, received or closed. */
  returned: Scalars['Int']['output'];
};

/** An amount of money. Never a float; compare amounts of one currency only. */
export type Money = {
  __typename?: 'Money';
  /** In major units, with the digits the store gave: `19.90`. */
  amount: Scalars['Decimal']['output'];
  currencyCode: Scalars['CurrencyCode']['output'];
};

/** Whether money was really paid back, or a refund was only recorded. */
export type MoneyMoved =
  | 'NO'
  | 'UNKNOWN'
  | 'YES';

/** One amount as the customer saw it and in the store's own currency. */
export type MoneyPair = {
  __typename?: 'MoneyPair';
  /** In the currency the customer paid in. */
  presentment: Money;
  /** In the store's own currency. */
  shop: Money;
};

/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type Mutation = {
  __typename?: 'Mutation';
  /** A person with the right role, who is not the asker, agrees to a waiting action. It is decided again on fresh facts, and then runs under its first key. */
  approveAction: ActionPayload;
  /** Cancel a whole order, if the merchant's policy allows it. */
  cancelOrder: CancelOrderPayload;
  /** End a subscription. */
  cancelSubscription: SubscriptionPayload;
  /** Do exactly what a preview showed: the token is its own key, used once. It takes the scope and the assurance of the action inside it, and answers FACTS_CHANGED where things are no longer as shown. */
  confirm: ActionPayload;
  /** Trade a backend's key for a token bound to one customer: what a widget or a model is given. */
  createCustomerSession: CustomerSession;
  /** Let a return that is held here (`heldBy: GATEWAY`) move on. Its refund is `refundOrder` with `returnId`, which closes it. */
  moveReturn: ReturnPayload;
  /** Let a subscription rest; some stores need the day on which it goes on. */
  pauseSubscription: SubscriptionPayload;
  /** Pay money back, never more than is left of what was captured. `moneyMoved` on the refund says whether anything was really paid. */
  refundOrder: RefundOrderPayload;
  /** A person with the right role, who is not the asker, turns a waiting action down. */
  rejectAction: ActionPayload;
  /** Send a one-time code to the address this session is bound to. The answer is the same, and takes as long, whatever address is given. */
  requestProof: ProofRequested;
  /** A person who has looked at the store says what came of an action that is UNKNOWN. */
  resolveAction: ActionPayload;
  /** Let a paused subscription go on. */
  resumeSubscription: SubscriptionPayload;
  /** Send goods of an order back, if the merchant's policy allows it. */
  returnOrder: ReturnOrderPayload;
  /** End a customer session before its time; it stops within 5 seconds on every gateway. */
  revokeCustomerSession: SessionRevoked;
  /** Give the code back: the answer is this session as VERIFIED, under a new token. */
  verifyProof: CustomerSession;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationApproveActionArgs = {
  id: Scalars['ID']['input'];
  note?: InputMaybe<Scalars['String']['input']>;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationCancelOrderArgs = {
  idempotencyKey: Scalars['String']['input'];
  input: CancelOrderInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationCancelSubscriptionArgs = {
  idempotencyKey: Scalars['String']['input'];
  input: CancelSubscriptionInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationConfirmArgs = {
  token: Scalars['String']['input'];
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationCreateCustomerSessionArgs = {
  input: CreateCustomerSessionInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationMoveReturnArgs = {
  id: Scalars['ID']['input'];
  to: HeldReturnStep;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationPauseSubscriptionArgs = {
  idempotencyKey: Scalars['String']['input'];
  input: PauseSubscriptionInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationRefundOrderArgs = {
  idempotencyKey: Scalars['String']['input'];
  input: RefundOrderInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationRejectActionArgs = {
  id: Scalars['ID']['input'];
  note: Scalars['String']['input'];
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationRequestProofArgs = {
  email: Scalars['String']['input'];
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationResolveActionArgs = {
  id: Scalars['ID']['input'];
  note: Scalars['String']['input'];
  outcome: ActionOutcome;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationResumeSubscriptionArgs = {
  idempotencyKey: Scalars['String']['input'];
  input: ResumeSubscriptionInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationReturnOrderArgs = {
  idempotencyKey: Scalars['String']['input'];
  input: ReturnOrderInput;
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationRevokeCustomerSessionArgs = {
  id: Scalars['ID']['input'];
};


/** Every write is one caller's intent under its own idempotency key, decided by policy first. */
export type MutationVerifyProofArgs = {
  code: Scalars['String']['input'];
};

export type NativeError = {
  __typename?: 'NativeError';
  code?: Maybe<Scalars['String']['output']>;
  field?: Maybe<Array<Scalars['String']['output']>>;
  httpStatus?: Maybe<Scalars['Int']['output']>;
  message: Scalars['String']['output'];
};

/** The next step a person or a bot can take towards an action. */
export type NextStep =
  | 'ASK_DETAILS'
  | 'CONFIRM'
  | 'NOT_POSSIBLE'
  | 'REQUEST_APPROVAL'
  | 'VERIFY_IDENTITY';

/** Anything with an id. `node(id)` reads it again. */
export type Node = {
  id: Scalars['ID']['output'];
};

/** There is no such thing, or it is not yours: the answer is the same. */
export type NotFound = Problem & {
  __typename?: 'NotFound';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

export type OptionValue = {
  __typename?: 'OptionValue';
  name: Scalars['String']['output'];
  value: Scalars['String']['output'];
};

/** An order, wherever it lives. */
export type Order = Node & {
  __typename?: 'Order';
  billingAddress?: Maybe<Address>;
  cancelReason?: Maybe<CancelReason>;
  cancelledAt?: Maybe<Scalars['DateTime']['output']>;
  /** The person whose order it is, across every store; also for a guest with an address. Null on what `lookupOrder` found for a caller below VERIFIED. */
  customer?: Maybe<Customer>;
  /** Every action a button could offer, each with its next step and the why-not. Without `actions`: all order actions of this API. */
  eligibility: Array<Eligibility>;
  /** The address on the order; a guest order has one and may have no customer record. */
  email?: Maybe<Scalars['String']['output']>;
  fulfillmentStatus: FulfillmentStatus;
  /** Null: could not be read. Empty: there are none. */
  fulfillments?: Maybe<Array<Fulfillment>>;
  id: Scalars['ID']['output'];
  lines: Array<OrderLine>;
  /** The platform's own words, in its own spelling. */
  nativeStatus: Scalars['String']['output'];
  /** What the shopper sees, without a leading `#`. */
  number: Scalars['String']['output'];
  paymentStatus: PaymentStatus;
  placedAt: Scalars['DateTime']['output'];
  /** Null: could not be read. Empty: there are none. */
  refunds?: Maybe<Array<Refund>>;
  returnStatus: OrderReturnStatus;
  /** Null: could not be read. Empty: there are none. */
  returns?: Maybe<Array<Return>>;
  shippingAddress?: Maybe<Address>;
  source: Source;
  status: OrderStatus;
  /** The shopper's own status page. It needs no login: treat it as a secret. */
  statusUrl?: Maybe<Scalars['URL']['output']>;
  /** The subscriptions this order belongs to, in this store or in one that bills for it. Null: could not be read, or not told on what `lookupOrder` found for a caller below VERIFIED. Empty: there are none. */
  subscriptions?: Maybe<Array<SubscriptionContract>>;
  /** Staff only. */
  tags?: Maybe<Array<Scalars['String']['output']>>;
  /** What happened at the store, what was decided and who agreed, in one list; newest first. Null on what `lookupOrder` found for a caller below VERIFIED. */
  timeline?: Maybe<Array<TimelineEntry>>;
  totals: OrderTotals;
  updatedAt?: Maybe<Scalars['DateTime']['output']>;
};


/** An order, wherever it lives. */
export type OrderEligibilityArgs = {
  actions?: InputMaybe<Array<ActionKind>>;
  assuming?: InputMaybe<RequestAssumption>;
};


/** An order, wherever it lives. */
export type OrderTimelineArgs = {
  first?: Scalars['Int']['input'];
};

/** Orders of one or more stores, newest first. */
export type OrderConnection = {
  __typename?: 'OrderConnection';
  /** False where a store could not answer; `issues` names it. */
  complete: Scalars['Boolean']['output'];
  edges: Array<OrderEdge>;
  issues: Array<SourceIssue>;
  nodes: Array<Order>;
  pageInfo: PageInfo;
};

export type OrderEdge = {
  __typename?: 'OrderEdge';
  cursor: Scalars['String']['output'];
  node: Order;
};

export type OrderFilter = {
  /** Inclusive. */
  placedAfter?: InputMaybe<Scalars['DateTime']['input']>;
  /** Exclusive. */
  placedBefore?: InputMaybe<Scalars['DateTime']['input']>;
  status?: InputMaybe<Array<OrderStatus>>;
};

/** One line of an order, as it was bought. */
export type OrderLine = {
  __typename?: 'OrderLine';
  /** What may be asked for this line now, and if not, why. Without `actions`: every line action. */
  eligibility: Array<Eligibility>;
  /** Null where the store does not say. */
  finalSale?: Maybe<Scalars['Boolean']['output']>;
  id: Scalars['ID']['output'];
  isGiftCard: Scalars['Boolean']['output'];
  /** The product as it is sold today; it may have changed since the order. */
  product?: Maybe<Product>;
  quantity: LineQuantity;
  requiresShipping?: Maybe<Scalars['Boolean']['output']>;
  sku?: Maybe<Scalars['String']['output']>;
  title: Scalars['String']['output'];
  /** For the line as ordered, after its discounts; never netted. */
  total: MoneyPair;
  /** For one unit, before discounts. */
  unitPrice: MoneyPair;
  /** The variant as it is sold today. */
  variant?: Maybe<Variant>;
  variantTitle?: Maybe<Scalars['String']['output']>;
};


/** One line of an order, as it was bought. */
export type OrderLineEligibilityArgs = {
  actions?: InputMaybe<Array<ActionKind>>;
  assuming?: InputMaybe<RequestAssumption>;
};

/** What a shopper's order number leads to; more than one where stores share numbers. */
export type OrderLookup = {
  __typename?: 'OrderLookup';
  /** False where a store could not answer; `issues` names it. */
  complete: Scalars['Boolean']['output'];
  issues: Array<SourceIssue>;
  orders: Array<Order>;
};

/** How far the goods of an order are on their way back. */
export type OrderReturnStatus =
  | 'IN_PROGRESS'
  | 'NONE'
  | 'PARTIALLY_RETURNED'
  | 'REQUESTED'
  | 'RETURNED'
  | 'UNKNOWN';

/** Where an order stands as a whole. `nativeStatus` keeps the platform's own word. */
export type OrderStatus =
  | 'CANCELLED'
  | 'COMPLETED'
  | 'FAILED'
  | 'ON_HOLD'
  | 'OPEN'
  | 'PENDING'
  | 'UNKNOWN';

/** What the order cost. `total` is never netted: refunds are told beside it. */
export type OrderTotals = {
  __typename?: 'OrderTotals';
  discount?: Maybe<MoneyPair>;
  /** Captured less refunded, as the platform says now. */
  refundable: MoneyPair;
  refunded: MoneyPair;
  shipping?: Maybe<MoneyPair>;
  subtotal: MoneyPair;
  tax?: Maybe<MoneyPair>;
  total: MoneyPair;
};

/** It was sent and the answer was lost. Ask for the action again: nobody sends it twice meanwhile. */
export type OutcomeUnknown = Problem & {
  __typename?: 'OutcomeUnknown';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  reconcileBy?: Maybe<Scalars['DateTime']['output']>;
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

export type PageInfo = {
  __typename?: 'PageInfo';
  /** Give it as `after` to go on from here. */
  endCursor?: Maybe<Scalars['String']['output']>;
  hasNextPage: Scalars['Boolean']['output'];
};

export type PauseSubscriptionInput = {
  subscriptionId: Scalars['ID']['input'];
  /** The first day on which it may bill again. */
  until?: InputMaybe<Scalars['Date']['input']>;
};

/** How far an order has been paid, and paid back. */
export type PaymentStatus =
  | 'AUTHORIZED'
  | 'DISPUTED'
  | 'EXPIRED'
  | 'FAILED'
  | 'PAID'
  | 'PARTIALLY_PAID'
  | 'PARTIALLY_REFUNDED'
  | 'PENDING'
  | 'REFUNDED'
  | 'UNKNOWN'
  | 'VOIDED';

/** What kind of personal data a field holds. */
export type PiiKind =
  | 'ADDRESS'
  | 'EMAIL'
  | 'FREE_TEXT'
  | 'NAME'
  | 'PAYMENT'
  | 'PHONE';

/** The shop platform understood the request and refused it; nothing happened. */
export type PlatformRefused = Problem & {
  __typename?: 'PlatformRefused';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** The platform's own words. Staff only, else empty. */
  nativeErrors: Array<NativeError>;
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** The shop platform could not be reached or asks to wait; nothing happened. */
export type PlatformUnavailable = Problem & {
  __typename?: 'PlatformUnavailable';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  retryAfterSeconds?: Maybe<Scalars['Int']['output']>;
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** The merchant's policy says no; the decision says why, and what would be allowed instead. */
export type PolicyDenied = Problem & {
  __typename?: 'PolicyDenied';
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  decision: Decision;
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** Which policy decided: its name, and the digest of the very file. */
export type PolicyVersion = {
  __typename?: 'PolicyVersion';
  digest: Scalars['String']['output'];
  name: Scalars['String']['output'];
};

/** What would happen, without doing it. */
export type Preview = {
  __typename?: 'Preview';
  decision?: Maybe<Decision>;
  /** After that the token is of no use. */
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  problem?: Maybe<Problem>;
  quote?: Maybe<Quote>;
  summary: Scalars['String']['output'];
  /** `confirm` turns it into exactly this, once; null where that would be refused. */
  token?: Maybe<Scalars['String']['output']>;
};

/** Exactly one action to try. */
export type PreviewInput =
  { cancelOrder: CancelOrderInput; cancelSubscription?: never; pauseSubscription?: never; refundOrder?: never; resumeSubscription?: never; returnOrder?: never; }
  |  { cancelOrder?: never; cancelSubscription: CancelSubscriptionInput; pauseSubscription?: never; refundOrder?: never; resumeSubscription?: never; returnOrder?: never; }
  |  { cancelOrder?: never; cancelSubscription?: never; pauseSubscription: PauseSubscriptionInput; refundOrder?: never; resumeSubscription?: never; returnOrder?: never; }
  |  { cancelOrder?: never; cancelSubscription?: never; pauseSubscription?: never; refundOrder: RefundOrderInput; resumeSubscription?: never; returnOrder?: never; }
  |  { cancelOrder?: never; cancelSubscription?: never; pauseSubscription?: never; refundOrder?: never; resumeSubscription: ResumeSubscriptionInput; returnOrder?: never; }
  |  { cancelOrder?: never; cancelSubscription?: never; pauseSubscription?: never; refundOrder?: never; resumeSubscription?: never; returnOrder: ReturnOrderInput; };

/** Why something did not happen, or not yet. */
export type Problem = {
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** What went wrong, for programs; shared by problems, issues of lists and `extensions.code` of errors. */
export type ProblemCode =
  | 'APPROVAL_REQUIRED'
  | 'CONFLICT'
  | 'IDENTITY_INSUFFICIENT'
  | 'INVALID_INPUT'
  | 'NOT_FOUND'
  | 'OUTCOME_UNKNOWN'
  | 'PLATFORM_REFUSED'
  | 'PLATFORM_THROTTLED'
  | 'PLATFORM_UNAVAILABLE'
  | 'POLICY_DENIED'
  | 'UNSUPPORTED';

/** A product as it is sold today; it may have changed since an order. */
export type Product = Node & {
  __typename?: 'Product';
  /** Plain text. */
  description?: Maybe<Scalars['String']['output']>;
  handle?: Maybe<Scalars['String']['output']>;
  id: Scalars['ID']['output'];
  images: Array<Image>;
  priceMax?: Maybe<Money>;
  priceMin?: Maybe<Money>;
  productType?: Maybe<Scalars['String']['output']>;
  source: Source;
  status: ProductStatus;
  /** Staff only. */
  tags?: Maybe<Array<Scalars['String']['output']>>;
  title: Scalars['String']['output'];
  /** Its page in the shop, where it is published. */
  url?: Maybe<Scalars['URL']['output']>;
  /** The first `first` variants, at most 100 (in the shop's own order). */
  variants: Array<Variant>;
  vendor?: Maybe<Scalars['String']['output']>;
};


/** A product as it is sold today; it may have changed since an order. */
export type ProductVariantsArgs = {
  first?: Scalars['Int']['input'];
};

/** Whether a product is on sale. */
export type ProductStatus =
  | 'ACTIVE'
  | 'ARCHIVED'
  | 'DRAFT'
  | 'UNKNOWN';

/** A code is on its way, if there is anybody to send it to; the answer never tells. */
export type ProofRequested = {
  __typename?: 'ProofRequested';
  /** Until when the code can be given back. */
  expiresAt: Scalars['DateTime']['output'];
  /** How often it can be tried. */
  tries: Scalars['Int']['output'];
};

export type Query = {
  __typename?: 'Query';
  _entities: Array<Maybe<_Entity>>;
  _service: _Service;
  /** What became of something that was asked for. */
  action?: Maybe<Action>;
  /** What was asked for, newest first. */
  actions: ActionConnection;
  /** One person across every store. A caller bound to a customer reads `viewer { customer }`. */
  customer?: Maybe<Customer>;
  /** What a shopper types: an order number. Without staff rights it also takes the e-mail or postal code on the order. `store` takes a store's id or its short key. */
  lookupOrder: OrderLookup;
  /** Anything by its id. Null: there is no such thing, or it is not yours. */
  node?: Maybe<Node>;
  /** Up to 100 things by id, in the order of the ids; null where there is no such thing. */
  nodes: Array<Maybe<Node>>;
  /** An order by its id. Null: there is no such order, or it is not yours. */
  order?: Maybe<Order>;
  /** A person's orders, merged across stores, newest first. A caller bound to a customer names none. */
  orders: OrderConnection;
  /** What would happen, without doing it: the decision and the money. It takes the scope that reads what the action is about. */
  preview: Preview;
  /** A product as it is sold today. */
  product?: Maybe<Product>;
  /** Every configured store, what it can do and how it fares. Reading it costs no call. */
  stores: Array<Store>;
  /** A subscription by its id. */
  subscription?: Maybe<SubscriptionContract>;
  /** A person's subscriptions, merged across stores, newest first. A caller bound to a customer names none. */
  subscriptions: SubscriptionConnection;
  /** Who is asking, as the gateway sees it. */
  viewer: Viewer;
};


export type Query_EntitiesArgs = {
  representations: Array<Scalars['_Any']['input']>;
};


export type QueryActionArgs = {
  id: Scalars['ID']['input'];
};


export type QueryActionsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<ActionFilter>;
  first?: Scalars['Int']['input'];
};


export type QueryCustomerArgs = {
  by: CustomerBy;
  stores?: InputMaybe<Array<Scalars['ID']['input']>>;
};


export type QueryLookupOrderArgs = {
  email?: InputMaybe<Scalars['String']['input']>;
  number: Scalars['String']['input'];
  postalCode?: InputMaybe<Scalars['String']['input']>;
  store?: InputMaybe<Scalars['ID']['input']>;
};


export type QueryNodeArgs = {
  id: Scalars['ID']['input'];
};


export type QueryNodesArgs = {
  ids: Array<Scalars['ID']['input']>;
};


export type QueryOrderArgs = {
  id: Scalars['ID']['input'];
};


export type QueryOrdersArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  customerEmail?: InputMaybe<Scalars['String']['input']>;
  filter?: InputMaybe<OrderFilter>;
  first?: Scalars['Int']['input'];
  stores?: InputMaybe<Array<Scalars['ID']['input']>>;
};


export type QueryPreviewArgs = {
  input: PreviewInput;
};


export type QueryProductArgs = {
  id: Scalars['ID']['input'];
};


export type QuerySubscriptionArgs = {
  id: Scalars['ID']['input'];
};


export type QuerySubscriptionsArgs = {
  after?: InputMaybe<Scalars['String']['input']>;
  customerEmail?: InputMaybe<Scalars['String']['input']>;
  first?: Scalars['Int']['input'];
  stores?: InputMaybe<Array<Scalars['ID']['input']>>;
};

/** The money an action would move, worked out before it is asked for. */
export type Quote = {
  __typename?: 'Quote';
  destination: RefundDestination;
  /** True where the platform may come to a slightly other sum. */
  estimated: Scalars['Boolean']['output'];
  fees: Array<Fee>;
  /** The value of the goods, after discounts. */
  items: Money;
  shipping?: Maybe<Money>;
  tax?: Maybe<Money>;
  /** What the customer gets back, fees already taken off. */
  total: Money;
};

/** The store's call budget, as the platform last reported it. */
export type RateBudget = {
  __typename?: 'RateBudget';
  available: Scalars['Float']['output'];
  maximum: Scalars['Float']['output'];
  restorePerSecond?: Maybe<Scalars['Float']['output']>;
};

/** Why a decision came out as it did, for programs. */
export type ReasonCode =
  | 'ALREADY_CANCELLED'
  | 'ALREADY_FULFILLED'
  | 'ALREADY_REFUNDED'
  | 'ALREADY_RETURNED'
  | 'AMOUNT_OVER_LIMIT'
  | 'CONDITION_NOT_ACCEPTED'
  | 'CUTOFF_PASSED'
  | 'EXCLUDED_PRODUCT'
  | 'EXCLUDED_REGION'
  | 'EXCLUDED_SEGMENT'
  | 'FACT_MISSING'
  | 'FINAL_SALE'
  | 'FRAUD_SIGNAL'
  | 'MIN_CYCLES_NOT_MET'
  | 'MISSING_SCOPE'
  | 'NOTHING_LEFT'
  | 'NOT_FULFILLED'
  | 'OK'
  | 'OTHER'
  | 'PAUSE_TOO_LONG'
  | 'PAYMENT_DISPUTED'
  | 'PAYMENT_PENDING'
  | 'UNSUPPORTED_BY_PLATFORM'
  | 'VELOCITY_LIMIT'
  | 'WINDOW_EXPIRED';

/** Who keeps a record: the shop platform, or this gateway where the platform has no such record. */
export type RecordHolder =
  | 'GATEWAY'
  | 'PLATFORM';

/** Money paid back, or recorded as such: see `moneyMoved`. */
export type Refund = Node & {
  __typename?: 'Refund';
  amount: MoneyPair;
  createdAt: Scalars['DateTime']['output'];
  destination: RefundDestination;
  id: Scalars['ID']['output'];
  lines: Array<RefundLine>;
  moneyMoved: MoneyMoved;
  reason?: Maybe<Scalars['String']['output']>;
  status: RefundStatus;
};

/** Where a refund should go, or that there should be none. */
export type RefundChoice =
  | 'NONE'
  | 'ORIGINAL_PAYMENT'
  | 'STORE_CREDIT';

/** Where refunded money goes. */
export type RefundDestination =
  | 'GIFT_CARD'
  | 'MANUAL'
  | 'ORIGINAL_PAYMENT'
  | 'STORE_CREDIT'
  | 'UNKNOWN';

export type RefundLine = {
  __typename?: 'RefundLine';
  /** What was paid back for it, tax included, in the customer's currency. */
  amount: Money;
  line: OrderLine;
  quantity: Scalars['Int']['output'];
  restocked?: Maybe<Scalars['Boolean']['output']>;
};

export type RefundLineInput = {
  lineId: Scalars['ID']['input'];
  quantity: Scalars['Int']['input'];
};

/** Lines, shipping, or both; or else an amount that stands for itself. Amounts are in the currency the customer paid in, which currencyCode repeats. */
export type RefundOrderInput = {
  amount?: InputMaybe<Scalars['Decimal']['input']>;
  currencyCode: Scalars['CurrencyCode']['input'];
  destination?: RefundChoice;
  lines?: InputMaybe<Array<RefundLineInput>>;
  orderId: Scalars['ID']['input'];
  reason: Scalars['String']['input'];
  /** A return held here that this pays for: it is closed with the refund. */
  returnId?: InputMaybe<Scalars['ID']['input']>;
  /** Pay back what is left of the shipping as well. */
  shipping?: Scalars['Boolean']['input'];
};

export type RefundOrderPayload = ActionResult & {
  __typename?: 'RefundOrderPayload';
  action?: Maybe<Action>;
  order?: Maybe<Order>;
  problem?: Maybe<Problem>;
  refund?: Maybe<Refund>;
  /** True where this key was used before and nothing was done again. */
  replayed: Scalars['Boolean']['output'];
};

/** How far a refund has come. */
export type RefundStatus =
  | 'COMPLETED'
  | 'FAILED'
  | 'PENDING';

/** Details to take for granted when eligibility is worked out. */
export type RequestAssumption = {
  condition?: InputMaybe<ItemCondition>;
  reason?: InputMaybe<ReturnReason>;
  resolution?: InputMaybe<RequestedResolution>;
};

/** A detail of a request that a decision may still depend on. */
export type RequestFact =
  | 'AMOUNT'
  | 'CONDITION'
  | 'QUANTITY'
  | 'REASON'
  | 'RESOLUTION'
  | 'UNTIL';

export type RequestedLine = {
  __typename?: 'RequestedLine';
  condition?: Maybe<ItemCondition>;
  line: OrderLine;
  note?: Maybe<Scalars['String']['output']>;
  quantity: Scalars['Int']['output'];
  /** Why it is sent back; null for a refund. */
  reason?: Maybe<ReturnReason>;
};

/** What the asker wants for returned goods. Anything but REFUND needs a policy rule that names it. */
export type RequestedResolution =
  | 'KEEP_ITEM'
  | 'REFUND'
  | 'STORE_CREDIT';

export type ResumeSubscriptionInput = {
  subscriptionId: Scalars['ID']['input'];
};

/** Goods on their way back, whoever keeps the record of it. */
export type Return = Node & {
  __typename?: 'Return';
  closedAt?: Maybe<Scalars['DateTime']['output']>;
  declineReason?: Maybe<Scalars['String']['output']>;
  fees: Array<Fee>;
  /** GATEWAY where the platform has no record of returns of its own. */
  heldBy: RecordHolder;
  id: Scalars['ID']['output'];
  lines: Array<ReturnLine>;
  nativeStatus: Scalars['String']['output'];
  number?: Maybe<Scalars['String']['output']>;
  order: Order;
  refunds: Array<Refund>;
  requestedAt: Scalars['DateTime']['output'];
  resolution: ReturnResolution;
  source: Source;
  status: ReturnStatus;
};

/** Returns of one or more stores, in the order of their orders, newest first. */
export type ReturnConnection = {
  __typename?: 'ReturnConnection';
  /** False where a store could not answer; `issues` names it. */
  complete: Scalars['Boolean']['output'];
  edges: Array<ReturnEdge>;
  issues: Array<SourceIssue>;
  nodes: Array<Return>;
  pageInfo: PageInfo;
};

export type ReturnEdge = {
  __typename?: 'ReturnEdge';
  cursor: Scalars['String']['output'];
  node: Return;
};

export type ReturnLine = {
  __typename?: 'ReturnLine';
  condition?: Maybe<ItemCondition>;
  line: OrderLine;
  note?: Maybe<Scalars['String']['output']>;
  quantity: Scalars['Int']['output'];
  reason: ReturnReason;
};

export type ReturnLineInput = {
  condition?: InputMaybe<ItemCondition>;
  lineId: Scalars['ID']['input'];
  note?: InputMaybe<Scalars['String']['input']>;
  quantity: Scalars['Int']['input'];
  reason: ReturnReason;
};

export type ReturnOrderInput = {
  lines: Array<ReturnLineInput>;
  orderId: Scalars['ID']['input'];
  resolution?: RequestedResolution;
};

export type ReturnOrderPayload = ActionResult & {
  __typename?: 'ReturnOrderPayload';
  action?: Maybe<Action>;
  order?: Maybe<Order>;
  problem?: Maybe<Problem>;
  quote?: Maybe<Quote>;
  /** True where this key was used before and nothing was done again. */
  replayed: Scalars['Boolean']['output'];
  returnRecord?: Maybe<Return>;
};

/** A return that is held here, as it stands now. */
export type ReturnPayload = {
  __typename?: 'ReturnPayload';
  problem?: Maybe<Problem>;
  returnRecord?: Maybe<Return>;
};

/** Why goods come back, as the customer says it. A claim, not a fact. */
export type ReturnReason =
  | 'ARRIVED_LATE'
  | 'COLOR'
  | 'DAMAGED_IN_TRANSIT'
  | 'DEFECTIVE'
  | 'NOT_AS_DESCRIBED'
  | 'NOT_RECEIVED'
  | 'OTHER'
  | 'SIZE_TOO_LARGE'
  | 'SIZE_TOO_SMALL'
  | 'STYLE'
  | 'UNKNOWN'
  | 'UNWANTED'
  | 'WRONG_ITEM';

/** What the customer gets for returned goods. */
export type ReturnResolution =
  | 'EXCHANGE'
  | 'KEEP_ITEM'
  | 'REFUND'
  | 'STORE_CREDIT'
  | 'UNKNOWN';

/** Where one return stands. */
export type ReturnStatus =
  | 'APPROVED'
  | 'CANCELLED'
  | 'CLOSED'
  | 'DECLINED'
  | 'IN_TRANSIT'
  | 'RECEIVED'
  | 'REQUESTED'
  | 'UNKNOWN';

/** The session is over, whether it stood or not. */
export type SessionRevoked = {
  __typename?: 'SessionRevoked';
  id: Scalars['ID']['output'];
};

/** Where a node was read, and when. */
export type Source = {
  __typename?: 'Source';
  /** The node's page in the platform's admin. Staff only, else null. */
  adminUrl?: Maybe<Scalars['URL']['output']>;
  /** True where this was kept from an earlier read. */
  cached: Scalars['Boolean']['output'];
  fetchedAt: Scalars['DateTime']['output'];
  /** The platform's own id. */
  nativeId: Scalars['String']['output'];
  /** Platform values by key, of those the adapter keeps; others are left out. Staff only. */
  raw?: Maybe<Scalars['JSON']['output']>;
  store: Store;
};


/** Where a node was read, and when. */
export type SourceRawArgs = {
  keys: Array<Scalars['String']['input']>;
};

/** A store that could not answer is named here; the others still answer. */
export type SourceIssue = {
  __typename?: 'SourceIssue';
  code: ProblemCode;
  message: Scalars['String']['output'];
  retryAfterSeconds?: Maybe<Scalars['Int']['output']>;
  store: Store;
};

/** One configured account on a commerce platform. */
export type Store = Node & {
  __typename?: 'Store';
  apiVersion?: Maybe<Scalars['String']['output']>;
  /** What this store's platform and credentials can do. */
  capabilities: Array<Capability>;
  currencyCode: Scalars['CurrencyCode']['output'];
  /** How the store answers at present. */
  health: StoreHealth;
  id: Scalars['ID']['output'];
  name: Scalars['String']['output'];
  /** The platform's name, in its own capitalisation. */
  platform: Scalars['String']['output'];
  /** IANA name. Whole-day windows end at the end of the day here. */
  timeZone: Scalars['String']['output'];
};

/** How a store answers at present. Reading it costs no call. */
export type StoreHealth = {
  __typename?: 'StoreHealth';
  /** Until then the store is not called at all, after repeated failures. */
  circuitOpenUntil?: Maybe<Scalars['DateTime']['output']>;
  lastErrorAt?: Maybe<Scalars['DateTime']['output']>;
  rateBudget?: Maybe<RateBudget>;
  status: HealthStatus;
};

/** Subscriptions of one or more stores, newest first. */
export type SubscriptionConnection = {
  __typename?: 'SubscriptionConnection';
  /** False where a store could not answer; `issues` names it. */
  complete: Scalars['Boolean']['output'];
  edges: Array<SubscriptionEdge>;
  issues: Array<SourceIssue>;
  nodes: Array<SubscriptionContract>;
  pageInfo: PageInfo;
};

/** A standing order that bills and ships again and again. */
export type SubscriptionContract = Node & {
  __typename?: 'SubscriptionContract';
  billingInterval: Interval;
  cancelReason?: Maybe<Scalars['String']['output']>;
  createdAt?: Maybe<Scalars['DateTime']['output']>;
  /** Whose subscription it is, across every store. */
  customer?: Maybe<Customer>;
  cyclesCompleted?: Maybe<Scalars['Int']['output']>;
  deliveryInterval: Interval;
  /** Every action a button could offer, each with its next step and the why-not. */
  eligibility: Array<Eligibility>;
  id: Scalars['ID']['output'];
  isPrepaid?: Maybe<Scalars['Boolean']['output']>;
  lines: Array<SubscriptionLine>;
  maxCycles?: Maybe<Scalars['Int']['output']>;
  minCycles?: Maybe<Scalars['Int']['output']>;
  nativeStatus: Scalars['String']['output'];
  /** A day in the store's time zone. */
  nextBillingAt?: Maybe<Scalars['Date']['output']>;
  /** The order it came from; null where there is none or it can no longer be read. */
  originOrder?: Maybe<Order>;
  pausedUntil?: Maybe<Scalars['Date']['output']>;
  /** The last payment failed and was not made good since. */
  paymentFailed: Scalars['Boolean']['output'];
  source: Source;
  status: SubscriptionStatus;
};


/** A standing order that bills and ships again and again. */
export type SubscriptionContractEligibilityArgs = {
  actions?: InputMaybe<Array<ActionKind>>;
};

export type SubscriptionEdge = {
  __typename?: 'SubscriptionEdge';
  cursor: Scalars['String']['output'];
  node: SubscriptionContract;
};

/** What a subscription sends. */
export type SubscriptionLine = {
  __typename?: 'SubscriptionLine';
  /** For one unit, before discounts, tax and shipping. */
  price: Money;
  /** The product as it is sold today, in the shop the subscription bills for. */
  product?: Maybe<Product>;
  quantity: Scalars['Int']['output'];
  sku?: Maybe<Scalars['String']['output']>;
  title: Scalars['String']['output'];
  /** The variant as it is sold today. */
  variant?: Maybe<Variant>;
};

export type SubscriptionPayload = ActionResult & {
  __typename?: 'SubscriptionPayload';
  action?: Maybe<Action>;
  problem?: Maybe<Problem>;
  /** True where this key was used before and nothing was done again. */
  replayed: Scalars['Boolean']['output'];
  subscription?: Maybe<SubscriptionContract>;
};

/** Where a subscription stands. CANCELLING runs to the end of the paid term. */
export type SubscriptionStatus =
  | 'ACTIVE'
  | 'CANCELLED'
  | 'CANCELLING'
  | 'EXPIRED'
  | 'PAUSED'
  | 'PAYMENT_FAILED'
  | 'PENDING'
  | 'UNKNOWN';

/** What a store can do for an action. EMULATED: with a caveat, told in `note`. */
export type SupportLevel =
  | 'EMULATED'
  | 'MISSING_SCOPE'
  | 'NATIVE'
  | 'UNSUPPORTED';

/** The event a window counts from. DELIVERED_ESTIMATED: worked out, not reported by a carrier. */
export type TimeBasis =
  | 'DELIVERED'
  | 'DELIVERED_ESTIMATED'
  | 'FULFILLED'
  | 'NEXT_BILLING'
  | 'ORDERED';

/** Something that happened to an order: at the store, in the policy, or to an action. */
export type TimelineEntry = {
  __typename?: 'TimelineEntry';
  action?: Maybe<Action>;
  actor?: Maybe<Actor>;
  at: Scalars['DateTime']['output'];
  /** A stable word: ORDER_PLACED, SHIPPED, DELIVERED, RETURN_REQUESTED, REFUNDED, ORDER_CANCELLED, ACTION_DECIDED, ACTION_APPROVED, ACTION_SUCCEEDED and so on. */
  kind: Scalars['String']['output'];
  /** One sentence for people; no names and no addresses. */
  text: Scalars['String']['output'];
};

/** This store cannot do it at all. */
export type Unsupported = Problem & {
  __typename?: 'Unsupported';
  capability: Capability;
  code: ProblemCode;
  /** Safe to show or to say as it stands. */
  customerMessage: Scalars['String']['output'];
  /** For the developer or the agent. */
  message: Scalars['String']['output'];
  /** Whether the same request with the same key may be sent again. */
  retryable: Scalars['Boolean']['output'];
};

/** One buyable form of a product. */
export type Variant = {
  __typename?: 'Variant';
  available?: Maybe<Scalars['Boolean']['output']>;
  compareAtPrice?: Maybe<Money>;
  id: Scalars['ID']['output'];
  image?: Maybe<Image>;
  /** Staff only. */
  inventoryQuantity?: Maybe<Scalars['Int']['output']>;
  options: Array<OptionValue>;
  price?: Maybe<Money>;
  sku?: Maybe<Scalars['String']['output']>;
  title: Scalars['String']['output'];
};

/** What the merchant's policy says of one asked-for thing. */
export type Verdict =
  | 'ALLOW'
  | 'DENY'
  | 'REVIEW';

/** Who is asking, as the gateway sees it. */
export type Viewer = {
  __typename?: 'Viewer';
  actor: Actor;
  assurance: AssuranceLevel;
  /** The one customer this caller is bound to; null for staff and unbound keys. */
  customer?: Maybe<Customer>;
  /** The address this caller is bound to; null for staff and unbound keys. */
  customerEmail?: Maybe<Scalars['String']['output']>;
  expiresAt?: Maybe<Scalars['DateTime']['output']>;
  roles: Array<Scalars['String']['output']>;
  scopes: Array<Scalars['String']['output']>;
};

export type _Entity = Action | Customer | CustomerProfile | Order | Product | Refund | Return | SubscriptionContract;

export type _Service = {
  __typename?: '_Service';
  sdl: Scalars['String']['output'];
};
