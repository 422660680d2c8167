"""What a contract of two parties alone changes, in plain words: who learns what, and on which assumptions."""

from __future__ import annotations

from glovebox.contract.terms import Contract


def promises(contract: Contract) -> list[str]:
    """For `contract show`, in place of who could collude: there is nobody else."""
    one, other = (party.name for party in contract.parties)
    return [
        f"protocol {contract.protocol}: {one} and {other} compute alone, with nobody between them",
        "neither learns which ids match, how many, or any total before it opens; what opens goes to those who get the "
        "answers; both learn the padded sizes of the tables and the text of the question",
        "that holds while both run the protocol as it is written: a party whose program deviates could learn the "
        "other's values, or move the answer, and is not always noticed; nor would it be with a third party",
        "it rests on Diffie-Hellman in the group ristretto255, and on AES and SHA-256 behaving as ideal functions; "
        "with a neutral third party it would rest on AES and HMAC, and on no two of the three pooling what they see",
        "an owner that puts in ids which it only guesses learns of them what the answers tell",
    ]


NOISE = (
    "the noise of an answer is drawn whole by the party that does not get it, and by both, each a whole one, where "
    "both do, for each knows its own; the promise is not kept if an owner puts in more rows of a person than "
    "rows_per_id, or values outside a range"
)
"""Who draws the noise of two parties' answers, and against whom it holds."""
