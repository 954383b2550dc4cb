// JAN: the joint distribution of features and predictions brought together by joint MMD.
#include <ATen/ATen.h>

#include "core/losses/joint_mmd.h"
#include "core/methods/alignment/alignment.h"

namespace acclimate::methods {
namespace {

// Of the predictions' only kernel, 2 sigma^2 with the sigma = 0.92 of TLlib (1.68 in the authors'
// code).
constexpr double kPredictionsWidth = 2 * 0.92 * 0.92;

}  // namespace

MethodEntry Jan() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "jan";
  spec.title = "Joint adaptation network (JAN)";
  spec.summary =
      "Trains on the labelled source while the joint distribution of features and predictions is "
      "brought together: what dan does, with classes kept apart.";
  spec.reference =
      "Long et al., Deep Transfer Learning with Joint Adaptation Networks, ICML (2017)";
  spec.formula =
      "CE(source) + trade_off MMD_k^2 with k = k_features k_predictions, k_features = sum_u exp(-D "
      "/ (2 alpha_u m)), k_predictions = exp(-D / 1.69)";
  spec.hyperparameters.push_back(BandwidthSetting());
  return {spec, [](const MethodContext& context) {
            losses::MkMmdOptions options;
            options.bandwidth = BandwidthOf(context.settings);
            return MakeAlignmentTask(
                context, "discrepancy",
                [options](const model::ForwardResult& source, const model::ForwardResult& target) {
                  return losses::JointMmd(
                      {{source.features, target.features},
                       {source.logits.softmax(1), target.logits.softmax(1), kPredictionsWidth}},
                      options);
                });
          }};
}

}  // namespace acclimate::methods
