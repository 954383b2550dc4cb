// How much a worker may say. A worker has read a user's files: what it sends is bounded where it is
// received, and an honest worker keeps within the bounds.
#ifndef ACCLIMATE_SERVER_PROTOCOL_MESSAGE_LIMITS_H_
#define ACCLIMATE_SERVER_PROTOCOL_MESSAGE_LIMITS_H_

#include <cstddef>

namespace acclimate::protocol {

inline constexpr size_t kMaxWorkerMessageBytes = size_t{256} << 10;  // one message to the node
inline constexpr size_t kMaxWarningBytes = size_t{2} << 10;          // longer ones are cut
inline constexpr size_t kMaxWarnings = 100;                          // of one attempt
inline constexpr size_t kMaxErrorBytes = size_t{4} << 10;            // longer ones are cut
inline constexpr int kMaxMetrics = 256;                              // of one point or one result
inline constexpr size_t kMaxMetricNameBytes = 128;
inline constexpr int kMaxOutputs = 64;  // files of one result
inline constexpr size_t kMaxFileNameBytes = 128;

}  // namespace acclimate::protocol

#endif  // ACCLIMATE_SERVER_PROTOCOL_MESSAGE_LIMITS_H_
