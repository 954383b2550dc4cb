// From measurements to a judgement in words: which kind of shift, how strong, what to do.
// Free of LibTorch.
#ifndef ACCLIMATE_CORE_SHIFT_VERDICT_H_
#define ACCLIMATE_CORE_SHIFT_VERDICT_H_

#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "core/shift/shift_kind.h"

namespace acclimate::shift {

// Labels of the target against the model's calibrated predictions, where the domains overlap.
struct LabelEvidence {
  double p_value = 1;
  double samples = 0;            // the sum of the labels' weights: how many lie in the overlap
  double accuracy = 1;           // weighted, of the model
  double expected_accuracy = 1;  // weighted, as the model's confidence has it
};

enum class LabelVerdict {
  kTooFew,      // lie where the domains overlap: nothing can be said
  kAgree,       // with the model, as far as it expects it of itself
  kContradict,  // rule 4 of Judge()
};
LabelVerdict JudgeLabels(const LabelEvidence& evidence);
// Of the one-sided test of a drop in confidence.
bool ConfidenceDrops(double p_value);

// What was measured. Distances are proxy A-distances in [0, 2]; p-values are those of kernel
// two-sample tests unless said otherwise.
struct Evidence {
  double input_p_value = 1, input_distance = 0;
  double feature_p_value = 1, feature_distance = 0;
  double output_p_value = 1, output_distance = 0;

  // Of the shares of the classes, source against the estimate for the target.
  double prediction_p_value = 1;  // chi-squared test of the predicted classes
  double label_overlap = 1;       // sum_c min(p_c, q_c)
  // The same after the target's features were moved to the source's means and variances.
  double aligned_label_overlap = 1;
  // Source samples drawn anew with the estimated shares, against the target: what they leave.
  double residual_p_value = 1, residual_distance = 0;

  double source_error = 0;  // of the model on source samples, in [0, 1]
  // One-sided test of a drop in confidence of aligned features where the domains overlap.
  double confidence_p_value = 1;
  absl::optional<LabelEvidence> labels;
};

enum class Strength { kNegligible, kWeak, kModerate, kStrong };

struct Finding {
  std::vector<ShiftKind> kinds;  // none, one, or several ("mixed")
  Strength strength = Strength::kNegligible;
  bool features_moved = false;  // false with a covariate shift: the features do not see it
};

// The rules, in order:
// 1. The domains differ where a two-sample test says so (level 0.01, shared among the three places)
//    and the distance there is not negligible.
// 2. Label shift: predicted classes differ, the estimated shares differ by more than 5 %, and
//    source samples drawn with the estimated shares leave a quarter of the distance at most (half,
//    where a two-sample test no longer sees it).
// 3. Covariate shift: the domains differ and rule 2 does not explain it. With it, label shift too
//    where the shares still differ by more than 15 % after alignment.
// 4. Concept shift: at least five samples' worth of labels lie where the domains overlap, they
//    contradict the model (level 0.01), and its accuracy there is 10 % below what it expects.
Finding Judge(const Evidence& evidence);

// What a method needs and is made for.
struct MethodOffer {
  std::string name;
  std::vector<ShiftKind> answers;  // none: it answers no shift, and is not spoken of
  bool needs_sources = false;
  bool needs_target_labels = false;
  bool needs_batch_norm = false;
  bool needs_normalization = false;
  bool needs_images = false;
  std::vector<std::string> needs_inputs;  // beside source and target
  bool needs_vectors = false;             // samples of one dimension
};
struct Available {
  bool sources = true;
  bool batch_norm = true;
  bool vectors = true;        // the samples are such
  bool normalization = true;  // layers that normalise, with scale or shift
  bool images = true;
};
// What the offer needs and is not there; empty when nothing is missing.
std::string MissingNeed(const MethodOffer& offer, const Available& available);

struct Unfit {
  std::string method, reason;
};
struct Fitness {
  std::vector<std::string> fit;
  std::vector<Unfit> unfit;
};
// Every offer that answers some shift is in one of the two, in the order given.
Fitness FitMethods(const Finding& finding, const Evidence& evidence,
                   const std::vector<MethodOffer>& offers, const Available& available);

std::string KindText(const Finding& finding);  // "none", "covariate", "label", "concept", "mixed"
std::vector<std::string> KindNames(const Finding& finding);
std::string StrengthText(Strength strength);  // "negligible", "weak", "moderate", "strong"
// One sentence or a few: what moved, how far, what to do about it.
std::string Sentence(const Finding& finding, const Evidence& evidence);
// What the measurements cannot tell, each a sentence.
std::vector<std::string> Unknowns(const Evidence& evidence);

}  // namespace acclimate::shift

#endif  // ACCLIMATE_CORE_SHIFT_VERDICT_H_
