#include "core/shift/verdict.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace acclimate::shift {
namespace {

constexpr double kLevel = 0.01;  // of every decision by a test
constexpr double kPlaces = 3;    // inputs, features, outputs share it (Bonferroni)

// Proxy A-distances, in [0, 2]: 0.2 means that a classifier tells the domains apart in 55 % of the
// cases, 0.7 in 68 %, 1.4 in 85 %.
constexpr double kNegligibleDistance = 0.2;
constexpr double kWeakDistance = 0.7;
constexpr double kModerateDistance = 1.4;
// Resampled sources explain a difference when they leave no more than this share of it; the larger
// one is enough where a test no longer sees what is left. Few samples alone explain nothing: a test
// on them may see nothing where a classifier still tells the domains apart.
constexpr double kExplainedShare = 0.25;
constexpr double kUnseenShare = 0.5;

// 1 - label overlap, in [0, 1].
constexpr double kNegligibleShares = 0.05;
constexpr double kSharesAfterAlignment = 0.15;
constexpr double kWeakShares = 0.2;
constexpr double kModerateShares = 0.4;

// Expected accuracy less that on the labels, in [0, 1].
constexpr double kNegligibleDrop = 0.1;
constexpr double kWeakDrop = 0.25;
constexpr double kModerateDrop = 0.5;
constexpr double kFewestLabels = 5;

bool Has(const std::vector<ShiftKind>& kinds, ShiftKind kind) {
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

bool Differs(double p_value, double distance) {
  return p_value < kLevel / kPlaces && distance > kNegligibleDistance;
}

bool FeaturesDiffer(const Evidence& evidence) {
  return Differs(evidence.feature_p_value, evidence.feature_distance) ||
         Differs(evidence.output_p_value, evidence.output_distance);
}

bool SharesDiffer(const Evidence& evidence) {
  return evidence.prediction_p_value < kLevel && 1 - evidence.label_overlap > kNegligibleShares;
}

bool SharesExplain(const Evidence& evidence) {
  const double share = evidence.residual_p_value >= kLevel ? kUnseenShare : kExplainedShare;
  return evidence.residual_distance <=
         std::max(kNegligibleDistance, share * evidence.feature_distance);
}

double AccuracyDrop(const LabelEvidence& labels) {
  return labels.expected_accuracy - labels.accuracy;
}

bool LabelsContradict(const Evidence& evidence) {
  return evidence.labels && JudgeLabels(*evidence.labels) == LabelVerdict::kContradict;
}

Strength Graded(double value, double negligible, double weak, double moderate) {
  if (value <= negligible) return Strength::kNegligible;
  if (value <= weak) return Strength::kWeak;
  return value <= moderate ? Strength::kModerate : Strength::kStrong;
}

Strength StrengthOf(ShiftKind kind, const Evidence& evidence) {
  switch (kind) {
    case ShiftKind::kCovariate:
      return Graded(std::max(evidence.feature_distance, evidence.output_distance),
                    kNegligibleDistance, kWeakDistance, kModerateDistance);
    case ShiftKind::kLabel:
      return Graded(1 - evidence.label_overlap, kNegligibleShares, kWeakShares, kModerateShares);
    case ShiftKind::kConcept:
      return Graded(AccuracyDrop(*evidence.labels), kNegligibleDrop, kWeakDrop, kModerateDrop);
  }
  return Strength::kNegligible;
}

std::string Percent(double share) { return absl::StrFormat("%.0f %%", 100 * share); }

std::string Adverb(ShiftKind kind, const Evidence& evidence) {
  return StrengthText(StrengthOf(kind, evidence));
}

std::string CovariateText(const Finding& finding, const Evidence& evidence) {
  if (!finding.features_moved) {
    return "The inputs differ, but the model's features and outputs hardly do: the model already "
           "ignores this change.";
  }
  return absl::StrFormat(
      "Covariate shift (%s): the same classes look different; a classifier tells the domains apart "
      "by the features in %s of the cases.",
      Adverb(ShiftKind::kCovariate, evidence), Percent((2 + evidence.feature_distance) / 4));
}

std::string LabelText(const Evidence& evidence, bool alone) {
  return absl::StrFormat(
      "Label shift (%s): about %s of the classes' shares moved%s.",
      Adverb(ShiftKind::kLabel, evidence), Percent(1 - evidence.label_overlap),
      alone ? ", and source samples with the estimated shares look like the target" : "");
}

std::string ConceptText(const Evidence& evidence) {
  return absl::StrFormat(
      "Concept shift (%s): where the domains overlap the given labels contradict the model, which "
      "is right in %s of the cases and expects %s.",
      Adverb(ShiftKind::kConcept, evidence), Percent(evidence.labels->accuracy),
      Percent(evidence.labels->expected_accuracy));
}

constexpr char kLooksMoved[] =
    "it assumes that each class looks as before and only its share moved; here the looks moved";

// Why an offer that answers only other kinds, none of them label shift, cannot work.
std::string WrongKind(const Finding& finding) {
  if (Has(finding.kinds, ShiftKind::kConcept)) {
    return "no unlabelled sample shows that labels changed their meaning";
  }
  if (Has(finding.kinds, ShiftKind::kLabel)) {
    return "it makes the domains alike although their classes have other shares, and so mixes "
           "classes";
  }
  return "nothing hints at the shift that it answers";
}

bool AnswersAny(const MethodOffer& offer, const Finding& finding) {
  return std::any_of(offer.answers.begin(), offer.answers.end(),
                     [&finding](ShiftKind kind) { return Has(finding.kinds, kind); });
}

// Shares estimated from features that moved are wrong, and so is what is corrected by them.
bool TakesLooksForShares(const MethodOffer& offer, const Finding& finding) {
  return offer.answers == std::vector<ShiftKind>{ShiftKind::kLabel} &&
         Has(finding.kinds, ShiftKind::kCovariate) && finding.features_moved;
}

bool OnlyInputsMoved(const Finding& finding) {
  return finding.kinds == std::vector<ShiftKind>{ShiftKind::kCovariate} && !finding.features_moved;
}

// Aligning whole domains whose classes have very different shares must misplace some of them
// (Zhao et al., ICML 2019). Where the looks moved far, the shares are a guess by a model that is
// lost, and no reason to rule anything out.
bool WouldMixClasses(const MethodOffer& offer, const Finding& finding, const Evidence& evidence) {
  return offer.needs_sources && Has(finding.kinds, ShiftKind::kLabel) &&
         !Has(offer.answers, ShiftKind::kLabel) &&
         StrengthOf(ShiftKind::kCovariate, evidence) < Strength::kStrong &&
         1 - evidence.aligned_label_overlap > kModerateShares;
}

}  // namespace

std::string MissingNeed(const MethodOffer& offer, const Available& available) {
  if (offer.needs_target_labels) return "it needs labels of the target";
  if (offer.needs_sources && !available.sources) return "it needs labelled source data";
  if (offer.needs_batch_norm && !available.batch_norm) {
    return "it needs batch-norm layers; the model has none";
  }
  if (offer.needs_vectors && !available.vectors) return "it needs samples that are vectors";
  if (offer.needs_normalization && !available.normalization) {
    return "it needs layers that normalise, with a scale or a shift; the model has none";
  }
  if (offer.needs_images && !available.images) return "it needs images";
  if (!offer.needs_inputs.empty()) {
    return absl::StrCat("it needs more input: ", absl::StrJoin(offer.needs_inputs, ", "));
  }
  return "";
}

LabelVerdict JudgeLabels(const LabelEvidence& evidence) {
  if (evidence.samples < kFewestLabels) return LabelVerdict::kTooFew;
  return evidence.p_value < kLevel && AccuracyDrop(evidence) > kNegligibleDrop
             ? LabelVerdict::kContradict
             : LabelVerdict::kAgree;
}

bool ConfidenceDrops(double p_value) { return p_value < kLevel; }

Finding Judge(const Evidence& evidence) {
  Finding finding;
  const bool inputs_differ = Differs(evidence.input_p_value, evidence.input_distance);
  finding.features_moved = FeaturesDiffer(evidence);
  const bool shares_only = SharesDiffer(evidence) && SharesExplain(evidence);
  if ((inputs_differ || finding.features_moved) && !shares_only) {
    finding.kinds.push_back(ShiftKind::kCovariate);
    if (finding.features_moved && SharesDiffer(evidence) &&
        1 - evidence.aligned_label_overlap > kSharesAfterAlignment) {
      finding.kinds.push_back(ShiftKind::kLabel);
    }
  }
  if (shares_only) finding.kinds.push_back(ShiftKind::kLabel);
  if (LabelsContradict(evidence)) finding.kinds.push_back(ShiftKind::kConcept);
  for (const ShiftKind kind : finding.kinds) {
    finding.strength = std::max(finding.strength, StrengthOf(kind, evidence));
  }
  return finding;
}

Fitness FitMethods(const Finding& finding, const Evidence& evidence,
                   const std::vector<MethodOffer>& offers, const Available& available) {
  Fitness fitness;
  for (const MethodOffer& offer : offers) {
    if (offer.answers.empty()) continue;
    std::string reason = MissingNeed(offer, available);
    if (reason.empty() && finding.kinds.empty()) {
      reason = "there is no shift to answer; it can only lose accuracy";
    }
    if (reason.empty() && OnlyInputsMoved(finding)) {
      reason =
          "the model's features ignore the change of the inputs; there is nothing to make up for";
    }
    if (reason.empty() && TakesLooksForShares(offer, finding)) reason = kLooksMoved;
    if (reason.empty() && !AnswersAny(offer, finding)) reason = WrongKind(finding);
    if (reason.empty() && WouldMixClasses(offer, finding, evidence)) {
      reason =
          "it makes the domains alike although their classes have very different shares, and "
          "so mixes classes";
    }
    if (reason.empty()) {
      fitness.fit.push_back(offer.name);
    } else {
      fitness.unfit.push_back({offer.name, std::move(reason)});
    }
  }
  return fitness;
}

std::vector<std::string> KindNames(const Finding& finding) {
  std::vector<std::string> names;
  for (const ShiftKind kind : finding.kinds) {
    switch (kind) {
      case ShiftKind::kCovariate:
        names.push_back("covariate");
        break;
      case ShiftKind::kLabel:
        names.push_back("label");
        break;
      case ShiftKind::kConcept:
        names.push_back("concept");
        break;
    }
  }
  return names;
}

std::string KindText(const Finding& finding) {
  if (finding.kinds.empty()) return "none";
  return finding.kinds.size() > 1 ? "mixed" : KindNames(finding).front();
}

std::string StrengthText(Strength strength) {
  switch (strength) {
    case Strength::kNegligible:
      return "negligible";
    case Strength::kWeak:
      return "weak";
    case Strength::kModerate:
      return "moderate";
    case Strength::kStrong:
      return "strong";
  }
  return "negligible";
}

std::string Sentence(const Finding& finding, const Evidence& evidence) {
  std::vector<std::string> parts;
  if (finding.kinds.empty()) {
    parts.push_back("No shift that matters: the model fits the target as it fits the source.");
  }
  for (const ShiftKind kind : finding.kinds) {
    if (kind == ShiftKind::kCovariate) parts.push_back(CovariateText(finding, evidence));
    if (kind == ShiftKind::kLabel) {
      parts.push_back(LabelText(evidence, !Has(finding.kinds, ShiftKind::kCovariate)));
    }
    if (kind == ShiftKind::kConcept) parts.push_back(ConceptText(evidence));
  }
  if (!Has(finding.kinds, ShiftKind::kConcept) && ConfidenceDrops(evidence.confidence_p_value)) {
    parts.push_back(
        "Confidence drops even where aligned features overlap with the source: a few labels would "
        "tell whether the concept moved.");
  }
  return absl::StrJoin(parts, " ");
}

std::vector<std::string> Unknowns(const Evidence& evidence) {
  std::vector<std::string> unknowns = {
      "The error of the best classifier for both domains at once (lambda of the bound) cannot be "
      "known without labels of the target.",
      "The divergence is that seen by a linear classifier on these features: a floor of the one in "
      "the bound.",
      "The error on the source is too low when these source samples trained the model."};
  if (!evidence.labels) {
    unknowns.push_back(
        "Whether p(y|x) moved cannot be seen without labels of the target: give some as `probe`.");
  } else if (JudgeLabels(*evidence.labels) == LabelVerdict::kTooFew) {
    unknowns.push_back(
        "Too few of the given labels lie where the domains overlap to tell a moved concept from a "
        "moved domain.");
  }
  return unknowns;
}

}  // namespace acclimate::shift
