// Messages and file descriptors between a node and its worker, over a stream socket.
//
// A frame is the payload's length as four little-endian bytes, then a serialised protobuf message.
// Descriptors travel with the first byte of their frame.
#ifndef ACCLIMATE_SERVER_PROTOCOL_CHANNEL_H_
#define ACCLIMATE_SERVER_PROTOCOL_CHANNEL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "google/protobuf/message_lite.h"
#include "server/base/instant.h"
#include "server/protocol/unique_fd.h"

namespace acclimate::protocol {

inline constexpr size_t kMaxFrameBytes = size_t{4} << 20;
inline constexpr int kMaxDescriptorsPerFrame = 253;  // SCM_MAX_FD of Linux

// The two ends of a channel, as descriptors that an exec closes.
struct SocketPair {
  UniqueFd ours, theirs;
};
absl::StatusOr<SocketPair> MakeSocketPair();

// Errors, after which a channel is of no more use (but for DEADLINE_EXCEEDED from Receive):
//   UNAVAILABLE          the other end has gone;
//   INVALID_ARGUMENT     the other end sent what is not a frame, or descriptors nobody expects;
//   DEADLINE_EXCEEDED    it does not take or send bytes in time.
// Send may be called from several threads, beside one thread that receives.
class Channel {
 public:
  enum class Descriptors { kRefuse, kAccept };

  // kRefuse: incoming descriptors never enter this process, and end the channel. So does a frame
  // that claims more than `max_received_bytes`.
  Channel(UniqueFd socket, Descriptors descriptors, size_t max_received_bytes = kMaxFrameBytes);

  // RESOURCE_EXHAUSTED, with nothing sent: the message or its descriptors are over the limits.
  absl::Status Send(const google::protobuf::MessageLite& message,
                    absl::Span<const int> descriptors = {}, Instant deadline = Instant::Never());

  // True: `message` is the next one. False: it has not come whole yet. Never waits.
  absl::StatusOr<bool> TryReceive(google::protobuf::MessageLite& message);
  absl::Status Receive(google::protobuf::MessageLite& message, Instant deadline = Instant::Never());
  // Those that came with the last message received.
  std::vector<UniqueFd> TakeDescriptors();

  int fd() const { return socket_.get(); }  // readable when TryReceive has work

 private:
  static constexpr size_t kHeaderBytes = 4;

  absl::Status SendBytes(absl::string_view bytes, absl::Span<const int> descriptors,
                         Instant deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(send_mutex_);
  absl::StatusOr<bool> Fill(char* begin, size_t size, size_t& filled);
  absl::StatusOr<size_t> ReadSome(char* begin, size_t size);

  const UniqueFd socket_;
  const Descriptors descriptors_;
  const size_t max_received_bytes_;
  absl::Mutex send_mutex_;

  // The frame that is being received.
  std::array<char, kHeaderBytes> header_;
  size_t header_filled_ = 0;
  std::string payload_;
  size_t payload_filled_ = 0;
  std::vector<UniqueFd> arriving_;
  std::vector<UniqueFd> received_;
};

}  // namespace acclimate::protocol

#endif  // ACCLIMATE_SERVER_PROTOCOL_CHANNEL_H_
