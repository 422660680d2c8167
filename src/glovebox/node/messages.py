"""What nodes tell each other: strict MessagePack structs, most of them signed by their sender.

`Signed.body` is the canonical MessagePack of one message; its signature is made in the domain of the message's tag.
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Annotated, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from glovebox.errors import BadFrame, GloveboxError
from glovebox.identity import sign, verify_signature

SESSION_BYTES = 16
NONCE_BYTES = 32
MESSAGE_BYTES = 4 << 20
Amount = Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)]
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""Of system errors, those of a disk that takes nothing more."""

MOST_CHARACTERS = 400  # of what another party says of an error


class Greeting(Struct, frozen=True, tag="greeting"):
    """Who a node is, and what it knows of what the two share; the answer to a greeting is the other node's own.

    Older and newer nodes must understand it: what it does not know, a node passes over. at: Unix seconds. contracts:
    hashes of those that both are parties of and that the sender holds, signed by all.
    """

    version: str
    plan_format: int
    at: float
    contracts: tuple[bytes, ...] = ()


class Proposal(Struct, frozen=True, tag="proposal", forbid_unknown_fields=True):
    """The asker asks the parties of a session whether they would take part.

    statement and parameters are the question; every node plans it for itself. expires_s: how long an acceptance is
    held without a start. dry_run: only say whether you would accept.
    """

    contract: bytes
    statement: str
    parameters: dict[str, str]
    session: bytes
    asker: int
    expires_s: int
    dry_run: bool


class Acceptance(Struct, frozen=True, tag="acceptance", forbid_unknown_fields=True):
    """A party takes part, with key material made for this session alone.

    exchange: an X25519 public key; certificate: DER of the session's TLS certificate; both empty for a party that
    only asks. snapshot: of this party's tables, empty where it has none. recipe: the digest of how this party brings
    ids to their forms (data.identifiers). kept: sessions whose opening shares this party keeps for this very question
    over these rows. head: of its ledger, and seen: the newest of the others' that it holds; where questions cost a
    budget. ahead: the session of two parties alone in which this one's transfers were made before the question.
    """

    session: bytes
    party: int
    plan: bytes
    plan_format: int
    nonce: bytes
    exchange: bytes
    certificate: bytes
    snapshot: bytes
    recipe: bytes
    version: str
    kept: tuple[bytes, ...] = ()
    head: Signed | None = None
    seen: tuple[Signed, ...] = ()
    ahead: bytes = b""


class Ahead(Struct, frozen=True, tag="ahead", forbid_unknown_fields=True):
    """One of two parties alone offers to make transfers before there is a question; the other answers with its own.

    exchange, certificate: as in an acceptance. needs: numbers of transfers, with party 0 in QUERY's place.
    """

    contract: bytes
    session: bytes
    party: int
    nonce: bytes
    exchange: bytes
    certificate: bytes
    needs: tuple[Amount, Amount, Amount, Amount]


class Head(Struct, frozen=True, tag="head", forbid_unknown_fields=True):
    """How far a party's ledger of a contract goes: entries, the last one's hash, and what is spent of each owner."""

    contract: bytes
    party: int
    number: int
    hash: bytes
    spent: dict[int, int]


class Refusal(Struct, frozen=True, tag="refusal", forbid_unknown_fields=True):
    """A party does not take part, and says why; code "busy" may be tried again."""

    session: bytes
    party: int
    code: str
    step: str
    summary: str
    detail: tuple[str, ...]
    hint: str
    exit_code: int


class Start(Struct, frozen=True, tag="start", forbid_unknown_fields=True):
    """Every party accepted: here are all acceptances, signed, in party order."""

    session: bytes
    acceptances: tuple[Signed, ...]


class Cancel(Struct, frozen=True, tag="cancel", forbid_unknown_fields=True):
    """The asker gives up; before start this releases every hold. blamed and step: the party at fault, if one is."""

    session: bytes
    reason: str
    blamed: str = ""
    step: str = ""


class Event(Struct, frozen=True, tag="event", forbid_unknown_fields=True):
    """A party reached named points of the session, of which there are some ten."""

    session: bytes
    party: int
    names: Annotated[tuple[str, ...], msgspec.Meta(max_length=16)]


class Ended(Struct, frozen=True, tag="ended", forbid_unknown_fields=True):
    """A party's run is over: commitment is the hash of the answer at a receiver, empty at the others.

    log: the head of this party's log, which the others sign with the receipt.
    """

    session: bytes
    party: int
    commitment: bytes
    bytes_sent: int
    log: bytes = b""


class Failed(Struct, frozen=True, tag="failed", forbid_unknown_fields=True):
    """A party's run ended without an answer. revealing: its opening shares were on their way, or may have been."""

    session: bytes
    party: int
    code: str
    step: str
    summary: str
    blamed: str
    exit_code: int
    revealing: bool = False


class Void(Struct, frozen=True, tag="void", forbid_unknown_fields=True):
    """Every computing party signed that its opening shares had not left: the session costs nothing. failed: of each."""

    session: bytes
    failed: tuple[Signed, ...]


class Receipt(Struct, frozen=True, tag="receipt", forbid_unknown_fields=True):
    """The receipt's text, to be signed; then with all signatures, to be kept. heads: of ledgers after the session."""

    session: bytes
    text: str
    signatures: dict[str, bytes]
    heads: tuple[Signed, ...] = ()


class Endorsement(Struct, frozen=True, tag="endorsement", forbid_unknown_fields=True):
    """One party's signature under the receipt's text, and the head of its ledger where the session cost a budget."""

    session: bytes
    party: int
    signature: bytes
    head: Signed | None = None


class Records(Struct, frozen=True, tag="records", forbid_unknown_fields=True):
    """A party of a contract asks for the receipts that another one keeps. since: how many it looked through before."""

    contract: bytes
    since: Amount


class Kept(Struct, frozen=True, tag="kept", forbid_unknown_fields=True):
    """Signed receipts of a contract; until: how many the sender has looked through, as many as `since` at the end."""

    contract: bytes
    receipts: tuple[str, ...]
    until: Amount


class Signed(Struct, frozen=True, forbid_unknown_fields=True):
    """A message and its sender's signature."""

    party: int
    body: bytes
    signature: bytes


Message = (
    Greeting
    | Proposal
    | Acceptance
    | Ahead
    | Head
    | Refusal
    | Start
    | Cancel
    | Event
    | Ended
    | Failed
    | Void
    | Receipt
    | Endorsement
    | Records
    | Kept
)
Some = TypeVar("Some", bound=Struct)
_decoder: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_signed: msgspec.msgpack.Decoder[Signed] = msgspec.msgpack.Decoder(Signed)


def signed(key: Ed25519PrivateKey, party: int, message: Message) -> Signed:
    """The message under this party's signature."""
    body = msgspec.msgpack.encode(message)
    return Signed(party, body, sign(key, domain(type(message)), body))


def claimed(envelope: Signed, *kinds: type[Some]) -> Some:
    """The message in an envelope, its kind checked but not yet its signature; BadFrame if it is no such message."""
    try:
        message = _decoder.decode(envelope.body)
    except (msgspec.MsgspecError, ValueError) as problem:
        raise BadFrame("a message between nodes does not decode", step="control") from problem
    if not isinstance(message, kinds):
        names = " or ".join(kind.__name__.lower() for kind in kinds)
        raise BadFrame(f"expected {names}, received {type(message).__name__.lower()}", step="control")
    return message


def open_signed(envelope: Signed, key: bytes, *kinds: type[Some]) -> Some:
    """The message in an envelope, its kind and signature checked.

    Raises IntegrityError for a wrong signature, BadFrame for another kind or anything that does not decode.
    """
    message = claimed(envelope, *kinds)
    verify_signature(key, domain(type(message)), envelope.body, envelope.signature)
    return message


def encode(envelope: Signed) -> bytes:
    """An envelope's bytes on a control link."""
    return msgspec.msgpack.encode(envelope)


def decode(data: bytes) -> Signed:
    """The envelope of these bytes; BadFrame if they are none."""
    try:
        return _signed.decode(data)
    except (msgspec.MsgspecError, ValueError) as problem:
        raise BadFrame("a message between nodes does not decode", step="control") from problem


def domain(kind: type[Struct]) -> str:
    """The signature domain of a kind of message: its tag."""
    return f"message/{kind.__struct_config__.tag}"


def words(told: str) -> str:
    """A party's words as they may be shown: one line of printable characters, and not too long."""
    return "".join(character if character.isprintable() else " " for character in told[:MOST_CHARACTERS])


def told(problem: Exception) -> GloveboxError:
    """An error as others are told of it: of a fault in this node no more than its kind."""
    if isinstance(problem, GloveboxError):
        return problem
    if isinstance(problem, sqlite3.OperationalError) or (isinstance(problem, OSError) and problem.errno in FULL):
        hint = "glovebox doctor, at that party"
        return GloveboxError("this node could not write to its disk", code="disk", hint=hint)
    return GloveboxError(f"this node failed with {type(problem).__name__}", code="node_failed")


def refusal(session: bytes, party: int, error: GloveboxError) -> Refusal:
    """An error, as a refusal that goes to the asker."""
    return Refusal(session, party, error.code, error.step, error.summary, error.detail, error.hint, error.exit_code)
