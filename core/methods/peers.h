// Short runs of other methods, for what their agreement with a run's candidates tells of these.
#ifndef ACCLIMATE_CORE_METHODS_PEERS_H_
#define ACCLIMATE_CORE_METHODS_PEERS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/methods/method.h"
#include "core/selection/candidate.h"
#include "core/selection/examiner.h"
#include "core/train/stop_signal.h"

namespace acclimate::methods {

constexpr int64_t kMostPeers = 3;

// `count` at most: for vectors the LinearPeer(); then, as they stand after an eighth of a plan of
// `steps` steps with their defaults, on copies of the context's model, methods other than `method`
// that train on labelled source data and fit the model. They are stopped early, not hurried: whole
// short plans, like longer parts, come to share mistakes with the run. One that diverges is left
// out. Uses the default generators.
absl::StatusOr<selection::OtherModels> RunPeers(const MethodContext& context,
                                                const std::string& method, int64_t count,
                                                int64_t steps, const selection::Examiner& examiner,
                                                train::StopSignal& stop);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_PEERS_H_
