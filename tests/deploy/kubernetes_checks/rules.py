"""The registry of rules. A rule takes (manifests, context) and yields (object, text) pairs."""

import dataclasses

from kubernetes_checks.manifests import Problem, name_of

RULES = {}


@dataclasses.dataclass(frozen=True)
class Context:
    """What the rules compare the manifests with."""
    programs: object  # programs.Programs, or None where they are not built
    version: str      # of Acclimate
    alerts: dict      # deploy/monitoring/rules.yaml
    metrics: str      # the text of the source that names the metrics
    default_drain_seconds: float = 30


def rule(name):
    def register(function):
        RULES[name] = function
        return function
    return register


def problems_of(manifests, context):
    problems = []
    for name, function in RULES.items():
        try:
            problems += [Problem(name, item if isinstance(item, str) else name_of(item), text)
                         for item, text in function(manifests, context)]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            # The objects have not the form that the rule knows; mostly the schema says more.
            problems.append(Problem(name, "the objects", f"cannot be checked: {error!r}"))
    return problems
