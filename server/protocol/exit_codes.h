// How a worker ends when it can no longer say it in a message.
#ifndef ACCLIMATE_SERVER_PROTOCOL_EXIT_CODES_H_
#define ACCLIMATE_SERVER_PROTOCOL_EXIT_CODES_H_

namespace acclimate::protocol {

inline constexpr int kExitUsage = 64;
inline constexpr int kExitNodeGone = 69;     // the channel is closed or broken
inline constexpr int kExitOutOfMemory = 71;  // where no exception could be caught any more

}  // namespace acclimate::protocol

#endif  // ACCLIMATE_SERVER_PROTOCOL_EXIT_CODES_H_
