"""All rules of a product, as JSON and as a check."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from core.errors import InputError
from core.lookup import named
from core.rules.measured import MeasuredPart
from core.rules.part_rules import ColourRule, CountRule, OrientationRule, PlaceRule, SizeRule
from core.rules.relation_rules import DistanceRule, OrderRule, PairingRule, SymmetryRule
from core.rules.rule import Rule, RuleOutcome, Zone
from core.stored import JsonObject, StoredFormat, plain_record, read_record

FORMAT = StoredFormat("rules file")
KINDS: Mapping[str, type[Rule]] = {
    cls.kind: cls
    for cls in (
        CountRule, PlaceRule, OrderRule, DistanceRule, OrientationRule, SizeRule, ColourRule, PairingRule, SymmetryRule
    )
}  # fmt: skip
"""The type of each kind of rule."""


@dataclass(frozen=True)
class PartLimits:
    """How alike, 0..1, a find must be to a known part to be one: in its shape, and in its surface or colour."""

    shape: float
    surface: float
    colour: float


@dataclass(frozen=True)
class FindingLimits:
    """What good photos say of finding components: limits by family, and by rule the deviation that found parts of
    good photos come to. Outlines that a computer found are rougher than those a person drew."""

    parts: Mapping[str, PartLimits] = field(default_factory=dict)
    slack: Mapping[str, float] = field(default_factory=dict)
    extra: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = (share for one in self.parts.values() for share in (one.shape, one.surface, one.colour))
        if not all(map(math.isfinite, (*shares, *self.slack.values()))):
            raise InputError("finding: expected finite numbers; learn the rules again")


@dataclass(frozen=True)
class RuleSet:
    """The rules of one product, and how its components are found.

    ``unknown`` are rules of kinds that a newer version has; they are written back.
    """

    rules: tuple[Rule, ...] = ()
    finding: FindingLimits | None = None
    unknown: tuple[JsonObject, ...] = ()
    extra: JsonObject = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = Counter(rule.id for rule in self.rules)
        if twice := sorted(name for name, count in counts.items() if count > 1):
            raise InputError(f"rules: {twice[0]!r} is there twice; remove one of them")

    @property
    def zones(self) -> dict[str, tuple[Zone, ...]]:
        """Where the instances of each family lie, as far as a rule says."""
        return {rule.family: rule.zones for rule in self.rules if isinstance(rule, PlaceRule)}

    def rule(self, id: str) -> Rule:
        """The rule called ``id``; NotFound names those there are."""
        return named({rule.id: rule for rule in self.rules}, id, "rule")

    def check(self, parts: Sequence[MeasuredPart], found: bool = False) -> tuple[RuleOutcome, ...]:
        """What a photo with ``parts`` makes of each rule. ``found`` parts get the slack that finding needs."""
        zones = self.zones
        outcomes = tuple(rule.check(parts, zones) for rule in self.rules)
        if not found or self.finding is None:
            return outcomes
        return tuple(_eased(one, self.finding.slack.get(one.rule.id, 1.0)) for one in outcomes)

    def with_rule(self, rule: Rule) -> RuleSet:
        """These rules with one more, or with another of the same id."""
        if all(one.id != rule.id for one in self.rules):
            return replace(self, rules=(*self.rules, rule))
        return replace(self, rules=tuple(rule if one.id == rule.id else one for one in self.rules))

    def without(self, id: str) -> RuleSet:
        """These rules without one; NotFound."""
        gone = self.rule(id)
        return replace(self, rules=tuple(rule for rule in self.rules if rule is not gone))

    def confirmed(self, id: str, confirmed: bool = True) -> RuleSet:
        """These rules with one confirmed by a person, or proposed again; NotFound."""
        return self.with_rule(replace(self.rule(id), status="confirmed" if confirmed else "proposed"))

    def with_finding(self, finding: FindingLimits | None) -> RuleSet:
        """These rules with what finding components needs."""
        return replace(self, finding=finding)

    def renewed(self, learned: Sequence[Rule]) -> RuleSet:
        """``learned`` rules in place of those proposed before; what a person confirmed or added stays."""
        kept = tuple(rule for rule in self.rules if rule.status == "confirmed" or rule.source == "person")
        names = {rule.id for rule in kept}
        return replace(self, rules=(*kept, *(rule for rule in learned if rule.id not in names)))

    def plain(self) -> JsonObject:
        """The rules as a JSON object with its format's number."""
        rules = [rule.plain() for rule in self.rules]
        finding = {"finding": plain_record(self.finding)} if self.finding is not None else {}
        return FORMAT.stamped({**self.extra, **finding, "rules": [*rules, *self.unknown]})

    def to_json(self) -> str:
        """The text of a rules file."""
        return json.dumps(self.plain(), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "rules") -> RuleSet:
        """Inverse of to_json; InputError, or NewerFormat, in one line that begins with ``where``."""
        return cls.of_plain(FORMAT.parse(text, where), where)

    @classmethod
    def of_plain(cls, raw: object, where: str = "rules") -> RuleSet:
        """Inverse of ``plain``; errors as from_json."""
        whole = FORMAT.upgraded(raw, where)
        listed = whole.pop("rules", None)
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise InputError(f"{where}: expected a list of rules under 'rules', got {str(listed)[:60]!r}")
        known: list[JsonObject] = []
        unknown: list[JsonObject] = []
        for one in listed:
            (known if str(one.get("kind")) in KINDS else unknown).append(one)
        rules = tuple(read_rule(one, f"{where}, rule {i + 1}") for i, one in enumerate(known))
        raw_finding = whole.pop("finding", None)
        finding = read_record(FindingLimits, raw_finding, f"{where}, finding") if raw_finding is not None else None
        return cls(rules, finding, tuple(unknown), whole)


def _eased(outcome: RuleOutcome, slack: float) -> RuleOutcome:
    if outcome.deviation is None or slack <= 1:
        return outcome
    deviation = outcome.deviation / slack
    return replace(outcome, deviation=deviation, breaks=outcome.breaks if deviation > 1 else ())


def read_rule(raw: JsonObject, where: str = "rule") -> Rule:
    """One rule of its JSON object; InputError."""
    kind = str(raw.get("kind", ""))
    cls = named(KINDS, kind, "kind of rule", InputError)
    return read_record(cls, {name: value for name, value in raw.items() if name != "kind"}, where)
