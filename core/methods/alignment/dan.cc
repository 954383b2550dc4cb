// DAN: the kernel mean embeddings of the last layers brought together by MK-MMD.
#include <ATen/ATen.h>

#include "core/losses/mk_mmd.h"
#include "core/methods/alignment/alignment.h"

namespace acclimate::methods {

MethodEntry Dan() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "dan";
  spec.title = "Deep adaptation network (DAN)";
  spec.summary =
      "Trains on the labelled source while the maximum mean discrepancy between source and target "
      "features, with five Gaussian kernels, is made small.";
  spec.reference = "Long et al., Learning Transferable Features with Deep Adaptation, ICML (2015)";
  spec.formula =
      "CE(source) + trade_off sum_l MMD_k^2(l_s, l_t) over the layers l, k = sum_u exp(-D / (2 "
      "alpha_u m)), m the mean or the median of D";
  spec.hyperparameters.push_back(
      ChoiceSetting("layers", "What is aligned: the features, or features and logits", "features",
                    {"features", "features+logits"}));
  spec.hyperparameters.push_back(BandwidthSetting());
  return {spec, [](const MethodContext& context) {
            losses::MkMmdOptions options;
            options.bandwidth = BandwidthOf(context.settings);
            const bool logits = context.settings.Text("layers") == "features+logits";
            return MakeAlignmentTask(context, "discrepancy",
                                     [options, logits](const model::ForwardResult& source,
                                                       const model::ForwardResult& target) {
                                       const at::Tensor features =
                                           losses::MkMmd(source.features, target.features, options);
                                       if (!logits) return features;
                                       return features +
                                              losses::MkMmd(source.logits, target.logits, options);
                                     });
          }};
}

}  // namespace acclimate::methods
