"""Rules of a product: how many parts there are, where they lie, how they are turned, how large and of what colour.

``learn_rules`` reads them from the measured regions of good photos, ``RuleSet`` holds them as JSON, and
``RuleSet.check`` says which of them a photo breaks and where.
"""

from core.rules.learn import learn_rules
from core.rules.measured import MeasuredPart, measure_part, measure_regions
from core.rules.rule import Rule, RuleBreak, RuleOutcome, Zone
from core.rules.rule_set import RuleSet

__all__ = [
    "MeasuredPart", "Rule", "RuleBreak", "RuleOutcome", "RuleSet", "Zone", "learn_rules", "measure_part",
    "measure_regions",
]  # fmt: skip
