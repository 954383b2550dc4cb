// DAN: the features' kernel mean embeddings brought together by MK-MMD.
#include "core/losses/mk_mmd.h"
#include "core/methods/alignment.h"

namespace acclimate::methods {

MethodEntry Dan() {
  MethodSpec spec = AlignmentSpec({}, /*trade_off=*/1.0);
  spec.name = "dan";
  spec.title = "Deep adaptation network (DAN)";
  spec.summary =
      "Trains on the labelled source while the maximum mean discrepancy between source and target "
      "features, with five Gaussian kernels, is made small.";
  spec.reference = "Long et al., Learning Transferable Features with Deep Adaptation, ICML (2015)";
  spec.formula = "CE(source) + trade_off MMD_k^2(f_s, f_t), k = sum_u exp(-D / (2 alpha_u m))";
  return {spec, [](const MethodContext& context) {
            return MakeDiscrepancyTask(context,
                                       [](const at::Tensor& source, const at::Tensor& target) {
                                         return losses::MkMmd(source, target);
                                       });
          }};
}

}  // namespace acclimate::methods
