// A peer of another kind than the methods' models: the classical baseline for tables.
#ifndef ACCLIMATE_CORE_METHODS_LINEAR_PEER_H_
#define ACCLIMATE_CORE_METHODS_LINEAR_PEER_H_

#include "absl/types/optional.h"
#include "core/methods/method.h"
#include "core/selection/candidate.h"
#include "core/selection/examiner.h"

namespace acclimate::methods {

// A linear classifier on the labelled source, told of the target after each coordinate has been
// moved and scaled to the source's mean and variance. It has nothing of the checkpoint and so errs
// in ways of its own. Nothing for samples that are no vectors, of whose pixels it could not tell
// much, for vectors of more than 10000 coordinates or 200000 of them times classes, and without
// held-out source data, which show whether it can be listened to.
absl::optional<selection::Candidate> LinearPeer(const MethodContext& context,
                                                const selection::Examiner& examiner);

}  // namespace acclimate::methods

#endif  // ACCLIMATE_CORE_METHODS_LINEAR_PEER_H_
