"""From a plan to what its protocols ask for: roles, shapes, what is finished and opened, the largest frame."""

from __future__ import annotations

import math

from glovebox.planner.answer import parts_of
from glovebox.planner.plan import Joined, Plan, Star, groupings_of, joins_of, members, stars_of
from glovebox.planner.privacy import decays
from glovebox.planner.ranked import ranked_frame, ranked_of
from glovebox.planner.shape import join_shape as shape_of
from glovebox.planner.shape import joint_shape, star_shapes
from glovebox.planner.suppression import nesting_of
from glovebox.protocols.finishing import Finishing
from glovebox.protocols.intersection import JoinShape
from glovebox.protocols.intersection import largest_frame as largest_row_frame
from glovebox.protocols.star_shape import largest_frame as largest_star_frame
from glovebox.protocols.two_party import intersection as joint
from glovebox.protocols.two_party.finishing import Ending
from glovebox.protocols.two_party.homomorphic import Lists
from glovebox.protocols.two_party.intersection import JointShape
from glovebox.runtime.context import Role


def row_roles(plan: Plan) -> dict[Role, int]:
    """Who plays which role in the row engine, if it runs once; several spines give the roles anew.

    Quantiles of a stacked table are found by the first three who compute.
    """
    if ranked_of(plan):
        return dict(zip((Role.QUERY, Role.TABLE, Role.HELPER), plan.computing, strict=False))
    if isinstance(plan.source, Star):
        return star_shapes(plan.source)[0].roles
    return roles_of(plan.source) if isinstance(plan.source, Joined) else {}


def roles_of(joined: Joined) -> dict[Role, int]:
    """Who plays which role in one join."""
    owners = {Role.QUERY: joined.query.party, Role.TABLE: joined.table.party}
    return owners if joined.helper is None else {**owners, Role.HELPER: joined.helper}


def role_names(plan: Plan) -> list[tuple[int, str]]:
    """Each member of the session and its role, of several joins one for each, as the transcript binds them."""
    runs = [roles_of(joined) for joined, _ in joins_of(plan)]
    for shape in (one for star in stars_of(plan) for one in star_shapes(star)):
        runs += [*map(shape.roles_of, shape.looked_up), shape.roles]
    runs = runs or [row_roles(plan)]
    roles = {
        party: ",".join(role.value for run in runs for role, playing in run.items() if playing == party)
        for party in members(plan)
    }
    return [
        (party, roles.get(party) or ("computing" if party in plan.computing else "receiver")) for party in members(plan)
    ]


def join_shape(plan: Plan) -> JoinShape:
    """The public shape of a joined question's row-level run."""
    if not isinstance(plan.source, Joined):
        raise TypeError("only a joined question has a join")
    return shape_of(plan.source, plan.totals)


def is_alone(plan: Plan) -> bool:
    """Whether two owners run it with nobody between them."""
    return isinstance(plan.source, Joined) and plan.source.helper is None


def joint_shape_of(plan: Plan) -> JointShape:
    """The public shape of two owners' run."""
    if not isinstance(plan.source, Joined):
        raise TypeError("only a joined question has a join")
    return joint_shape(plan.source, plan.totals)


def lists_of(plan: Plan) -> Lists:
    """The public shape of two owners' run in the homomorphic mode; under [privacy] dummies hide the match count."""
    shape = join_shape(plan)
    return Lists(shape.n_query, shape.n_table, len(shape.totals) * shape.table_groups, plan.noise is not None)


def is_homomorphic(plan: Plan) -> bool:
    """Whether two owners run it in the homomorphic mode."""
    return isinstance(plan.source, Joined) and plan.source.homomorphic


def ending_of(plan: Plan) -> Ending:
    """What two owners alone finish and open."""
    return Ending(finishing_of(plan), tuple(total.bits for total in plan.totals))


def group_count(plan: Plan) -> int:
    """How many groups the answer has, by the domains in the contract."""
    return math.prod(len(grouping.labels) for grouping in groupings_of(plan))


def finishing_of(plan: Plan) -> Finishing:
    """What is finished and opened of a plan's totals."""
    return Finishing(
        groups=group_count(plan),
        most=tuple(max(abs(total.low), abs(total.high)) for total in plan.totals),
        people=plan.people,
        threshold=plan.threshold,
        zero_shown=plan.zero_shown,
        parts=parts_of(plan),
        decays=decays(plan.noise) if plan.noise else (),
        m=len(plan.computing),
        nesting=nesting_of(plan),
        having=(*plan.having, *plan.dominance),
    )


def largest_frame(plan: Plan) -> int:
    """Bytes of the largest frame of a session; anything longer is refused at its header."""
    if is_homomorphic(plan):
        return lists_of(plan).largest_frame
    if is_alone(plan):
        return max(joint.largest_frame(joint_shape_of(plan)), ending_of(plan).largest_frame)
    rows = [largest_row_frame(shape_of(*run)) for run in joins_of(plan)]
    rows += [largest_star_frame(star_shapes(star)) for star in stars_of(plan)]
    return max(*rows, ranked_frame(plan), finishing_of(plan).largest_frame)
