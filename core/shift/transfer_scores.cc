#include "core/shift/transfer_scores.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/shift/h_score.h"
#include "core/shift/leep.h"
#include "core/shift/logme.h"
#include "core/shift/nce.h"
#include "core/shift/transrate.h"

namespace acclimate::shift {

TransferScores ScoreTransfer(const at::Tensor& features, const at::Tensor& logits,
                             const at::Tensor& labels, int64_t classes) {
  const at::NoGradGuard no_grad;
  TransferScores scores;
  scores.logme = LogMe(features, labels, classes);
  scores.leep = Leep(logits.to(at::kDouble).softmax(1), labels, classes);
  scores.nce = NegativeConditionalEntropy(logits.argmax(1), labels, classes);
  scores.h_score = HScore(features, labels, classes);
  scores.transrate = TransRate(features, labels, classes);
  return scores;
}

}  // namespace acclimate::shift
